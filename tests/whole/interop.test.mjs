// The rows of the table in docs/brokers.md: one for each broker, protocol and version. RabbitMQ has a file of its own.
import { test } from 'node:test';
import { startAedes, startMosquitto } from './brokers.mjs';
import { exerciseRow } from './interop_rows.mjs';

for (const protocol of ['mqtt', 'mqtts', 'ws', 'wss'])
  for (const asked of protocol === 'mqtt' ? ['5', '3.1.1', 'auto'] : ['5', '3.1.1'])
    test(`Mosquitto, ${protocol}, MQTT_VERSION=${asked}`, async (t) => {
      const broker = await startMosquitto(t, { protocol });
      const version = asked === 'auto' ? '5' : asked;
      await exerciseRow(t, { broker, version, asked, interrupt: broker.stop, mend: broker.restart });
    });

for (const asked of ['3.1.1', 'auto'])
  test(`Aedes, mqtt, MQTT_VERSION=${asked}`, async (t) => {
    const broker = await startAedes(t);
    await exerciseRow(t, { broker, version: '3.1.1', asked, interrupt: broker.stop, mend: broker.restart });
  });
