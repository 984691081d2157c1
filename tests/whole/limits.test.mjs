// Who may have how much, and how often: each limit is reached, answered as docs/limits.md says, and counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminToken, ask, assertError, connect, eventually, once, rawClient, rawHttp, rest, sleep, startBoth, subscribe, succeed,
  token, within,
} from './harness.mjs';
import { handshake, limits, polling, refusal } from './refusals.mjs';
import { connectedClients } from './wire.mjs';

test('the Origin of a WebSocket', async (t) => {
  const { gateway } = await startBoth(t, { env: { CORS_ORIGINS: 'https://app.example' } });
  const open = (headers) => handshake(t, gateway, headers);

  for (const origin of ['https://evil.example', 'null', 'https://app.example.evil.example', 'http://app.example']) {
    const answer = await open({ origin });
    assertError({ ...answer, text: '' }, 403, /^Origin .* is not allowed: CORS_ORIGINS/);
  }
  assert.equal((await limits(gateway)).origin, 4);

  assert.equal((await open({ origin: 'https://app.example' })).status, 101);
  assert.equal((await open({ origin: gateway.url })).status, 101, 'the own scheme and host, as React Native sends it');
  assert.equal((await open({})).status, 101, 'no browser');
  assert.equal((await limits(gateway)).origin, 4);
});

test('answers say what they are', async (t) => {
  const { gateway } = await startBoth(t);
  const { headers } = await rest(gateway, 'GET', '/mqtt/health', undefined, { token: null });
  assert.equal(headers['x-content-type-options'], 'nosniff');
});

test('connections in all', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_CONNECTIONS: '5' } });
  const held = [];
  // The test's own connections that are kept alive have places, too, and leave them when they like.
  const isRefused = ({ text }) => text.startsWith('HTTP/1.1 503 ');
  for (let i = 0; i < 20 && !held.some(isRefused); ++i) {
    held.push(await rawHttp(t, gateway));
    await sleep(100);
  }
  // A refusal may come only after the next connection was made.
  await eventually(() => held.filter((one) => !isRefused(one)).length <= 5, 'no more than five are let in');
  const refused = held.find(isRefused);
  assert.ok(refused, `${held.length} were let in`);
  const [answer] = await refused.answers(1);
  assert.equal(answer.status, 503);
  assert.match(answer.head, /^Retry-After: \d+$/im);
  assert.match(answer.body, /Too many connections/);
  await within(refused.closed, 'the connection ends');
  held.forEach(({ socket }) => socket.destroy());
  await eventually(async () => (await limits(gateway).catch(() => undefined))?.connections >= 1, 'places are free again');
});

test('connections and sessions of one address', async (t) => {
  const { gateway } = await startBoth(t, {
    env: { LIMIT_CONNECTIONS_PER_ADDRESS: '3', WORKERS: '2', TRUST_PROXY: '127.0.0.1' },
  });
  // The test is a trusted proxy: what is counted is whom it speaks for.
  const as = (address) => ({ 'x-forwarded-for': address });
  for (let i = 0; i < 3; ++i) assert.equal((await polling(gateway, as('203.0.113.1'))).status, 200);
  const refused = await polling(gateway, as('203.0.113.1'));
  assertError(refused, 429, /^Too many connections: an address may have 3$/);
  assert.match(refused.headers['retry-after'], /^\d+$/);
  const socket = await handshake(t, gateway, as('203.0.113.1'));
  assert.equal(socket.status, 429);
  assert.equal((await polling(gateway, as('203.0.113.2'))).status, 200);
  assert.equal((await limits(gateway)).sessionsPerAddress, 2);

  // A session that ends makes room.
  const { sid } = JSON.parse((await polling(gateway, as('203.0.113.3'))).text.slice(1));
  for (let i = 0; i < 2; ++i) assert.equal((await polling(gateway, as('203.0.113.3'))).status, 200);
  assert.equal((await polling(gateway, as('203.0.113.3'))).status, 429);
  await rest(gateway, 'POST', `/socket.io/?EIO=4&transport=polling&sid=${sid}`, '1', {
    token: null, headers: { 'content-type': 'text/plain' },
  });
  await eventually(async () => (await polling(gateway, as('203.0.113.3'))).status === 200, 'room for one more');
});

