// Both versions of MQTT, asked for by name.
import assert from 'node:assert/strict';
import { once as onceEmitted } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import {
  ask, brokerClient, connect, publish, startBoth, startBroker, startGateway, subscribe, untilMessages,
} from './harness.mjs';

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

/** A broker that knows nothing of version 5: a mosquitto behind a door that refuses it as such brokers do. */
async function startOldBroker(t, broker, refuse) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', (connect) => {
      const level = connect[connect.indexOf('MQTT') + 4];
      if (level === 5) return refuse(socket);
      const inner = net.connect(broker.port, '127.0.0.1');
      sockets.add(inner);
      inner.on('error', () => socket.destroy());
      inner.write(connect);
      socket.pipe(inner).pipe(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await onceEmitted(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server.address().port;
}

for (const [how, refuse] of [
  ['answers 0x01', (socket) => socket.end(Buffer.from([0x20, 2, 0, 1]))],
  ['closes the connection', (socket) => socket.destroy()],
]) {
  test(`a broker that ${how} is spoken to in 3.1.1`, async (t) => {
    const broker = await startBroker(t);
    const port = await startOldBroker(t, broker, refuse);
    const gateway = await startGateway(t, { broker: { port } });
    assert.equal((await gateway.logged('broker connected')).version, '3.1.1');
    const socket = await connect(t, gateway);
    await subscribe(socket, 'old', 1);
    await publish(socket, 'old', 'hello', { qos: 1 });
    assert.equal((await untilMessages(socket, 1))[0].payload, 'hello');
  });
}
