// Retained messages: what the contract says beyond the first look.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminToken, ask, brokerClient, connect, eventually, isoTime, rest, sleep, startBoth, startBroker, startGateway, startProxy, subscribe,
  succeed, token, untilMessages, untilReady,
} from './harness.mjs';

const count = (n) => Array.from({ length: n }, (_, i) => i);
const retain = (publisher, messages) =>
  Promise.all(messages.map(([topic, payload]) => publisher.publishAsync(topic, payload, { qos: 1, retain: true })));
const dropped = (socket) => {
  socket.drops = [];
  socket.on('mqtt:dropped', (x) => socket.drops.push(x));
};

for (const version of ['5', '3.1.1']) {
  test(`MQTT ${version}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: '2', MQTT_VERSION: version } });
    const other = await brokerClient(t, broker);

    await t.test('published and deleted through the gateway itself', async (t) => {
      const body = { topic: 'own/a', payload: { n: 1 }, qos: 1, retain: true };
      assert.equal((await rest(gateway, 'POST', '/mqtt/publish', body)).status, 200);
      const one = await connect(t, gateway);
      await subscribe(one, 'own/#', 2);
      const [m] = await untilMessages(one, 1);
      assert.deepEqual([m.topic, m.payload, m.retain, m.qos], ['own/a', { n: 1 }, true, 0]);
      assert.match(m.timestamp, isoTime);
      await succeed(one, 'mqtt:publish', { topic: 'own/a', payload: '', encoding: 'text', qos: 1, retain: true });
      const two = await connect(t, gateway);
      await subscribe(two, 'own/#');
      await sleep(400);
      assert.deepEqual(two.messages, []);
    });

    await t.test('200 filters asked for at once by one socket, each brings its own once', async (t) => {
      await retain(other, count(200).map((i) => [`lots/${i}/v`, String(i)]));
      const socket = await connect(t, gateway);
      await Promise.all(count(200).map((i) => subscribe(socket, i % 2 ? `lots/${i}/+` : `lots/${i}/v`)));
      await untilMessages(socket, 200, 20_000);
      await sleep(300);
      assert.deepEqual(socket.messages.map((m) => m.payload).sort((a, b) => a - b), count(200));
    });

    await t.test('$SYS is retained too', async (t) => {
      const socket = await connect(t, gateway, { auth: { token: adminToken() } });
      await subscribe(socket, '$SYS/broker/version');
      const [m] = await untilMessages(socket, 1);
      assert.equal(m.retain, true);
      assert.match(m.payload, /^mosquitto/);
    });

    await t.test('300 sockets come at once while retained values flow: no value twice, none backwards, the last for each', async (t) => {
      const topics = count(5).map((i) => `rush/${i}`);
      await retain(other, topics.map((topic) => [topic, '0']));
      let running = true;
      let last = 0;
      const traffic = (async () => {
        while (running) {
          ++last;
          topics.forEach((topic, i) => other.publish(topic, String(last), { qos: i % 2, retain: true }));
          await sleep(10);
        }
      })();
      const sockets = [];
      try {
        sockets.push(...(await Promise.all(count(300).map((i) => connect(t, gateway, { auth: { token: token({ sub: `r${i % 40}` }) } })))));
        await Promise.all(sockets.map((s, i) => subscribe(s, ['rush/#', 'rush/+'][i % 2], 1)));
        await sleep(100);
      } finally {
        running = false;
        await traffic;
      }
      for (const s of sockets)
        await eventually(() => topics.every((topic) => s.messages.some((m) => m.topic === topic && m.payload === last)), 'the last', 30_000);
      for (const s of sockets)
        for (const topic of topics) {
          const seen = s.messages.filter((m) => m.topic === topic).map((m) => m.payload);
          assert.deepEqual(seen, seen.map((_, i) => seen[0] + i), topic);
        }
    });

    await t.test('a replay does not count: a small queue, live QoS 1 and replies in its middle', async (t) => {
      const g = await startGateway(t, { broker, env: { CLIENT_QUEUE: '100KB', MQTT_VERSION: version } });
      await untilReady(g);
      await retain(other, count(20_000).map((i) => [`big/${i}`, String(i)]));
      for (const transports of [['websocket'], ['polling']]) {
        const socket = await connect(t, g, { transports });
        dropped(socket);
        let closed = false;
        socket.on('disconnect', () => (closed = true));
        await subscribe(socket, 'big/#', 1);
        await subscribe(socket, 'live', 1);
        for (const i of count(50)) other.publish('live', String(i), { qos: 1 });
        for (const _ of count(5)) assert.equal((await ask(socket, 'mqtt:status')).success, true);
        await untilMessages(socket, 20_050, 40_000);
        await sleep(200);
        assert.equal(closed, false);
        assert.deepEqual(socket.drops, []);
        assert.deepEqual(socket.messages.filter((m) => m.topic === 'live').map((m) => m.payload), count(50));
        const kept = socket.messages.filter((m) => m.topic !== 'live').map((m) => m.topic);
        assert.equal(kept.length, 20_000);
        assert.equal(new Set(kept).size, 20_000);
        socket.disconnect();
      }
      assert.equal((await rest(g, 'GET', '/mqtt/stats')).body.messagesDropped, 0);
      await retain(other, count(20_000).map((i) => [`big/${i}`, '']));
    });
  });

  test(`MQTT ${version}: a live message that is not retained leaves what still waits in a frozen client's replay`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { CLIENT_QUEUE: '200KB', MQTT_VERSION: version } });
    const other = await brokerClient(t, broker);
    const filler = 'x'.repeat(2_000);
    await retain(other, count(5_000).map((i) => [`fz/${String(i).padStart(4, '0')}`, JSON.stringify({ i, filler })]));
    const proxy = await startProxy(t, gateway.port);
    const slow = await connect(t, { url: proxy.url });
    const asked = subscribe(slow, 'fz/#', 1);
    await untilMessages(slow, 1);
    proxy.freeze();
    await asked.catch(() => {});
    const watcher = await connect(t, gateway);
    await subscribe(watcher, 'fz/#', 1);
    await untilMessages(watcher, 5_000, 20_000);
    const had = new Set(slow.messages.map((m) => m.topic));
    const [topic] = watcher.messages.map((m) => m.topic).filter((x) => !had.has(x)).slice(-1);
    await other.publishAsync(topic, '"passing"', { qos: 1 });
    await eventually(() => watcher.messages.at(-1).payload === 'passing', 'the watcher has it');
    proxy.thaw();
    await eventually(() => new Set(slow.messages.map((m) => m.topic)).size === 5_000, 'all topics', 20_000);
    await sleep(300);
    const seen = slow.messages.filter((m) => m.topic === topic).map((m) => [m.payload.i === undefined ? m.payload : 'kept', m.retain]);
    assert.equal(seen.filter(([p]) => p === 'passing').length, 1);
    // The retained message is still what the broker keeps: a new subscription "always gets" it.
    assert.ok(seen.some(([p, r]) => p === 'kept' && r), JSON.stringify(seen));
  });

  test(`MQTT ${version}: a wire cut in the middle of fetches`, async (t) => {
    const broker = await startBroker(t);
    const proxy = await startProxy(t, broker.port);
    const gateway = await startGateway(t, { broker: { port: proxy.port }, env: { MQTT_VERSION: version } });
    await untilReady(gateway);
    const other = await brokerClient(t, broker);
    await retain(other, count(10_000).map((i) => [`cut/${i}`, String(i)]));
    const early = await connect(t, gateway);
    await subscribe(early, 'cut/1');
    await untilMessages(early, 1);
    for (const round of count(5)) {
      const socket = await connect(t, gateway);
      const before = proxy.bytes;
      const asked = subscribe(socket, 'cut/#', 1);
      await eventually(() => proxy.bytes > before + 20_000 + 15_000 * round, 'bytes of the fetch');
      proxy.cut();
      await asked;
      await untilReady(gateway);
      await untilMessages(socket, 10_000, 15_000);
      await sleep(200);
      assert.equal(socket.messages.length, 10_000, `round ${round}`);
      assert.equal(new Set(socket.messages.map((m) => m.topic)).size, 10_000);
      socket.disconnect();
    }
    // A reconnect is no new subscription: nobody who was there gets it again.
    assert.equal(early.messages.length, 1);
  });
}