test('TCP connections of one address', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_CONNECTIONS_PER_ADDRESS: '3' } });
  const held = [];
  for (let i = 0; i < 3; ++i) held.push(await rawHttp(t, gateway));
  const refused = await rawHttp(t, gateway);
  const [answer] = await refused.answers(1);
  assert.equal(answer.status, 429);
  assert.match(answer.body, /Too many connections: an address may have 3/);
  held[0].socket.destroy();
  await eventually(async () => (await limits(gateway).catch(() => undefined))?.connectionsPerAddress >= 1, 'room again');
});

test('connections of one user', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_CONNECTIONS_PER_USER: '2', WORKERS: '2' } });
  const first = await connect(t, gateway);
  await connect(t, gateway);
  const error = await refusal(t, gateway);
  assert.equal(error.message, 'Too many connections: a user may have 2');
  assert.deepEqual(error.data, { statusCode: 429 });
  await connect(t, gateway, { auth: { token: token({ sub: 'bob' }) } });
  assert.equal((await limits(gateway)).connectionsPerUser, 1);
  first.disconnect();
  await eventually(() => connect(t, gateway).catch(() => undefined), 'a place is free again');
});

test('a recovered client has its one place', async (t) => {
  const { gateway } = await startBoth(t, {
    env: { LIMIT_CONNECTIONS_PER_USER: '1', LIMIT_SUBSCRIPTIONS_PER_USER: '2', RECOVERY_WINDOW: '30s' },
  });
  const socket = await connect(t, gateway, { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 });
  for (const topic of ['a', 'b']) await subscribe(socket, topic, 1);
  for (let i = 0; i < 3; ++i) {
    socket.io.engine.close();
    await once(socket, 'connect');
    assert.equal(socket.recovered, true);
  }
  const answer = await ask(socket, 'mqtt:subscribe', { topic: 'c' });
  assert.equal(answer.statusCode, 429);
  await succeed(socket, 'mqtt:unsubscribe', { topic: 'a' });
  await subscribe(socket, 'c', 1);
});

test('subscriptions of a socket and of a user', async (t) => {
  const { gateway } = await startBoth(t, {
    env: { LIMIT_SUBSCRIPTIONS_PER_SOCKET: '3', LIMIT_SUBSCRIPTIONS_PER_USER: '5', WORKERS: '2' },
  });
  const one = await connect(t, gateway);
  const two = await connect(t, gateway);
  const tooMany = async (socket, topic) => {
    const answer = await ask(socket, 'mqtt:subscribe', { topic });
    assert.equal(answer.success, false);
    assert.equal(answer.statusCode, 429);
    return answer.error;
  };
  for (const topic of ['s/1', 's/2', 's/3']) await subscribe(one, topic);
  assert.match(await tooMany(one, 's/4'), /a socket may hold 3/);
  await subscribe(one, 's/3'); // again: nothing new
  await subscribe(two, 's/1');
  const rested = await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 's/9' });
  assert.equal(rested.status, 201);
  assert.equal((await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 's/9' })).status, 201);
  assert.match(await tooMany(two, 's/2'), /of this user/);
  assertError(await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 's/10' }), 429, /of this user/);
  assert.deepEqual(await limits(gateway).then((all) => [all.subscriptionsPerSocket, all.subscriptionsPerUser]), [1, 2]);

  // Bob has his own.
  const bob = await connect(t, gateway, { auth: { token: token({ sub: 'bob' }) } });
  await subscribe(bob, 's/1');

  // What ends makes room, in whatever way it ends.
  await rest(gateway, 'DELETE', '/mqtt/unsubscribe/s%2F9');
  await subscribe(two, 's/2');
  await tooMany(two, 's/5');
  one.disconnect();
  await eventually(async () => (await ask(two, 'mqtt:subscribe', { topic: 's/5' })).success, 'room again');
});

