// RabbitMQ's rows of the table in docs/brokers.md, and what it does in its own way. It takes ten seconds to start, so that
// one broker serves them all.
import { test } from 'node:test';
import { startRabbitmq } from './brokers.mjs';
import { exerciseRow } from './interop_rows.mjs';

test('RabbitMQ 3.10', async (t) => {
  const broker = await startRabbitmq(t);
  await t.test('mqtt, MQTT_VERSION=auto', (t) => exerciseRow(t, { broker, version: '3.1.1', asked: 'auto', highest: 1 }));
  await t.test('mqtt, MQTT_VERSION=3.1.1, and the broker restarts', (t) =>
    exerciseRow(t, { broker, version: '3.1.1', highest: 1, interrupt: broker.stop, mend: broker.restart }),
  );
});
