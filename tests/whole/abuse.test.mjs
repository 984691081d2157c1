// Hostile clients of every kind at once. Afterwards a normal one works, and what they cost is given back; during it,
// somebody who is in notices nothing. tests/soak/abuse.mjs does the same by the ten thousand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assaults, assertGivenBack, assertServes, attack, inParallel, measure, quickConnects, silentSockets,
} from './abuse.mjs';
import { adminToken, brokerClient, connect, eventually, rest, sleep, startBoth, subscribe, untilMessages } from './harness.mjs';

test('abuse', { timeout: 240_000 }, async (t) => {
  const { broker, gateway } = await startBoth(t, {
    env: { WORKERS: '2', WEBSOCKET_COMPRESSION: 'true', RECOVERY_WINDOW: '1s', SOCKETIO_CONNECT_TIMEOUT: '20s' },
  });
  const other = await brokerClient(t, broker);
  const witness = await connect(t, gateway);
  await subscribe(witness, 'witness', 1);
  await assertServes(t, gateway);
  await quickConnects(gateway.port, 500); // the allocator's first growth is none of the abuse's
  await sleep(500);
  const before = measure(gateway);

  let sent = 0;
  const ticking = setInterval(() => other.publish('witness', String(++sent), { qos: 1 }), 100);
  const silent = await silentSockets(gateway.port, 200);
  const mute = await silentSockets(gateway.port, 100, { upgraded: true });
  await Promise.all([
    quickConnects(gateway.port, 3_000),
    ...Object.keys(assaults).map((name) => inParallel(15, 5, () => attack(gateway.port, name))),
  ]);
  clearInterval(ticking);

  await t.test('a normal client works while silent ones hang on', () => assertServes(t, gateway));
  await t.test('who was in has missed nothing', async () => {
    await untilMessages(witness, sent);
    assert.deepEqual(witness.messages.map(({ payload }) => payload), Array.from({ length: sent }, (_, i) => i + 1));
  });
  await t.test('who never speaks is closed', () => eventually(() => silent.open() === 0, 'all are closed', 30_000));
  await t.test('who never joins is closed', () => eventually(() => mute.open() === 0, 'all are closed', 40_000));
  await t.test('it is all given back', () => assertGivenBack(gateway, before));
  await t.test('it has been counted', async () => {
    const { limits } = (await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: adminToken() })).body;
    assert.ok(limits.origin >= 15 && limits.malformedRequest > 0 && limits.requestTime >= 200, JSON.stringify(limits));
  });
});
