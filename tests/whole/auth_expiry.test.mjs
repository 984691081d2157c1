// What becomes of connections whose token ends: with the official client, whose auth callback brings a fresh one.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import {
  adminToken, ask, assertError, brokerClient, connect, eventually, isoTime, makeClient, once, program, rawClient, rest,
  sleep, start, startBoth, startBroker, startGateway, subscribe, succeed, temporaryDirectory, token, untilMessages,
  untilReady,
} from './harness.mjs';
import { numbers, payloads } from './recovery_clients.mjs';
import { reasonOf } from './wire.mjs';

const inSeconds = (seconds, claims = {}) => token({ exp: Date.now() / 1000 + seconds, ...claims });

/** A client that comes back by itself; `auth` is a callback as apps write it. */
async function withCallback(t, gateway, tokens, options = {}) {
  const socket = makeClient(t, gateway, {
    auth: (give) => give({ token: tokens.length > 1 ? tokens.shift()() : tokens[0]() }),
    reconnection: true,
    reconnectionDelay: 20,
    reconnectionDelayMax: 100,
    ...options,
  });
  socket.events = [];
  socket.connections = [];
  socket.on('connect', () => socket.connections.push(socket.recovered));
  for (const event of ['mqtt:auth:expiring', 'mqtt:auth:expired', 'mqtt:unsubscribed'])
    socket.on(event, (value) => socket.events.push([event, value]));
  socket.on('disconnect', (reason) => socket.events.push(['disconnect', reason]));
  await once(socket, 'connect');
  return socket;
}

for (const [transport, workers] of [['websocket', 1], ['polling', 1], ['websocket', 3]])
  test(`a client comes back with a fresh token and has lost nothing (${transport}, WORKERS=${workers})`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { JWT_LEEWAY: '500ms', WORKERS: String(workers) } });
    const other = await brokerClient(t, broker);
    const socket = await withCallback(t, gateway, [() => inSeconds(2), () => inSeconds(2), () => inSeconds(600)], {
      transports: [transport],
    });
    const id = socket.id;
    await subscribe(socket, 'expiry/+', 1);
    let sent = 0;
    const until = Date.now() + 7_000;
    while (Date.now() < until) {
      await other.publishAsync('expiry/n', String(++sent), { qos: 1 });
      await sleep(5);
    }
    await untilMessages(socket, sent);
    assert.deepEqual(payloads(socket), numbers(1, sent), 'in order, each once');
    assert.deepEqual(socket.connections, [false, true, true], 'recovered each time');
    assert.equal(socket.id, id);
    const ends = socket.events.map(([event]) => event);
    const once_ = ['mqtt:auth:expiring', 'mqtt:auth:expired', 'disconnect'];
    assert.deepEqual(ends, [...once_, ...once_], 'told, told again, closed; nothing of it once more after a recovery');
    for (const [event, value] of socket.events) {
      if (event === 'disconnect') assert.equal(value, 'transport close');
      else if (event === 'mqtt:auth:expiring') assert.match(value.expiresAt, isoTime);
      else assert.deepEqual(value, {});
    }
    assert.ok(gateway.log.some((line) => line.event === 'client disconnected' && line.reason === 'token expired'));
  });

test('without a fresh token nobody comes back', async (t) => {
  const { gateway } = await startBoth(t, { env: { JWT_LEEWAY: '500ms' } });
  const worn = inSeconds(2);
  const socket = await withCallback(t, gateway, [() => worn]);
  const error = await once(socket, 'connect_error');
  assert.match(error.message, /^Token verification failed: token expired/);
  assert.deepEqual(error.data, { statusCode: 401 });
  assert.equal(socket.active, false, 'it does not hammer at the door');
  await eventually(
    async () => (await rest(gateway, 'GET', '/mqtt/stats')).body.connectedClients === 0,
    'nobody is connected',
  );
});

