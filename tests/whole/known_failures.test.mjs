// What the module that this replaces did wrong. Each of these is a promise that none of it comes back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminToken, ask, brokerClient, connect, eventually, isoTime, makeClient, once, publish, rest, sleep, startBoth, subscribe, succeed, token,
  untilMessages, untilReady,
} from './harness.mjs';

const as = (sub) => ({ auth: { token: token({ sub }) } });

test('known failures', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { WORKERS: '2' } });
  const other = await brokerClient(t, broker);

  await t.test('wildcard filters reached nobody', async (t) => {
    const socket = await connect(t, gateway);
    await subscribe(socket, 'sensors/#');
    await subscribe(socket, 'users/+/status');
    for (const topic of ['sensors', 'sensors/temperature', 'sensors/a/b', 'users/bob/status']) other.publish(topic, '1');
    await untilMessages(socket, 4);
    assert.deepEqual(socket.messages.map((m) => m.topic).sort(), ['sensors', 'sensors/a/b', 'sensors/temperature', 'users/bob/status']);
  });

  await t.test('payloads that are no JSON were dropped', async (t) => {
    const socket = await connect(t, gateway);
    await subscribe(socket, 'kf/raw');
    other.publish('kf/raw', 'just text');
    other.publish('kf/raw', Buffer.from([0, 255, 254]));
    other.publish('kf/raw', '');
    await untilMessages(socket, 3);
    assert.equal(socket.messages[0].payload, 'just text');
    assert.deepEqual([...socket.messages[1].payload], [0, 255, 254]);
    assert.equal(socket.messages[2].payload, '');
  });

  await t.test('every message said qos 0', async (t) => {
    const socket = await connect(t, gateway);
    await subscribe(socket, 'kf/qos/+', 2);
    for (const qos of [0, 1, 2]) other.publish(`kf/qos/${qos}`, '1', { qos });
    await untilMessages(socket, 3);
    for (const message of socket.messages) assert.equal(message.qos, Number(message.topic.at(-1)));
  });

  await t.test('one client that left unsubscribed everybody from its topics', async (t) => {
    const [stays, leaves, unsubscribes] = [await connect(t, gateway), await connect(t, gateway), await connect(t, gateway)];
    for (const socket of [stays, leaves, unsubscribes]) await subscribe(socket, 'kf/shared', 1);
    await succeed(unsubscribes, 'mqtt:unsubscribe', { topic: 'kf/shared' });
    leaves.disconnect();
    await sleep(100);
    await other.publishAsync('kf/shared', '1', { qos: 1 });
    await untilMessages(stays, 1);
    assert.deepEqual([stays.messages.length, unsubscribes.messages.length, leaves.messages.length], [1, 0, 0]);
  });

  await t.test('who subscribed twice got everything twice', async (t) => {
    const socket = await connect(t, gateway);
    const first = await subscribe(socket, 'kf/twice', 0);
    const second = await subscribe(socket, 'kf/twice', 1);
    assert.equal(second.id, first.id);
    assert.equal(second.qos, 1);
    assert.equal((await ask(socket, 'mqtt:subscriptions')).total, 1);
    for (let i = 0; i < 20; ++i) other.publish('kf/twice', String(i), { qos: 1 });
    await untilMessages(socket, 20);
    await sleep(150);
    assert.equal(socket.messages.length, 20);
  });

  await t.test('handlers stayed behind after who had made them left', async (t) => {
    const before = (await rest(gateway, 'GET', '/mqtt/stats')).body;
    for (let i = 0; i < 30; ++i) {
      const socket = await connect(t, gateway, as('brief'));
      await subscribe(socket, 'kf/handlers', 1);
      await subscribe(socket, 'kf/handlers', 1);
      socket.disconnect();
    }
    await eventually(async () => {
      const { body } = await rest(gateway, 'GET', '/mqtt/stats');
      return body.totalSubscriptions === before.totalSubscriptions && body.connectedClients === before.connectedClients;
    }, 'nothing is left of them');
    const heard = (await rest(gateway, 'GET', '/mqtt/stats')).body.messagesIn;
    await other.publishAsync('kf/handlers', '1', { qos: 1 });
    await sleep(150);
    assert.equal((await rest(gateway, 'GET', '/mqtt/stats')).body.messagesIn, heard);
  });

  await t.test('sockets needed no token', async (t) => {
    const socket = makeClient(t, gateway, { auth: {} });
    const error = await once(socket, 'connect_error');
    assert.equal(error.message, 'No token provided');
    assert.deepEqual(error.data, { statusCode: 401 });
    const forged = makeClient(t, gateway, { auth: { token: token({}, { key: 'another secret, as long as the right one' }) } });
    assert.match((await once(forged, 'connect_error')).message, /^Token verification failed: /);
  });

  await t.test('all users of REST shared one list of subscriptions', async () => {
    const [anna, ben] = [token({ sub: 'anna' }), token({ sub: 'ben' })];
    assert.equal((await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 'kf/list' }, { token: anna })).status, 201);
    assert.equal((await rest(gateway, 'GET', '/mqtt/subscriptions', undefined, { token: anna })).body.total, 1);
    assert.equal((await rest(gateway, 'GET', '/mqtt/subscriptions', undefined, { token: ben })).body.total, 0);
    assert.equal((await rest(gateway, 'DELETE', '/mqtt/unsubscribe/kf/list', undefined, { token: ben })).status, 404);
    assert.equal((await rest(gateway, 'GET', '/mqtt/subscriptions', undefined, { token: anna })).body.total, 1);
  });

  await t.test('includeTimestamp was ignored, and a broadcast overwrote the members of its message', async (t) => {
    const socket = await connect(t, gateway);
    await subscribe(socket, 'broadcast/all', 1);
    const send = async (body) => {
      const next = socket.messages.length + 1;
      const answer = await rest(gateway, 'POST', '/mqtt/broadcast', { topic: 'broadcast/all', ...body }, { token: adminToken() });
      assert.equal(answer.status, 200, answer.text);
      return (await untilMessages(socket, next)).at(-1).payload;
    };
    const plain = await send({ message: { title: 'x' }, includeTimestamp: false });
    assert.deepEqual(plain, { title: 'x', broadcast: true });
    const timed = await send({ message: { title: 'x' } });
    assert.match(timed.timestamp, isoTime);
    assert.deepEqual(timed, { title: 'x', broadcast: true, timestamp: timed.timestamp });
    assert.match((await send({ message: {}, includeTimestamp: true })).timestamp, isoTime);
    assert.deepEqual(await send({ message: { timestamp: 'mine', broadcast: 'mine' } }), { timestamp: 'mine', broadcast: 'mine' });
  });

  await t.test('health needed a token', async () => {
    for (const path of ['/mqtt/health', '/mqtt/health/ready'])
      assert.equal((await rest(gateway, 'GET', path, undefined, { token: null })).status, 200);
  });

  await t.test('an unsubscribe of a topic with slashes never matched', async (t) => {
    for (const [filter, path] of [['kf/a/b', 'kf/a/b'], ['kf/a/b', 'kf%2Fa%2Fb'], ['kf/#', 'kf%2F%23'], ['kf/+/b', 'kf/+/b']]) {
      assert.equal((await rest(gateway, 'POST', '/mqtt/subscribe', { topic: filter })).status, 201);
      const answer = await rest(gateway, 'DELETE', `/mqtt/unsubscribe/${path}`);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.topic, filter);
    }
    const socket = await connect(t, gateway);
    await subscribe(socket, 'kf/a/b');
    await succeed(socket, 'mqtt:unsubscribe', { topic: 'kf/a/b' });
    await publish(socket, 'kf/a/b', 1, { qos: 1 });
    await sleep(100);
    assert.equal(socket.messages.length, 0);
  });

  await t.test('retained messages reached only the first subscriber', async (t) => {
    await other.publishAsync('kf/retained', '1', { qos: 1, retain: true });
    for (const sub of ['one', 'two', 'three']) {
      const socket = await connect(t, gateway, as(sub));
      await subscribe(socket, 'kf/retained');
      assert.equal((await untilMessages(socket, 1))[0].retain, true);
    }
  });
});

