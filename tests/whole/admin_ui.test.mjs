// The namespace /admin, spoken to as the front end of @socket.io/admin-ui does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adminToken, connect, eventually, makeClient, once, sleep, startBoth, startGateway, subscribe, succeed, token, within } from './harness.mjs';

const env = { ADMIN_UI: 'true', WORKERS: '2', CORS_ORIGINS: 'https://admin.socket.io' };

/** The options of the front end: everything that the server sends is kept, in its order. */
function makeAdmin(t, gateway, auth, options = {}) {
  const socket = makeClient(t, gateway, {
    auth,
    namespace: '/admin',
    withCredentials: true,
    transports: ['polling', 'websocket'],
    path: '/socket.io',
    parser: null,
    extraHeaders: { origin: 'https://admin.socket.io' },
    ...options,
  });
  socket.seen = [];
  socket.onAny((name, value) => socket.seen.push({ name, value, at: Date.now() }));
  socket.of = (name) => socket.seen.filter((event) => event.name === name).map((event) => event.value);
  socket.last = (name) => socket.of(name).at(-1);
  return socket;
}

async function signIn(t, gateway, auth = { username: 'anybody', password: adminToken() }, options) {
  const admin = makeAdmin(t, gateway, auth, options);
  await once(admin, 'connect');
  return admin;
}

async function refusal(t, gateway, auth) {
  return once(makeAdmin(t, gateway, auth), 'connect_error');
}

test('an administrator signs in and is shown the gateway', async (t) => {
  const { gateway } = await startBoth(t, { env });
  const admin = await signIn(t, gateway);
  await eventually(() => admin.seen.length >= 4, 'session, config, server_stats, all_sockets');
  assert.deepEqual(admin.seen.slice(0, 4).map((event) => event.name), ['session', 'config', 'server_stats', 'all_sockets']);
  assert.equal(typeof admin.last('session'), 'string');
  assert.deepEqual(admin.last('config'), { supportedFeatures: ['DISCONNECT', 'AGGREGATED_EVENTS', 'ALL_EVENTS'] });
  const stats = admin.last('server_stats');
  assert.equal(stats.pid, gateway.pid);
  assert.ok(stats.serverId.length > 0 && stats.hostname.length > 0);
  assert.ok(stats.uptime > 0 && stats.uptime < 60);
  assert.equal(stats.clientsCount, 1);
  assert.deepEqual(stats.namespaces, [{ name: '/mqtt', socketsCount: 0 }, { name: '/admin', socketsCount: 1 }]);
  assert.deepEqual(admin.last('all_sockets'), []);
});

test('whoever has no token of an administrator is refused', async (t) => {
  const { gateway } = await startBoth(t, { env });
  const expired = { iat: Math.floor(Date.now() / 1000) - 7200, exp: Math.floor(Date.now() / 1000) - 3600 };
  const auths = {
    'no password': { username: 'root' },
    'a word': { username: 'root', password: 'secret' },
    'a token of a user': { username: 'root', password: token() },
    'an expired token': { username: 'root', password: adminToken(expired) },
    'a token signed by somebody else': { username: 'root', password: token({ user_role: 'admin' }, { key: 'x'.repeat(40) }) },
    'a session that never was': { sessionId: 'c0ffee' },
    'a token where a session belongs': { sessionId: adminToken() },
  };
  for (const [what, auth] of Object.entries(auths)) {
    const error = await refusal(t, gateway, auth);
    assert.equal(error.message, 'invalid credentials', what);
    assert.equal(error.data.statusCode, 401);
  }
  const line = await gateway.logged('administrator refused');
  assert.ok(line.reason.length > 0);
  assert.ok(!gateway.text.includes('c0ffee'), 'what was presented is not logged');
});

test('a session is good at every worker, and only as long as its token', async (t) => {
  const { gateway } = await startBoth(t, { env });
  const exp = Math.floor(Date.now() / 1000) + 10;
  const admin = await signIn(t, gateway, { username: '', password: adminToken({ exp }) });
  await eventually(() => admin.last('session'), 'a session');
  const sessionId = admin.last('session');
  for (let i = 0; i < 6; ++i) {
    const again = await signIn(t, gateway, { sessionId }, { transports: [i % 2 ? 'websocket' : 'polling'] });
    await eventually(() => again.last('config'), 'config');
    assert.deepEqual(again.of('session'), [], 'it has one');
    again.disconnect();
  }
  const reason = await within(new Promise((resolve) => admin.once('disconnect', resolve)), 'the end of the token', 20_000);
  assert.equal(reason, 'io server disconnect');
  assert.ok(Date.now() >= exp * 1000, 'not before its time');
  assert.equal((await refusal(t, gateway, { sessionId })).message, 'invalid credentials');
});

test('a session does not open anything else, nor outlive the process', async (t) => {
  const { broker, gateway } = await startBoth(t, { env });
  const admin = await signIn(t, gateway);
  await eventually(() => admin.last('session'), 'a session');
  const sessionId = admin.last('session');
  const stats = await fetch(`${gateway.url}/mqtt/stats`, { headers: { authorization: `Bearer ${sessionId}` } });
  assert.equal(stats.status, 401);
  assert.match((await once(makeClient(t, gateway, { auth: { token: sessionId } }), 'connect_error')).message, /Token/);
  const other = await startGateway(t, { broker, env });
  assert.equal((await refusal(t, other, { sessionId })).message, 'invalid credentials');
});

