// How large what clients send may be, and how long it may take: answered as docs/limits.md says, and counted.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  WebSocket, ask, assertError, connect, eventually, rawClient, rawHttp, rest, sleep, startBoth, subscribe, token, within,
} from './harness.mjs';
import { limits, refusal } from './refusals.mjs';

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

test('limits that are set to something else', async (t) => {
  const { gateway } = await startBoth(t, {
    env: { LIMIT_HEAD_BYTES: '2KB', LIMIT_HEAD_FIELDS: '20', LIMIT_TOPIC_BYTES: '20', LIMIT_TOPIC_LEVELS: '3' },
  });
  const get = async (lines) => {
    const raw = await rawHttp(t, gateway);
    raw.send(`GET /mqtt/health HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
    return (await raw.answers(1))[0].status;
  };
  assert.equal(await get('X: y\r\n'.repeat(15)), 200);
  assert.equal(await get('X: y\r\n'.repeat(25)), 431);
  assert.equal(await get(`X: ${'y'.repeat(2_500)}\r\n`), 431);

  const socket = await connect(t, gateway);
  await subscribe(socket, 'a/b/#');
  assert.match((await ask(socket, 'mqtt:subscribe', { topic: 'a/b/c/#' })).error, /not have more than 3 levels/);
  assert.match((await ask(socket, 'mqtt:publish', { topic: 'x'.repeat(21), payload: 1 })).error, /longer than 20 bytes/);
  assertError(await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 'a/b/c/d' }), 400, /3 levels/);
  assertError(await rest(gateway, 'POST', '/mqtt/broadcast', { topic: 'a/b/c/d', message: {} }), 400, /3 levels/);
  const batch = await rest(gateway, 'POST', '/mqtt/publish/batch', { messages: [{ topic: 'a/b/c/d', payload: 1 }] });
  assert.match(batch.body.results[0].message, /3 levels/);
  const { requestHead, topic } = await limits(gateway);
  assert.deepEqual({ requestHead, topic }, { requestHead: 2, topic: 5 });
});

test('what is too deep, too many, or too long a token', async (t) => {
  const { gateway } = await startBoth(t);
  const deep = `{"topic":"a","payload":${'['.repeat(600)}${']'.repeat(600)}}`;
  assertError(await rest(gateway, 'POST', '/mqtt/publish', deep), 400, /nested over 512 deep/);
  const raw = await rawClient(t, gateway);
  raw.send(`42/mqtt,["mqtt:publish",${deep}]`);
  await within(raw.closed, 'the connection ends');
  const messages = Array.from({ length: 1001 }, () => ({ topic: 'a', payload: 1 }));
  assertError(await rest(gateway, 'POST', '/mqtt/publish/batch', { messages }), 400, /no more than 1000 elements/);
  const long = 'x'.repeat(9_000);
  assertError(await rest(gateway, 'GET', '/mqtt/status', undefined, { token: long }), 401, /over 8 KiB/);
  assert.match((await refusal(t, gateway, { auth: { token: long } })).message, /over 8 KiB/);
  const { jsonDepth, batch, tokenSize } = await limits(gateway);
  assert.deepEqual({ jsonDepth, batch, tokenSize }, { jsonDepth: 2, batch: 1, tokenSize: 2 });
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

test('trailers and extensions of chunks', async (t) => {
  const { gateway } = await startBoth(t, { env: { LIMIT_HEAD_BYTES: '200KB' } });
  const head = 'POST /mqtt/health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const large = 'y'.repeat(70_000);
  const requests = {
    'a value in the head that is too large to be kept': `GET /mqtt/health HTTP/1.1\r\nHost: a\r\nX: ${large}\r\n\r\n`,
    'a trailer that is too large to be kept': `${head}3\r\nabc\r\n0\r\nX: ${large}\r\n\r\n`,
    'the name of one': `${head}3\r\nabc\r\n0\r\n${large}: x\r\n\r\n`,
    'trailers without end': `${head}0\r\n${`X: ${'y'.repeat(1_000)}\r\n`.repeat(400)}`,
    'an extension without end': `${head}3;${'y'.repeat(400_000)}`,
  };
  for (const [name, request] of Object.entries(requests))
    await t.test(name, async (t) => {
      const raw = await rawHttp(t, gateway);
      raw.send(request);
      await within(raw.closed, 'the connection ends');
      assert.match(raw.text, /^HTTP\/1.1 431 /);
    });
  assert.equal((await limits(gateway)).requestHead, 5);
});

test('requests that do not come', async (t) => {
  const { gateway } = await startBoth(t, {
    env: {
      HTTP_HEAD_TIMEOUT: '3s', HTTP_TRANSFER_TIMEOUT: '4s', HTTP_TRANSFER_RATE: '1MB', HTTP_IDLE_TIMEOUT: '5s',
      SOCKETIO_CONNECT_TIMEOUT: '5s',
    },
  });
  const silent = await rawHttp(t, gateway);
  const idle = await rawHttp(t, gateway);
  idle.send('GET /mqtt/health HTTP/1.1\r\nHost: a\r\n\r\n');
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

  await within(silent.closed, 'who never speaks is closed');
  await within(slowHead.closed, 'a head that drips is closed');
  assert.match(slowHead.text, /^HTTP\/1.1 408 /);
  await within(slowBody.closed, 'a body that drips is closed');
  assert.match(slowBody.text, /^HTTP\/1.1 408 /);
  await within(unjoined.closed, 'who joins no namespace is closed');
  await within(idle.closed, 'who asks nothing more is closed');
  await eventually(async () => (await limits(gateway)).slowReader === 1, 'who does not read is closed');
  const { requestTime, slowBody: bodies, noConnect, slowReader, idleConnection } = await limits(gateway);
  assert.deepEqual({ requestTime, bodies, noConnect, slowReader }, { requestTime: 2, bodies: 1, noConnect: 1, slowReader: 1 });
  assert.ok(idleConnection >= 1);  // the connections of the test itself that it keeps alive are others
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

test('pings that are not answered, and upgrades that are not finished', async (t) => {
  const { gateway } = await startBoth(t, {
    env: { SOCKETIO_PING_INTERVAL: '300ms', SOCKETIO_PING_TIMEOUT: '5s', SOCKETIO_UPGRADE_TIMEOUT: '500ms' },
  });
  const silent = saysNothing(t, gateway);
  const { sid, pingInterval, pingTimeout } = JSON.parse(
    (await (await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`)).text()).slice(1),
  );
  assert.deepEqual([pingInterval, pingTimeout], [300, 5_000]);
  const probe = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket.io/?EIO=4&transport=websocket&sid=${sid}`);
  probe.on('error', () => {}); // a wire that is reset ends as well
  const closed = new Promise((resolve) => probe.on('close', resolve));
  await Promise.all([silent, closed].map((end) => within(end, 'the connection ends')));
  const { pingTimeout: pings, upgradeTimeout } = await limits(gateway);
  assert.ok(pings >= 1 && upgradeTimeout === 1, `${pings} pings, ${upgradeTimeout} upgrades`);
});

/** Ends when the gateway closes a WebSocket that says nothing. */
async function saysNothing(t, gateway) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket.io/?EIO=4&transport=websocket`);
  t.after(() => socket.terminate());
  socket.on('error', () => {});
  await new Promise((resolve) => socket.on('close', resolve));
}