test('publishes of a user, by sockets and REST together', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_PUBLISH_RATE_PER_USER: '5/s', WORKERS: '2' } });
  const socket = await connect(t, gateway);
  const publishing = async () => {
    const bySocket = await ask(socket, 'mqtt:publish', { topic: 'r/1', payload: 1 });
    const byRest = await rest(gateway, 'POST', '/mqtt/publish', { topic: 'r/1', payload: 1 });
    return [bySocket.success ? 200 : bySocket.statusCode, byRest.status];
  };
  const began = Date.now();
  const all = (await Promise.all(Array.from({ length: 20 }, publishing))).flat();
  const taken = all.filter((status) => status === 200).length;
  const mayBe = 10 + Math.ceil(((Date.now() - began) / 1000) * 5);
  assert.ok(taken >= 10 && taken <= mayBe, `${taken} of 10 to ${mayBe} were taken`);
  let refusals = all.filter((status) => status === 429).length;
  assert.equal(refusals, 40 - taken);

  // One comes back every 200 ms: a single request may well be taken.
  const refused = await eventually(async () => {
    const more = Array.from({ length: 20 }, () => rest(gateway, 'POST', '/mqtt/publish', { topic: 'r/1', payload: 1 }));
    const turnedAway = (await Promise.all(more)).filter(({ status }) => status === 429);
    refusals += turnedAway.length;
    return turnedAway[0];
  }, 'a refusal');
  assertError(refused, 429, 'Too many publishes: a user may send 5 a second');
  assert.equal(refused.headers['retry-after'], '1');

  const others = await rest(gateway, 'POST', '/mqtt/publish', { topic: 'r/1', payload: 1 }, { token: token({ sub: 'bob' }) });
  assert.equal(others.status, 200);

  await sleep(Number(refused.headers['retry-after']) * 1000);
  assert.equal((await rest(gateway, 'POST', '/mqtt/publish', { topic: 'r/1', payload: 1 })).status, 200);

  // Each message of a batch counts.
  await sleep(2_500);
  const messages = Array.from({ length: 15 }, () => ({ topic: 'r/1', payload: 1 }));
  const asked = Date.now();
  const { body } = await rest(gateway, 'POST', '/mqtt/publish/batch', { messages });
  const ofBatch = body.results.filter(({ success }) => success).length;
  const atMost = 10 + Math.ceil(((Date.now() - asked) / 1000) * 5);
  assert.ok(ofBatch >= 10 && ofBatch <= atMost, `${ofBatch} of 10 to ${atMost} were taken`);
  assert.equal(body.results.filter(({ statusCode }) => statusCode === 429).length, 15 - ofBatch);
  refusals += 15 - ofBatch;
  assert.equal((await limits(gateway)).publishRatePerUser, refusals);
});

test('requests of an address', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_REQUEST_RATE_PER_ADDRESS: '10/s', TRUST_PROXY: '127.0.0.0/8' } });
  const from = (address) =>
    rest(gateway, 'GET', '/mqtt/health', undefined, { token: null, headers: { 'x-forwarded-for': address } });
  const began = Date.now();
  const answers = await Promise.all(Array.from({ length: 40 }, () => from('203.0.113.9')));
  const refused = answers.filter(({ status }) => status === 429);
  const atLeast = Math.max(1, 20 - Math.ceil(((Date.now() - began) / 1000) * 10));
  assert.ok(refused.length >= atLeast && refused.length <= 20, `${refused.length} of 40 were refused`);
  assertError(refused[0], 429, 'Too many requests: an address may send 10 a second');
  assert.equal(refused[0].headers['retry-after'], '1');
  assert.equal((await from('203.0.113.10')).status, 200);
  assert.equal((await limits(gateway)).requestRatePerAddress, refused.length);
});

test('who is not named in TRUST_PROXY speaks for nobody', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_REQUEST_RATE_PER_ADDRESS: '1/s', TRUST_PROXY: '192.0.2.0/24' } });
  const statuses = [];
  for (let i = 0; i < 10; ++i) {
    const headers = { 'x-forwarded-for': `203.0.113.${i}` };
    statuses.push((await rest(gateway, 'GET', '/mqtt/health', undefined, { token: null, headers })).status);
  }
  assert.ok(statuses.includes(429), statuses.join());
});

test('behind a trusted proxy that ends TLS the own origin is https', async (t) => {
  const { gateway } = await startBoth(t, { env: { TRUST_PROXY: '127.0.0.1' } });
  const open = (origin) =>
    handshake(t, gateway, { origin, host: 'api.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.1' });
  assert.equal((await open('https://api.example')).status, 101);
  assert.equal((await open('http://api.example')).status, 403);
});

/** One attempt to sign in that fails; the CONNECT_ERROR. */
async function beRefused(raw) {
  const before = raw.texts.length;
  raw.send('40/mqtt,{"token":"bad"}');
  return eventually(() => raw.texts.slice(before).find((text) => text.startsWith('44/mqtt,')), 'a CONNECT_ERROR');
}