test('no packet says that the namespace is over', async (t) => {
  const { gateway } = await startBoth(t, { env: { JWT_LEEWAY: '0' } });
  const raw = await rawClient(t, gateway, { auth: { token: inSeconds(1.5), recovery: false } });
  await raw.closed;
  assert.ok(raw.texts.includes('42/mqtt,["mqtt:auth:expired",{}]'), `${raw.texts}`);
  assert.ok(!raw.texts.some((text) => text.startsWith('41')), `${raw.texts}`);
});

test('a token that is renewed in time', async (t) => {
  const { gateway } = await startBoth(t, { env: { JWT_LEEWAY: '500ms' } });
  const socket = await withCallback(t, gateway, [() => inSeconds(2)]);
  const { expiresAt } = (await once(socket, 'mqtt:auth:success', 100).catch(() => undefined)) ?? {};
  assert.equal(expiresAt, undefined, 'nobody has asked');
  socket.emit('mqtt:auth', { token: inSeconds(600) });
  assert.match((await once(socket, 'mqtt:auth:success')).expiresAt, isoTime);
  const reply = await ask(socket, 'mqtt:auth', { token: inSeconds(700) });
  assert.deepEqual(Object.keys(reply), ['success', 'expiresAt']);
  assert.equal(reply.success, true);
  await sleep(3_500);
  assert.equal(socket.connected, true);
  assert.deepEqual(socket.events.map(([event]) => event), ['mqtt:auth:expiring']);

  socket.emit('mqtt:auth', { token: 'nonsense' });
  const refused = await once(socket, 'mqtt:auth:error');
  assert.deepEqual(Object.keys(refused), ['error']);
  assert.match(refused.error, /^Token verification failed: /);
  const others = await ask(socket, 'mqtt:auth', { token: token({ sub: 'bob' }) });
  assert.equal(others.success, false);
  assert.equal(others.statusCode, 401);
  assert.match(others.error, /another user/);
  assert.equal(socket.connected, true, 'the old token is still good');
});

test('a renewed token with fewer rights', async (t) => {
  const { broker, gateway } = await startBoth(t, {});
  const other = await brokerClient(t, broker);
  const socket = await connect(t, gateway, { auth: { token: token({ user_role: 'admin' }) } });
  const gone = [];
  socket.on('mqtt:unsubscribed', (told) => gone.push(told));
  await subscribe(socket, 'users/bob/#');
  await subscribe(socket, 'users/alice/#');
  await subscribe(socket, 'chat/#');
  const byRest = await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 'notifications/+' }, { token: token({ user_role: 'admin' }) });
  assert.equal(byRest.status, 201);
  await succeed(socket, 'mqtt:auth', { token: token() });
  await eventually(() => gone.length === 2, 'two are taken away');
  assert.deepEqual(gone.sort((a, b) => (a.topic < b.topic ? -1 : 1)), [
    { topic: 'notifications/+', reason: 'not authorized' },
    { topic: 'users/bob/#', reason: 'not authorized' },
  ]);
  const { subscriptions } = await ask(socket, 'mqtt:subscriptions');
  assert.deepEqual(subscriptions.map(({ topic }) => topic).sort(), ['chat/#', 'users/alice/#']);
  for (const topic of ['users/bob/x', 'notifications/bob', 'users/alice/x', 'chat/x']) await other.publishAsync(topic, '1', { qos: 1 });
  await untilMessages(socket, 2);
  await sleep(100);
  assert.deepEqual(socket.messages.map(({ topic }) => topic).sort(), ['chat/x', 'users/alice/x']);
  // The user's own list is as it was: another token of the user may have the right.
  const listed = await rest(gateway, 'GET', '/mqtt/subscriptions');
  assert.ok(listed.body.subscriptions.some(({ topic, source }) => topic === 'notifications/+' && source === 'rest'));
  await succeed(socket, 'mqtt:auth', { token: token({ user_role: 'admin' }) });
  await other.publishAsync('notifications/bob', '2', { qos: 1 });
  await untilMessages(socket, 3);
});