test('sockets of all workers are listed with what they hold', async (t) => {
  const { gateway } = await startBoth(t, { env });
  const clients = [];
  for (let i = 0; i < 12; ++i)
    clients.push(await connect(t, gateway, { auth: { token: token({ sub: `user-${i}` }) }, transports: [i % 3 ? 'websocket' : 'polling'] }));
  await subscribe(clients[0], 'chat/+');
  await subscribe(clients[1], 'chat/+');
  const admin = await signIn(t, gateway);
  const listed = () => admin.last('all_sockets') ?? [];
  await eventually(() => listed().length === clients.length, 'twelve sockets');
  assert.deepEqual(listed().map((socket) => socket.id).sort(), clients.map((client) => client.id).sort());
  for (const socket of listed()) {
    const place = clients.findIndex((client) => client.id === socket.id);
    assert.equal(socket.nsp, '/mqtt');
    assert.deepEqual(socket.data, { user: `user-${place}`, roles: ['authenticated'] });
    assert.equal(socket.transport, place % 3 ? 'websocket' : 'polling');
    assert.equal(socket.handshake.address, '127.0.0.1');
    assert.ok(Math.abs(socket.handshake.issued - Date.now()) < 60_000);
    assert.deepEqual(socket.rooms, place < 2 ? [socket.id, 'chat/+'] : [socket.id]);
    assert.ok(!JSON.stringify(socket).includes('eyJ'), 'no token');
  }
  const stats = admin.last('server_stats');
  assert.equal(stats.namespaces[0].socketsCount, 12);
  assert.equal(stats.clientsCount, 13);
  assert.ok(stats.pollingClientsCount >= 4 && stats.pollingClientsCount <= 5, 'the administrator upgrades');

  clients[0].disconnect();
  await eventually(() => listed().length === 11, 'one has left');
});

test('however much goes on, it is told every two seconds', async (t) => {
  const { gateway } = await startBoth(t, { env });
  const client = await connect(t, gateway);
  await subscribe(client, 'room/1');
  const admin = await signIn(t, gateway);
  await eventually(() => admin.of('server_stats').length > 0, 'statistics');
  const before = Date.now();
  for (let i = 0; i < 400; ++i) {
    await succeed(client, 'mqtt:publish', { topic: 'room/1', payload: { i, text: 'x'.repeat(200) } });
    if (i % 20 === 0) (await connect(t, gateway)).disconnect();
  }
  await sleep(Math.max(0, 4500 - (Date.now() - before)));
  await eventually(() => total(admin, 'rawDisconnection') >= 20, 'twenty have gone');
  const periods = (Date.now() - before) / 2000 + 2;
  assert.ok(admin.of('server_stats').length <= periods, `${admin.of('server_stats').length} statistics`);
  assert.ok(admin.of('all_sockets').length <= periods, `${admin.of('all_sockets').length} lists`);
  assert.deepEqual([...new Set(admin.seen.map((event) => event.name))].sort(), ['all_sockets', 'config', 'server_stats', 'session']);
  assert.equal(total(admin, 'rawConnection'), 20);
  assert.ok(total(admin, 'packetsIn') >= 400);
  assert.ok(total(admin, 'bytesIn') >= 400 * 200);
  assert.ok(total(admin, 'bytesOut') >= 400 * 200);
});

const total = (admin, type) =>
  admin.of('server_stats').flatMap((stats) => stats.aggregatedEvents).filter((event) => event.type === type)
    .reduce((sum, event) => sum + event.count, 0);

test('an administrator disconnects a socket, at whichever worker it is', async (t) => {
  const { gateway } = await startBoth(t, { env });
  const admin = await signIn(t, gateway);
  const bystander = await connect(t, gateway, { auth: { token: token({ sub: 'bystander' }) } });
  for (let i = 0; i < 8; ++i) {
    const client = await connect(t, gateway, { reconnection: true, reconnectionDelay: 10, transports: [i % 2 ? 'websocket' : 'polling'] });
    const gone = once(client, 'disconnect');
    admin.emit('_disconnect', '/mqtt', i % 4 < 2, client.id);
    assert.equal(await gone, 'io server disconnect');
    await sleep(50);
    assert.equal(client.connected, false, 'it does not come back by itself');
    client.connect();
    await once(client, 'connect');
    client.disconnect();
  }
  const disconnections = () => gateway.log.filter((line) => line.event === 'disconnected by administrator' && line.by === 'root');
  await eventually(() => disconnections().length === 8, 'each is in the log');
  admin.emit('_disconnect', '/mqtt', true);
  admin.emit('_disconnect', '/mqtt', true, 'no-such-socket');
  admin.emit('emit', '/mqtt', undefined, 'mqtt:message', { topic: 'a' });
  admin.emit('join', '/mqtt', 'room');
  await sleep(200);
  assert.ok(bystander.connected);
  assert.ok(admin.connected);
  assert.equal(bystander.messages.length, 0);
});

test('off unless it is wanted', async (t) => {
  const { gateway } = await startBoth(t);
  const error = await refusal(t, gateway, { username: 'root', password: adminToken() });
  assert.equal(error.message, 'Invalid namespace');
});

test('administrators do not hold up the end', async (t) => {
  const { gateway } = await startBoth(t, { env });
  const admin = await signIn(t, gateway);
  await eventually(() => admin.last('server_stats'), 'statistics');
  gateway.child.kill('SIGTERM');
  const { code } = await within(gateway.ended, 'the end');
  assert.equal(code, 0);
});