test('attempts to sign in on one connection', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_REFUSALS_PER_CONNECTION: '4' } });
  const raw = await rawClient(t, gateway, { auth: null });
  for (let i = 0; i < 4; ++i) await beRefused(raw);
  raw.send(`40/mqtt,{"token":"${token()}"}`);
  await within(raw.closed, 'the connection ends');
  assert.match(raw.texts.at(-1), /^44\/mqtt,.*a connection may have 4 in a row/);

  const socket = await connect(t, gateway);
  const gone = once(socket, 'disconnect');
  for (let i = 0; i < 4; ++i) assert.equal((await ask(socket, 'mqtt:auth', { token: 'bad' })).statusCode, 401);
  assert.equal((await ask(socket, 'mqtt:auth', { token: token() })).success, true); // and all is forgotten
  for (let i = 0; i < 5; ++i) socket.emit('mqtt:auth', { token: 'bad' });
  await within(gone, 'the connection ends');
  assert.equal((await limits(gateway)).refusalsPerConnection, 2);
});

test('attempts that are given up before they are answered count as well', async (t) => {
  const { gateway } = await startBoth(t);
  const base = `${gateway.url}/socket.io/?EIO=4&transport=polling`;
  const post = (sid, packets) => fetch(`${base}&sid=${sid}`, { method: 'POST', body: packets.join('\x1e') });
  const open = async () => JSON.parse((await (await fetch(base)).text()).slice(1)).sid;
  const figures = async () => (await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: adminToken() })).body;
  const unknown = async (sid) => (await post(sid, ['3'])).status === 400;

  const leaving = await open();
  await post(leaving, Array.from({ length: 1_000 }, () => ['40/mqtt,{"token":"bad"}', '41/mqtt,']).flat());
  assert.ok(await unknown(leaving), 'the session has ended');
  assert.equal((await figures()).limits.refusalsPerConnection, 1);

  // What comes in one body with a reason to close is not looked at any more.
  const renewing = await open();
  await post(renewing, [`40/mqtt,${JSON.stringify({ token: token() })}`]);
  await post(renewing, Array.from({ length: 1_000 }, () => '42/mqtt,["mqtt:auth",{"token":"bad"}]'));
  assert.ok(await unknown(renewing), 'the session has ended');
  const { limits: counted, keys } = await figures();
  assert.equal(counted.refusalsPerConnection, 2);
  assert.equal(keys.refused, 11, 'those that were looked at');
});

test('attempts to sign in are requests of the address', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_REQUEST_RATE_PER_ADDRESS: '3/s', TRUST_PROXY: '127.0.0.0/8' } });
  const headers = { 'x-forwarded-for': '203.0.113.9' };
  const connections = await Promise.all(Array.from({ length: 3 }, () => rawClient(t, gateway, { auth: null, headers })));
  const answers = [];
  // The three at once, so that a slow machine does not keep to the rate.
  for (let i = 0; i < 9; ++i) answers.push(...(await Promise.all(connections.map(beRefused))));
  const tooMany = answers.filter((text) => text.includes('Too many requests'));
  const refused = tooMany.length;
  assert.ok(refused >= 8 && refused <= 24, `${refused} of 27 were not looked at`);
  assert.match(tooMany[0], /"data":\{"statusCode":429\}/);
  assert.equal((await limits(gateway)).requestRatePerAddress, refused);
});

test('who has left the namespace does not stay', async (t) => {
  const { gateway } = await startBoth(t, { env: { SOCKETIO_CONNECT_TIMEOUT: '1500ms', LIMIT_CONNECTIONS_PER_USER: '1' } });
  const raw = await rawClient(t, gateway);
  raw.send('41/mqtt,');
  assert.equal(await Promise.race([raw.closed, sleep(1_000)]), undefined, 'there is time to join again');
  await within(raw.closed, 'the connection ends');
  assert.equal((await limits(gateway)).noConnect, 1);
});

/** Until the gateway knows who has gone: whoever comes before that finds their places taken. */
const untilClients = (gateway, count) =>
  eventually(async () => (await connectedClients(gateway)) === count, `${count} clients are connected`);