test('a key is withdrawn: its sockets have half a minute', async (t) => {
  const create = async () => {
    const child = start(program, ['key', 'create', '--name', 'robot', '--role', 'service_role'], { env: { PATH: process.env.PATH } });
    let text = '';
    child.stdout.on('data', (data) => (text += data));
    await child.ended;
    return text.trim().split('\n');
  };
  const [oldKey, oldLine] = await create();
  const [newKey, newLine] = await create();
  const cwd = await temporaryDirectory(t);
  const file = path.join(cwd, 'keys');
  await writeFile(file, `${oldLine}\n`);
  const broker = await startBroker(t);
  const gateway = await startGateway(t, { broker, cwd, env: { API_KEYS_FILE: 'keys', WORKERS: '2' } });
  await untilReady(gateway);
  const sockets = [];
  for (const _ of numbers(1, 4)) sockets.push(await withCallback(t, gateway, [() => oldKey]));
  const bystander = await withCallback(t, gateway, [() => token()]);

  await writeFile(file, `${newLine}\n`);
  const withdrawn = Date.now();
  await eventually(() => sockets.every(({ events }) => events.length === 1), 'all are told');
  for (const { events } of sockets) {
    assert.equal(events[0][0], 'mqtt:auth:expiring');
    const left = Date.parse(events[0][1].expiresAt) - Date.now();
    assert.ok(left > 25_000 && left <= 30_000, `${left} ms`);
  }
  const [renewed, ...others] = sockets;
  assert.deepEqual(await ask(renewed, 'mqtt:auth', { token: newKey }), { success: true });
  await eventually(() => others.every((socket) => !socket.connected), 'they are closed', 45_000);
  assert.ok(Date.now() - withdrawn > 29_000);
  for (const { events } of others)
    assert.deepEqual(events.slice(1), [['mqtt:auth:expired', {}], ['disconnect', 'transport close']]);
  await eventually(() => others.every((socket) => !socket.active), 'they are refused when they come back');
  assert.equal(renewed.connected, true);
  assert.equal(bystander.connected, true);
  assert.deepEqual(bystander.events, []);
});

for (const workers of [1, 3])
  test(`an administrator disconnects a user for good (WORKERS=${workers})`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const other = await brokerClient(t, broker);
    const sockets = [];
    for (const _ of numbers(1, 6)) sockets.push(await withCallback(t, gateway, [() => token({ sub: 'mallory' })]));
    const bystander = await withCallback(t, gateway, [() => token({ sub: 'alice', session_id: 'a1' })]);
    const sibling = await withCallback(t, gateway, [() => token({ sub: 'alice', session_id: 'a2' })]);
    // One that is away, and would be recovered.
    const away = await withCallback(t, gateway, [() => token({ sub: 'mallory' })], { reconnection: false });
    await subscribe(away, 'kept/while/away', 1);
    const awayId = away.id;
    away.io.engine.close();
    await reasonOf(gateway, awayId);

    const end = (body, bearer = adminToken()) => rest(gateway, 'POST', '/mqtt/admin/disconnect', body, { token: bearer });
    assertError(await end({ userId: 'mallory' }, token()), 403);
    assertError(await end({}), 400);
    const answer = await end({ userId: 'mallory' });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.body, { success: true, disconnected: 6 });
    await eventually(() => sockets.every((socket) => !socket.connected), 'all are gone');
    await sleep(500);
    for (const socket of sockets) {
      assert.deepEqual(socket.events, [['disconnect', 'io server disconnect']]);
      assert.equal(socket.active, false, 'the official client does not come back by itself');
    }
    await eventually(
      async () => (await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: adminToken() })).body.totalSubscriptions === 0,
      'the session that was away is over',
    );
    away.connect();
    await once(away, 'connect');
    assert.equal(away.recovered, false);
    await other.publishAsync('kept/while/away', '1', { qos: 1 });

    assert.deepEqual((await end({ sessionId: 'a1' })).body, { success: true, disconnected: 1 });
    await eventually(() => !bystander.connected, 'that sign-in');
    assert.equal(sibling.connected, true);
    assert.deepEqual((await end({ userId: 'nobody' })).body, { success: true, disconnected: 0 });
  });
