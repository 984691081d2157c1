// Exactly once whatever overlaps, on brokers that tell copies apart and on those that do not. RabbitMQ is in
// interop_rabbitmq.test.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAedes, startMosquitto } from './brokers.mjs';
import { exerciseLaneCap, exerciseOverlaps } from './overlap_load.mjs';

for (const MQTT_VERSION of ['5', '3.1.1'])
  for (const duplicates of [true, false])
    test(`Mosquitto, ${MQTT_VERSION}, allow_duplicate_messages ${duplicates}: filters come and go under load`, async (t) => {
      const broker = await startMosquitto(t, { settings: [`allow_duplicate_messages ${duplicates}`] });
      await exerciseOverlaps(t, { broker, env: { MQTT_VERSION }, version: 5 });
    });

test('Aedes: filters come and go under load', async (t) => {
  await exerciseOverlaps(t, { broker: await startAedes(t), env: { MQTT_VERSION: '3.1.1' } });
});

for (const MQTT_VERSION of ['5', '3.1.1'])
  test(`Mosquitto, ${MQTT_VERSION}: filters come and go under load while the wire tears`, async (t) => {
    const broker = await startMosquitto(t);
    const seed = Date.now() % 1_000_000;
    t.diagnostic(`seed ${seed}`);
    const { tears } = await exerciseOverlaps(t, { broker, env: { MQTT_VERSION }, version: 5, seed });
    assert.ok(tears >= 5, `${tears} tears`);
  });

test('Mosquitto, 3.1.1: the ninth filter of a crossing is refused, the others go on', async (t) => {
  await exerciseLaneCap(t, { broker: await startMosquitto(t), version: 5 });
});

test('Aedes: the ninth filter of a crossing is refused, the others go on', async (t) => {
  await exerciseLaneCap(t, { broker: await startAedes(t) });
});
