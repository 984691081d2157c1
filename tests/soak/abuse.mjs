// The abuse test at full size, by hand: 50,000 quick connects, 5,000 sockets that never speak, and a thousand
// connections of each kind of nonsense. Prints what it cost as lines of JSON:
// FAMEMELY_MQTT=$PWD/build/release/famemely-mqtt node --test tests/soak/abuse.mjs
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assaults, assertGivenBack, assertServes, attack, inParallel, measure, quickConnects, silentSockets,
} from '../whole/abuse.mjs';
import { adminToken, connect, eventually, rest, sleep, startBoth } from '../whole/harness.mjs';

const scale = Number(process.env.ABUSE_SCALE ?? 1);
const times = (count) => Math.ceil(count * scale);
const say = (what, more) => console.log(JSON.stringify({ what, ...more }));

test('abuse at full size', { timeout: 3_600_000 }, async (t) => {
  const { gateway } = await startBoth(t, { env: { WORKERS: '2', WEBSOCKET_COMPRESSION: 'true', RECOVERY_WINDOW: '5s' } });
  await assertServes(t, gateway);
  await quickConnects(gateway.port, 1_000);
  await sleep(1_000);
  const before = measure(gateway);
  say('before', before);
  const step = async (what, work) => {
    const began = Date.now();
    await work();
    say(what, { seconds: (Date.now() - began) / 1_000, ...measure(gateway) });
    await assertServes(t, gateway);
  };

  await step('50,000 quick connects', () => quickConnects(gateway.port, times(50_000), 200));
  const silent = await silentSockets(gateway.port, times(5_000));
  await step('5,000 sockets that never speak, there', () => sleep(1_000));
  assert.ok(measure(gateway).descriptors >= times(5_000), 'they were held at all');
  await step('5,000 sockets that never speak, closed', () => eventually(() => silent.open() === 0, 'closed', 60_000));
  const mute = await silentSockets(gateway.port, times(2_000), { upgraded: true });
  await step('2,000 WebSockets that never join, closed', () => eventually(() => mute.open() === 0, 'closed', 90_000));
  for (const name of Object.keys(assaults))
    await step(`1,000 times ${name}`, () => inParallel(times(1_000), 50, () => attack(gateway.port, name)));

  await assertGivenBack(gateway, before, { kilobytes: 30_000 });
  await assertServes(t, gateway);
  const socket = await connect(t, gateway);
  socket.disconnect();
  const { limits } = (await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: adminToken() })).body;
  say('after', { ...measure(gateway), limits });
});
