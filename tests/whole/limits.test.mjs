// Each limit is reached, answered as docs/limits.md says, and counted.
import assert from 'node:assert/strict';
import { once as onceEmitted } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  WebSocket, adminToken, ask, assertError, connect, eventually, makeClient, once, rawClient, rawHttp, rest, sleep, startBoth,
  subscribe, succeed, token, within,
} from './harness.mjs';

/** How often each limit has been reached so far. */
const limits = async (gateway) =>
  (await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: adminToken() })).body.limits;

/** The status that a WebSocket handshake is answered with; 101 if it succeeds. */
async function handshake(t, gateway, headers) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket.io/?EIO=4&transport=websocket`, { headers });
  t.after(() => socket.terminate());
  const opened = onceEmitted(socket, 'open').then(() => ({ status: 101 }));
  const refused = onceEmitted(socket, 'unexpected-response').then(async ([, response]) => ({
    status: response.statusCode,
    headers: response.headers,
    body: JSON.parse(Buffer.concat(await response.toArray()).toString()),
  }));
  for (const promise of [opened, refused]) promise.catch(() => {});
  return within(Promise.race([opened, refused]), 'an answer to the handshake');
}

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

/** A polling session: its answer, whatever it is. */
const polling = (gateway, headers = {}) =>
  rest(gateway, 'GET', '/socket.io/?EIO=4&transport=polling', undefined, { token: null, headers });

/** What the official client is told when it is refused. */
async function refusal(t, gateway, options) {
  const socket = makeClient(t, gateway, options);
  const error = await once(socket, 'connect_error');
  socket.disconnect();
  return error;
}

test('connections in all', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_CONNECTIONS: '5' } });
  const held = [];
  // The test's own connections that are kept alive have places, too, and leave them when they like.
  const isRefused = ({ text }) => text.startsWith('HTTP/1.1 503 ');
  for (let i = 0; i < 20 && !held.some(isRefused); ++i) {
    held.push(await rawHttp(t, gateway));
    await sleep(100);
  }
  const refused = held.find(isRefused);
  assert.ok(refused && held.length <= 6, `${held.length} were let in`);
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
  assert.equal(all.filter((status) => status === 429).length, 40 - taken);

  const refused = await rest(gateway, 'POST', '/mqtt/publish', { topic: 'r/1', payload: 1 });
  assertError(refused, 429, 'Too many publishes: a user may send 5 a second');
  assert.equal(refused.headers['retry-after'], '1');

  const others = await rest(gateway, 'POST', '/mqtt/publish', { topic: 'r/1', payload: 1 }, { token: token({ sub: 'bob' }) });
  assert.equal(others.status, 200);

  await sleep(Number(refused.headers['retry-after']) * 1000);
  assert.equal((await rest(gateway, 'POST', '/mqtt/publish', { topic: 'r/1', payload: 1 })).status, 200);

  // Each message of a batch counts.
  await sleep(2_500);
  const messages = Array.from({ length: 15 }, () => ({ topic: 'r/1', payload: 1 }));
  const { body } = await rest(gateway, 'POST', '/mqtt/publish/batch', { messages });
  assert.equal(body.results.filter(({ success }) => success).length, 10);
  assert.ok(body.results.slice(10).every(({ statusCode }) => statusCode === 429));
  assert.ok((await limits(gateway)).publishRatePerUser >= 30);
});

test('requests of an address', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_REQUEST_RATE_PER_ADDRESS: '10/s', TRUST_PROXY: '127.0.0.0/8' } });
  const from = (address) =>
    rest(gateway, 'GET', '/mqtt/health', undefined, { token: null, headers: { 'x-forwarded-for': address } });
  const answers = await Promise.all(Array.from({ length: 40 }, () => from('203.0.113.9')));
  const refused = answers.filter(({ status }) => status === 429);
  assert.ok(refused.length >= 15 && refused.length <= 20, `${refused.length} of 40 were refused`);
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

test('heads and bodies', async (t) => {
  const { gateway } = await startBoth(t, { env: { MAX_PAYLOAD: '1MB' } });
  const ask = async (text) => {
    const raw = await rawHttp(t, gateway);
    raw.send(text);
    const [answer] = await raw.answers(1);
    await within(raw.closed, 'the connection ends');
    return answer.status;
  };
  assert.equal(await ask(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`), 431);
  assert.equal(await ask(`GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(101)}\r\n`), 431);
  assert.equal(await ask('POST /mqtt/publish HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n'), 413);
  assert.equal(await ask('NONSENSE\r\n\r\n'), 400);
  const { requestHead, requestBody, malformedRequest } = await limits(gateway);
  assert.deepEqual({ requestHead, requestBody, malformedRequest }, { requestHead: 2, requestBody: 1, malformedRequest: 1 });
});