test('errors of the broker connection left isConnected true', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const socket = await connect(t, gateway);
  assert.equal((await rest(gateway, 'GET', '/mqtt/status')).body.isConnected, true);
  await broker.kill();
  const status = await eventually(async () => {
    const { body } = await rest(gateway, 'GET', '/mqtt/status');
    return !body.isConnected && body.lastError ? body : undefined;
  }, 'isConnected false');
  assert.ok(status.reconnectAttempts >= 1);
  assert.equal(status.connectedAt, undefined);
  assert.equal((await succeed(socket, 'mqtt:status')).isConnected, false);
  await eventually(() => socket.statuses.at(-1).isConnected === false, 'the sockets are told');
  assert.equal((await rest(gateway, 'GET', '/mqtt/stats')).body.isConnected, false);
  assert.equal((await rest(gateway, 'GET', '/mqtt/health/ready', undefined, { token: null })).status, 503);
  assert.equal((await rest(gateway, 'GET', '/mqtt/health', undefined, { token: null })).body.status, 'degraded');
  await broker.restart();
  await untilReady(gateway);
  const { body } = await rest(gateway, 'GET', '/mqtt/status');
  assert.deepEqual([body.isConnected, body.lastError, body.reconnectAttempts], [true, undefined, 0]);
  assert.match(body.connectedAt, isoTime);
  await eventually(() => socket.statuses.at(-1).isConnected === true, 'the sockets are told');
});
