// Both versions of MQTT, asked for by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, brokerClient, connect, publish, startBoth, subscribe, untilMessages } from './harness.mjs';

for (const version of ['5', '3.1.1']) {
  test(`MQTT_VERSION=${version}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { MQTT_VERSION: version } });
    assert.equal((await gateway.logged('broker connected')).version, version);
    const socket = await connect(t, gateway);
    await subscribe(socket, 'both/ways/+', 2);

    await t.test('every quality of service, out and in', async () => {
      for (const qos of [0, 1, 2]) await publish(socket, 'both/ways/own', qos, { qos });
      const other = await brokerClient(t, broker);
      for (const qos of [0, 1, 2]) await other.publishAsync('both/ways/other', String(qos), { qos });
      const messages = await untilMessages(socket, 6);
      const seen = messages.map(({ topic, payload, qos }) => `${topic.split('/').at(-1)} ${payload} ${qos}`);
      assert.deepEqual(seen.sort(), ['other 0 0', 'other 1 1', 'other 2 2', 'own 0 0', 'own 1 1', 'own 2 2']);
    });

    await t.test('properties only where the version has them', async () => {
      const reply = await ask(socket, 'mqtt:publish', { topic: 'p', payload: 1, properties: { contentType: 'x/y' } });
      assert.equal(reply.success, version === '5');
      if (version === '3.1.1') assert.equal(reply.statusCode, 400);
    });
  });
}