test('topics and messages', async (t) => {
  const { gateway } = await startBoth(t, { env: { MAX_PAYLOAD: '100KB' } });
  const socket = await connect(t, gateway);
  const deep = '/'.repeat(128);
  assert.equal((await ask(socket, 'mqtt:publish', { topic: deep, payload: 1 })).statusCode, 400);
  assert.equal((await ask(socket, 'mqtt:subscribe', { topic: 'a'.repeat(65_536) })).statusCode, 400);
  assertError(await rest(gateway, 'POST', '/mqtt/publish', { topic: deep, payload: 1 }), 400, /128 levels/);
  const raw = await rawClient(t, gateway);
  raw.send(`4${'x'.repeat(100_001)}`);
  assert.equal((await within(raw.closed, 'the connection ends')).code, 1009);
  const { topic, messageSize } = await limits(gateway);
  assert.deepEqual({ topic, messageSize }, { topic: 3, messageSize: 1 });
});

test('requests whose end can be read in two ways', async (t) => {
  const { gateway } = await startBoth(t);
  const hidden = 'GET /mqtt/health HTTP/1.1\r\nHost: hidden\r\n\r\n';
  const requests = {
    'two lengths': `Content-Length: 1\r\nContent-Length: 2\r\n\r\nab${hidden}`,
    'a length and chunks': `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    'chunks that are not the last coding': `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
    'an unknown coding': `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
    'two codings': `Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${hidden}`,
    'a length with a sign': `Content-Length: +5\r\n\r\nabcde${hidden}`,
    'a space before the colon': `Content-Length : 5\r\n\r\nabcde${hidden}`,
    'a length in hexadecimal': `Content-Length: 0x5\r\n\r\nabcde${hidden}`,
  };
  for (const [name, rest] of Object.entries(requests))
    await t.test(name, async (t) => {
      const raw = await rawHttp(t, gateway);
      raw.send(`POST /mqtt/health HTTP/1.1\r\nHost: a\r\n${rest}`);
      await within(raw.closed, 'the connection ends');
      assert.match(raw.text, /^HTTP\/1.1 400 /);
      assert.equal(raw.text.match(/HTTP\/1.1/g).length, 1, 'what is hidden is not answered');
    });
});

test('the last chunk in pieces', async (t) => {
  const { gateway } = await startBoth(t);
  const raw = await rawHttp(t, gateway);
  raw.send('POST /mqtt/nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (const piece of ['0', '\r', '\n', '\r', '\n']) {
    raw.send(piece);
    await sleep(50);
  }
  assert.equal((await raw.answers(1))[0].status, 404);
  assert.equal(gateway.child.signalCode, null);
});

test('requests that do not come', { timeout: 90_000 }, async (t) => {
  const { gateway } = await startBoth(t);
  const silent = await rawHttp(t, gateway);
  const unjoined = await rawClient(t, gateway, { auth: null }); // it answers pings, and that is all
  const slowHead = await rawHttp(t, gateway);
  slowHead.send('GET /mqtt/health HTTP/1.1\r\n');
  const drip = setInterval(() => slowHead.send('X: y\r\n'), 500);
  const slowBody = await rawHttp(t, gateway);
  slowBody.send('POST /mqtt/publish HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{');
  const dripBody = setInterval(() => slowBody.send(' '), 1_000);
  t.after(() => [drip, dripBody].forEach(clearInterval));

  const deaf = await rawHttp(t, gateway);
  deaf.socket.pause();
  deaf.send('GET /mqtt/health HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(30_000));

  await within(silent.closed, 'who never speaks is closed', 20_000);
  await within(slowHead.closed, 'a head that drips is closed', 25_000);
  assert.match(slowHead.text, /^HTTP\/1.1 408 /);
  await within(slowBody.closed, 'a body that drips is closed', 45_000);
  assert.match(slowBody.text, /^HTTP\/1.1 408 /);
  await within(unjoined.closed, 'who joins no namespace is closed', 30_000);
  const { requestTime, slowBody: bodies, noConnect, slowReader } = await limits(gateway);
  assert.deepEqual({ requestTime, bodies, noConnect, slowReader }, { requestTime: 2, bodies: 1, noConnect: 1, slowReader: 1 });
});

test('who asks and does not read costs no more than one answer', { timeout: 90_000 }, async (t) => {
  const { gateway } = await startBoth(t);
  const resident = () => Number(readFileSync(`/proc/${gateway.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
  const before = resident();
  const deaf = await rawHttp(t, gateway);
  deaf.socket.pause();
  const requests = 'GET /mqtt/health HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2_000);
  for (let i = 0; i < 200; ++i) {
    deaf.socket.write(requests);
    await sleep(1);
  }
  await sleep(1_000);
  assert.ok(resident() - before < 20_000, `${resident() - before} kB more`);
  // It is served on when it reads.
  deaf.socket.resume();
  await eventually(() => deaf.text.length > 1_000_000, 'the answers come');
});
