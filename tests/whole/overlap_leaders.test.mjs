// Overlapping filters, the sharper cases.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminToken, brokerClient, connect, eventually, sleep, startBoth, startBroker, startGateway, startProxy, subscribe, succeed, token,
  untilMessages, untilReady,
} from './harness.mjs';
import { flow } from './overlap_load.mjs';

const count = (n) => Array.from({ length: n }, (_, i) => i);
const unsubscribe = (socket, topic) => succeed(socket, 'mqtt:unsubscribe', { topic });
const at = (socket, topic) => socket.messages.filter((m) => m.topic === topic).map((m) => m.payload);

const versions = ['5', '3.1.1'];

for (const [MQTT_VERSION, WORKERS] of [['5', '1'], ['5', '2'], ['3.1.1', '2']])
  for (const duplicates of [true, false])
    test(`order on one socket, a/# a/+ a/b #, ${MQTT_VERSION}, ${WORKERS} workers, duplicates ${duplicates}`, async (t) => {
      const settings = [`allow_duplicate_messages ${duplicates}`];
      const { broker, gateway } = await startBoth(t, { env: { MQTT_VERSION, WORKERS }, settings });
      const other = await brokerClient(t, broker);
      const socket = await connect(t, gateway, { auth: { token: adminToken() } });
      for (const f of ['a/#', 'a/+', 'a/b', '#']) await subscribe(socket, f, 2);
      for (const i of count(200)) for (const qos of [0, 1, 2]) other.publish('a/b', `[${qos},${i}]`, { qos });
      await untilMessages(socket, 600);
      await sleep(200);
      for (const qos of [0, 1, 2])
        assert.deepEqual(at(socket, 'a/b').filter(([q]) => q === qos).map(([, i]) => i), count(200), `qos ${qos}`);
    });

for (const [MQTT_VERSION, WORKERS] of [['5', '1'], ['5', '2'], ['3.1.1', '2']])
  test(`the leader dropped while the broker's queue under it is still full, ${MQTT_VERSION}, ${WORKERS} workers`, async (t) => {
    const broker = await startBroker(t, { settings: ['max_inflight_messages 20', 'max_queued_messages 1000'] });
    const proxy = await startProxy(t, broker.port);
    const gateway = await startGateway(t, { broker: { port: proxy.port }, env: { MQTT_VERSION, WORKERS } });
    await untilReady(gateway);
    const other = await brokerClient(t, broker);
    for (const round of count(6)) {
      const [all, one] = [await connect(t, gateway), await connect(t, gateway)];
      const [wide, topic] = [`sw${round}/#`, `sw${round}/t`];
      for (const s of [all, one]) await subscribe(s, wide, 1);
      proxy.freeze();
      await Promise.all(count(80).map((i) => other.publishAsync(topic, String(i), { qos: 1 })));
      await Promise.all(count(80).map((i) => other.publishAsync(topic, `"zero${i}"`, { qos: 0 })));
      // Both are asked in the freeze; sw/t is acknowledged while most of the 80 still wait at the broker.
      const added = Promise.all([all, one].map((s) => subscribe(s, topic, 2)));
      await sleep(20 + 10 * round);
      proxy.thaw();
      await added;
      await Promise.all([all, one].map((s) => unsubscribe(s, wide)));
      for (const s of [all, one]) {
        await eventually(() => at(s, topic).filter(Number.isInteger).length >= 80, `80, round ${round}`, 20_000)
          .catch((e) => { throw new Error(`${e.message}: ${at(s, topic).length}`); });
      }
      await sleep(300);
      for (const s of [all, one]) {
        assert.deepEqual(at(s, topic).filter(Number.isInteger), count(80), `round ${round}`);
        const zero = at(s, topic).filter((x) => typeof x === 'string');
        assert.equal(new Set(zero).size, zero.length);
        s.disconnect();
      }
    }
  });

for (const MQTT_VERSION of versions)
  test(`a leader left and taken up again at every point of its hand-over, ${MQTT_VERSION}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { MQTT_VERSION, WORKERS: '2' } });
    const other = await brokerClient(t, broker);
    // Without identifiers each lane is a connection of its own, and nothing orders what two of them bring at a hand-over.
    const inOrder = (numbers) => (MQTT_VERSION === '5' ? numbers : numbers.toSorted((a, b) => a - b));
    const steady = await connect(t, gateway, { auth: { token: token({ sub: 'steady' }) } });
    const holder = await connect(t, gateway);
    await subscribe(holder, 'x/#', 1);
    await subscribe(steady, 'x/+', 2);
    await subscribe(steady, 'x/t', 0);
    const traffic = flow(other, ['x/t'], [0, 1, 2], { pause: 2, readers: [steady] });
    const visits = [];
    try {
      for (const i of count(120)) {
        const seen = [];
        const listener = (m) => seen.push(m.payload);
        await unsubscribe(holder, 'x/#');
        await sleep((i * 7) % 11);
        holder.on('mqtt:message', listener);
        await subscribe(holder, 'x/#', i % 3);
        await sleep(i % 5);
        visits.push([seen, listener]);
        holder.off('mqtt:message', listener);
      }
    } finally {
      await traffic.stop();
    }
    for (const [seen] of visits)
      for (const qos of [0, 1, 2]) {
        const n = inOrder(seen.filter(([q]) => q === qos).map(([, i]) => i));
        assert.deepEqual(n, n.map((_, i) => n[0] + i));
      }
    const sent = traffic.sent();
    await eventually(() => steady.messages.length >= 3 * sent, 'all', 20_000);
    await sleep(200);
    for (const qos of [0, 1, 2])
      assert.deepEqual(inOrder(at(steady, 'x/t').filter(([q]) => q === qos).map(([, i]) => i)), count(sent), `qos ${qos}`);
  });
