// RabbitMQ's rows of the table in docs/brokers.md, and what it does in its own way. It takes ten seconds to start, so that
// one broker serves them all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRabbitmq } from './brokers.mjs';
import {
  ask, brokerClient, connect, eventually, publish, rest, sleep, startGateway, subscribe, untilMessages, untilReady,
} from './harness.mjs';
import { exerciseRow } from './interop_rows.mjs';
import { exerciseLaneCap, exerciseOverlaps } from './overlap_load.mjs';

test('RabbitMQ 3.10', async (t) => {
  // Patterns of topics as AMQP writes them: everything but what begins with `denied`.
  const allowed = '^(?!denied).*';
  const broker = await startRabbitmq(t, { topics: { write: allowed, read: allowed } });
  await t.test('mqtt, MQTT_VERSION=auto', (t) => exerciseRow(t, { broker, version: '3.1.1', asked: 'auto', highest: 1 }));
  await t.test('mqtt, MQTT_VERSION=3.1.1, and the broker restarts', (t) =>
    exerciseRow(t, { broker, version: '3.1.1', highest: 1, interrupt: broker.stop, mend: broker.restart }),
  );
  await t.test('filters come and go under load', (t) => exerciseOverlaps(t, { broker, highest: 1 }));
  await t.test('the ninth filter of a crossing is refused, the others go on', (t) => exerciseLaneCap(t, { broker, highest: 1 }));

  await t.test('a QoS 2 publish that is answered like one of QoS 1 is complete, with a warning', async (t) => {
    const gateway = await startGateway(t, { broker });
    await untilReady(gateway);
    const socket = await connect(t, gateway);
    const receiver = await brokerClient(t, broker, { protocolVersion: 4 });
    await receiver.subscribeAsync('two', { qos: 1 });
    for (let i = 0; i < 20; ++i) await publish(socket, 'two', i, { qos: 2 });
    await eventually(() => receiver.received.length >= 20, 'all of them');
    await sleep(100);
    assert.deepEqual(receiver.received.map((m) => Number(m.payload)), Array.from({ length: 20 }, (_, i) => i));
    assert.ok(gateway.log.some((line) => line.level === 'warn' && /PUBACK/.test(line.text)));
  });

  await t.test('a topic with a full stop comes back with a slash', async (t) => {
    const gateway = await startGateway(t, { broker });
    await untilReady(gateway);
    const [whole, exact] = [await connect(t, gateway), await connect(t, gateway)];
    await subscribe(whole, 'z/#', 1);
    await publish(whole, 'z/a.b', 'rewritten', { qos: 1 });
    const [message] = await untilMessages(whole, 1);
    assert.deepEqual([message.topic, message.payload], ['z/a/b', 'rewritten']);
    // What comes back under a name that nobody asked for is dropped; the log says what happens.
    await subscribe(exact, 'y/a.b', 1);
    await publish(whole, 'y/a.b', 'dropped', { qos: 1 });
    const told = () => gateway.log.some((line) => line.level === 'warn' && line.topic === 'y/a/b');
    await eventually(told, 'a warning that names the topic');
    assert.deepEqual([whole.messages.length, exact.messages.length], [1, 0]);
  });

  await t.test('a topic that comes back with a wildcard in it is dropped, and the link goes on', async (t) => {
    const gateway = await startGateway(t, { broker });
    await untilReady(gateway);
    const other = await brokerClient(t, broker, { protocolVersion: 4 });
    const socket = await connect(t, gateway);
    await subscribe(socket, 'star/#', 1);
    // RabbitMQ sends it as `star/a+b`, and again until it is acknowledged.
    await other.publishAsync('star/a*b', '1', { qos: 1 });
    await other.publishAsync('star/fine', '2', { qos: 1 });
    await untilMessages(socket, 1);
    await sleep(200);
    assert.deepEqual(socket.messages.map((m) => m.topic), ['star/fine']);
    assert.deepEqual(gateway.log.filter((line) => line.event === 'broker disconnected'), []);
  });

  await t.test('retained messages come for a topic by name, not for a wildcard', async (t) => {
    const gateway = await startGateway(t, { broker });
    await untilReady(gateway);
    const other = await brokerClient(t, broker, { protocolVersion: 4 });
    await other.publishAsync('held/a', '"held"', { qos: 1, retain: true });
    await sleep(200);
    const socket = await connect(t, gateway);
    await subscribe(socket, 'held/+', 1);
    await subscribe(socket, 'held/a', 1);
    await untilMessages(socket, 1);
    await sleep(200);
    assert.deepEqual(socket.messages.map((m) => [m.payload, m.retain]), [['held', true]]);
  });

  await t.test('refused topics', async (t) => {
    const gateway = await startGateway(t, { broker });
    await untilReady(gateway);
    const [socket, steady] = [await connect(t, gateway), await connect(t, gateway)];
    await subscribe(steady, 'fine/#', 1);
    const answer = await rest(gateway, 'POST', '/mqtt/publish', { topic: 'denied/a', payload: 1, qos: 1 }, { ms: 40_000 });
    assert.equal(answer.status, 502, answer.text);
    await untilReady(gateway);
    // It refuses a subscription by ending the connection, too: nobody else may suffer for long.
    const asked = Date.now();
    const reply = await ask(socket, 'mqtt:subscribe', { topic: 'denied/a', qos: 1 });
    assert.ok([403, 502].includes(reply.statusCode), JSON.stringify(reply));
    assert.match(reply.error, /^Failed to subscribe: ./);
    assert.ok(Date.now() - asked < 5_000);
    await untilReady(gateway);
    await publish(socket, 'fine/a', 1, { qos: 1 });
    await untilMessages(steady, 1);
    assert.equal((await ask(socket, 'mqtt:subscriptions')).total, 0);
  });
});