test('a session that comes back takes no more places than there are', async (t) => {
  const { gateway } = await startBoth(t, {
    env: { LIMIT_SUBSCRIPTIONS_PER_USER: '3', LIMIT_CONNECTIONS_PER_USER: '2', RECOVERY_WINDOW: '30s', WORKERS: '2' },
  });
  const away = await connect(t, gateway);
  for (const topic of ['a', 'b']) await subscribe(away, topic);
  const lost = [];
  away.on('mqtt:subscribe:error', (error) => lost.push(error));
  away.io.engine.close();
  await untilClients(gateway, 0);
  const here = await connect(t, gateway);
  for (const topic of ['c', 'd']) await subscribe(here, topic);
  const back = once(away, 'connect');
  away.connect();
  await back;
  assert.equal(away.recovered, true);
  await eventually(() => lost.length === 1, 'the one too many is told');
  assert.deepEqual(lost[0], { error: 'Too many subscriptions of this user', statusCode: 429, topic: 'b' });
  const { subscriptions } = await ask(away, 'mqtt:subscriptions');
  assert.deepEqual(subscriptions.map(({ topic }) => topic), ['a']);
  await rest(gateway, 'POST', '/mqtt/publish', { topic: 'b', payload: 1 });
  await succeed(away, 'mqtt:publish', { topic: 'a', payload: 2 });
  await eventually(() => away.messages.length > 0, 'what it still holds comes');
  assert.deepEqual(away.messages.map(({ topic }) => topic), ['a']);

  // Nor a place on the namespace that others have taken.
  away.io.engine.close();
  await untilClients(gateway, 1);
  await connect(t, gateway);
  const refused = once(away, 'connect_error');
  away.connect();
  assert.deepEqual((await refused).data, { statusCode: 429 });
  const { subscriptionsPerUser, connectionsPerUser } = await limits(gateway);
  assert.deepEqual({ subscriptionsPerUser, connectionsPerUser }, { subscriptionsPerUser: 1, connectionsPerUser: 1 });
});

test('sessions that are kept do not add up', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_SUBSCRIPTIONS_PER_USER: '3', RECOVERY_WINDOW: '30s', WORKERS: '1' } });
  const all = async () => (await rest(gateway, 'GET', '/mqtt/subscriptions/all', undefined, { token: adminToken() })).body.total;
  for (let i = 0; i < 5; ++i) {
    const socket = await connect(t, gateway);
    for (const topic of [`${i}/a`, `${i}/b`]) await subscribe(socket, topic);
    socket.io.engine.close();
    await untilClients(gateway, 0);
    await eventually(async () => (await all()) === 2, 'the session before has ended');
  }
});

test('nor do those that are asked for where there is no place', async (t) => {
  const { gateway } = await startBoth(t, {
    env: { LIMIT_SUBSCRIPTIONS_PER_USER: '4', LIMIT_CONNECTIONS_PER_USER: '2', RECOVERY_WINDOW: '60s', WORKERS: '2' },
  });
  const all = async () => (await rest(gateway, 'GET', '/mqtt/subscriptions/all', undefined, { token: adminToken() })).body.total;
  for (let round = 0; round < 6; ++round) {
    const away = await Promise.all([0, 1].map(() => connect(t, gateway)));
    for (const [i, socket] of away.entries())
      for (const topic of ['a', 'b']) await subscribe(socket, `${round}/${i}/${topic}`);
    for (const socket of away) socket.io.engine.close();
    await untilClients(gateway, 0);
    const here = await Promise.all([0, 1].map(() => connect(t, gateway)));
    const refused = away.map((socket) => once(socket, 'connect_error'));
    for (const socket of away) socket.connect();
    await Promise.all(refused);
    for (const socket of [...away, ...here]) socket.disconnect();
    await untilClients(gateway, 0);
    assert.ok((await all()) <= 8, `${await all()} in round ${round}`);
  }
});

test('who is turned away is in the audit log', async (t) => {
  const { gateway } = await startBoth(t, {
    env: { LIMIT_REQUEST_RATE_PER_ADDRESS: '5/s', TRUST_PROXY: '127.0.0.0/8', LIMIT_CONNECTIONS_PER_ADDRESS: '1' },
  });
  const of = (status) => gateway.log.find((line) => line.event === 'turned away' && Number(line.status) === status);
  const headers = { 'x-forwarded-for': '203.0.113.9' };
  await handshake(t, gateway, { ...headers, origin: 'https://evil.example' });
  await eventually(() => of(403), 'the Origin is logged');
  assert.match(of(403).reason, /^Origin https:\/\/evil.example is not allowed/);
  assert.equal(of(403).remote, '203.0.113.9');
  assert.equal(of(403).level, 'info');
  await polling(gateway, headers);
  await polling(gateway, headers);
  await eventually(() => of(429), 'a session too many is logged');
  assert.equal(of(429).reason, 'Too many connections: an address may have 1');
  assert.equal(of(429).remote, '203.0.113.9');
  for (let i = 0; i < 30; ++i) await polling(gateway, headers);
  await eventually(
    () => gateway.log.some((line) => line.event === 'turned away' && line.reason.startsWith('Too many requests')),
    'requests that come too fast are logged',
  );
});
