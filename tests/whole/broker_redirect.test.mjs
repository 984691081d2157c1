// A broker that names another server: the reference is followed once, and the configured server is gone back to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTcpServer } from './broker_transport.mjs';
import { connect, eventually, publish, startBroker, startGateway, subscribe, untilMessages, untilReady } from './harness.mjs';

const kUseAnotherServer = 0x9c;
const kServerMoved = 0x9d;

const property = (reference) => Buffer.concat([
  Buffer.from([reference.length + 3, 0x1c, 0, reference.length]), Buffer.from(reference),
]);
function connack(code, reference) {
  const body = Buffer.concat([Buffer.from([0, code]), property(reference)]);
  return Buffer.concat([Buffer.from([0x20, body.length]), body]);
}
function disconnect(code, reference) {
  const body = Buffer.concat([Buffer.from([code]), property(reference)]);
  return Buffer.concat([Buffer.from([0xe0, body.length]), body]);
}
const accepted = Buffer.from([0x20, 3, 0, 0, 0]);

/** Answers each CONNECT with these packets, and counts them. */
async function startReferrer(t, answer) {
  const referrer = { connects: 0 };
  referrer.port = await startTcpServer(t, (socket) => {
    socket.once('data', () => {
      referrer.connects += 1;
      for (const packet of answer(referrer.connects)) socket.write(packet);
    });
  });
  return referrer;
}

const startAt = (t, port, env = {}) =>
  startGateway(t, { env: { MQTT_URL: `mqtt://127.0.0.1:${port}`, MQTT_VERSION: '5', ...env } });

test('a CONNACK sends us to another server, which is used', async (t) => {
  const broker = await startBroker(t);
  const referrer = await startReferrer(t, () => [connack(kUseAnotherServer, `localhost:${broker.port} other:1`)]);
  const gateway = await startAt(t, referrer.port);
  await untilReady(gateway);
  const { server, moved } = await gateway.logged('broker redirect');
  assert.deepEqual([server, moved], [`localhost:${broker.port} other:1`, false]);
  const socket = await connect(t, gateway);
  await subscribe(socket, 'a', 1);
  await publish(socket, 'a', 'there', { qos: 1 });
  assert.equal((await untilMessages(socket, 1))[0].payload, 'there');
});

test('a server that has moved is remembered, until it fails', async (t) => {
  const broker = await startBroker(t);
  const referrer = await startReferrer(t, () => [accepted, disconnect(kServerMoved, `[127.0.0.1]:${broker.port}`)]);
  const plain = await startReferrer(t, () => [accepted, disconnect(kServerMoved, `127.0.0.1:${broker.port}`)]);
  const refused = await startAt(t, referrer.port);
  assert.equal((await refused.logged('broker redirect not followed')).why, 'it is no host or host:port');
  await refused.stop();

  const gateway = await startAt(t, plain.port);
  await untilReady(gateway);
  const before = plain.connects;
  await broker.kill();
  await eventually(() => plain.connects > before, 'the configured server is called when the other one fails');
  await broker.restart();
  await untilReady(gateway);
});

test('a redirect is followed once, and not with credentials to whoever is there', async (t) => {
  const broker = await startBroker(t);
  const second = await startReferrer(t, () => [connack(kUseAnotherServer, `127.0.0.1:${broker.port}`)]);
  const first = await startReferrer(t, () => [connack(kUseAnotherServer, `127.0.0.1:${second.port}`)]);
  const gateway = await startAt(t, first.port);
  assert.equal((await gateway.logged('broker redirect not followed')).why, 'this server is one already');
  await eventually(() => first.connects > 1, 'back at the configured server');
  assert.equal(gateway.log.find(({ event }) => event === 'broker connected'), undefined);
  await gateway.stop();

  const away = await startReferrer(t, () => [connack(kUseAnotherServer, `localhost:${broker.port}`)]);
  const secretive = await startAt(t, away.port, { MQTT_URL: `mqtt://me:secret@127.0.0.1:${away.port}` });
  assert.match((await secretive.logged('broker redirect not followed')).why, /credentials/);
  await eventually(() => away.connects > 1, 'the configured server again');
});
