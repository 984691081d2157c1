// What a row of the table in docs/brokers.md stands for, with whatever broker it is asked of.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  adminToken, brokerClient, connect, eventually, publish, rest, sleep, startGateway, startProxy, subscribe, token, untilMessages, untilReady,
} from './harness.mjs';

const run = promisify(execFile);
const count = (n) => Array.from({ length: n }, (_, i) => i);

/**
 * `version` is what the link must end up speaking, `asked` the setting; `highest` the best quality of service that the
 * broker has. `interrupt` ends every connection of the gateway's, and `mend` is done once it has been noticed.
 */
export async function exerciseRow(t, { broker, version, asked = version, highest = 2, interrupt, mend = () => {} }) {
  const proxy = await startProxy(t, broker.port);
  const clientId = `row-${broker.name}-${asked}`;
  const gateway = await startGateway(t, {
    broker: { port: proxy.port },
    env: { ...broker.env, MQTT_VERSION: asked, MQTT_CLIENT_ID: clientId, LOG_LEVEL: 'debug' },
  });
  await untilReady(gateway);
  assert.equal((await gateway.logged('broker connected')).version, version);
  const clientOptions = { protocolVersion: version === '5' ? 5 : 4 };
  const other = await brokerClient(t, broker, clientOptions);
  const levels = count(highest + 1);
  const drops = () => gateway.log.filter((line) => line.event === 'broker disconnected').length;

  await t.test('status names the client id and since when', async () => {
    const { body } = await rest(gateway, 'GET', '/mqtt/status');
    assert.equal(body.isConnected, true);
    assert.equal(body.clientId, clientId);
    assert.ok(Date.now() - Date.parse(body.connectedAt) < 20_000);
  });

  await t.test('from others, at each QoS, to each kind of subscription: the qos is what is true', async (t) => {
    for (const asked of [0, 1, 2]) {
      const socket = await connect(t, gateway);
      const granted = Math.min(asked, highest);
      assert.equal((await subscribe(socket, `in/${asked}`, asked)).qos, granted);
      for (const qos of levels) for (const i of count(50)) other.publish(`in/${asked}`, `[${qos},${i}]`, { qos });
      await untilMessages(socket, 50 * levels.length);
      await sleep(50);
      for (const qos of levels) {
        const seen = socket.messages.filter((m) => m.payload[0] === qos);
        assert.deepEqual(seen.map((m) => m.payload[1]), count(50));
        assert.ok(seen.every((m) => m.qos === Math.min(qos, granted)), `published at ${qos}, subscribed at ${granted}`);
      }
      socket.disconnect();
    }
  });

  await t.test('to others, at each QoS', async (t) => {
    const socket = await connect(t, gateway);
    const receiver = await brokerClient(t, broker, clientOptions);
    await receiver.subscribeAsync('out/#', { qos: highest });
    for (const qos of [0, 1, 2]) {
      await Promise.all(count(50).map((i) => publish(socket, `out/${qos}`, i, { qos })));
      const seen = () => receiver.received.filter((m) => m.topic === `out/${qos}`);
      await eventually(() => seen().length >= 50, `50 at QoS ${qos}`);
      await sleep(50);
      assert.deepEqual(seen().map((m) => Number(m.payload)), count(50));
      assert.ok(seen().every((m) => m.packet.qos === Math.min(qos, highest)));
    }
  });

  await t.test('libmosquitto publishes, wildcards deliver', async (t) => {
    const socket = await connect(t, gateway);
    await subscribe(socket, 'wild/+/leaf', 1);
    await subscribe(socket, 'wild/tree/#', 1);
    const send = (topic) =>
      run('mosquitto_pub', ['-p', String(new URL(broker.url).port), '-q', '1', '-t', topic, '-m', '"pub"']);
    for (const topic of ['wild/a/leaf', 'wild/tree', 'wild/tree/b/c', 'wild/a/b/leaf']) await send(topic);
    await untilMessages(socket, 3);
    await sleep(50);
    assert.deepEqual(socket.messages.map((m) => m.topic).sort(), ['wild/a/leaf', 'wild/tree', 'wild/tree/b/c']);
  });

  await t.test('a retained message reaches whoever subscribes, each time', async (t) => {
    await other.publishAsync('kept/a', '"kept"', { qos: 1, retain: true });
    await sleep(100);
    for (const sub of ['one', 'two']) {
      const socket = await connect(t, gateway, { auth: { token: token({ sub }) } });
      await subscribe(socket, 'kept/a', 1);
      const [message] = await untilMessages(socket, 1);
      assert.deepEqual([message.payload, message.retain], ['kept', true]);
    }
  });

  await t.test('overlapping filters bring each message once, to one socket and to several', async (t) => {
    const one = await connect(t, gateway);
    for (const filter of ['over/#', 'over/+', 'over/lap']) await subscribe(one, filter, highest);
    const several = [];
    for (const filter of ['over/#', '+/lap', 'over/lap']) {
      const socket = await connect(t, gateway, { auth: { token: adminToken({ sub: filter }) } });
      await subscribe(socket, filter, highest);
      several.push(socket);
    }
    for (const qos of levels) for (const i of count(100)) other.publish('over/lap', `[${qos},${i}]`, { qos });
    for (const socket of [one, ...several]) await untilMessages(socket, 100 * levels.length);
    await sleep(200);
    for (const socket of [one, ...several])
      for (const qos of levels)
        assert.deepEqual(socket.messages.filter((m) => m.payload[0] === qos).map((m) => m.payload[1]), count(100));
  });

  await t.test('after an interruption the link is back, and so is every subscription', async (t) => {
    const socket = await connect(t, gateway);
    await subscribe(socket, 'again/#', 1);
    const before = drops();
    await (interrupt ?? proxy.cut)();
    await eventually(() => drops() > before, 'the gateway notices');
    await mend();
    await untilReady(gateway);
    const sender = await brokerClient(t, broker, clientOptions);
    await eventually(async () => {
      await sender.publishAsync('again/a', '"again"', { qos: 1 });
      await sleep(50);
      return socket.messages.length > 0;
    }, 'subscribed again');
    await publish(socket, 'again/own', 'own', { qos: 2 });
    await eventually(() => socket.messages.some((m) => m.payload === 'own'), 'our own message');
  });

  await t.test('another client that takes our client id', async (t) => {
    const socket = await connect(t, gateway);
    await subscribe(socket, 'taken', 1);
    const before = drops();
    const thief = await brokerClient(t, broker, { ...clientOptions, clientId, clean: false, reconnectPeriod: 0 });
    // Whether the broker says why, and what the log then says, is in broker_limits.test.mjs: none of these does.
    await eventually(() => drops() > before, 'taken over');
    await thief.endAsync(true);
    await eventually(async () => {
      await other.publishAsync('taken', '1', { qos: 1 }).catch(() => {});
      await sleep(50);
      return socket.messages.length > 0;
    }, 'the gateway has it back', 20_000);
  });
}
