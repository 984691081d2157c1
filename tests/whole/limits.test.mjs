// Each limit is reached, answered as docs/limits.md says, and counted.
import assert from 'node:assert/strict';
import { once as onceEmitted } from 'node:events';
import { test } from 'node:test';
import { WebSocket, adminToken, assertError, rest, startBoth, within } from './harness.mjs';

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
