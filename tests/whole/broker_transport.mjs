// What the tests of the ways to the broker share: brokers with listeners of every kind, and what has to pass over each.
import assert from 'node:assert/strict';
import { once as onceEmitted } from 'node:events';
import { chmod } from 'node:fs/promises';
import net from 'node:net';
import { makeAuthority } from './certificates.mjs';
import {
  accepts, brokerClient, connect, eventually, freePort, publish, rest, startBroker, startGateway, subscribe, temporaryDirectory,
  untilMessages,
} from './harness.mjs';

/** Mosquitto has given up its rights by the time that it reads the files. */
export async function certificateDirectory(t) {
  const directory = await temporaryDirectory(t);
  await chmod(directory, 0o755);
  return directory;
}

export const makeTestAuthority = async (t, name) => makeAuthority(await certificateDirectory(t), name);

/** A mosquitto with a listener of plain MQTT and one for each of `listeners`, which are lists of further settings. */
export async function startBrokerWith(t, listeners) {
  const ports = {};
  const settings = [];
  for (const [name, lines] of Object.entries(listeners)) {
    ports[name] = await freePort();
    settings.push(`listener ${ports[name]} 127.0.0.1`, 'socket_domain ipv4', ...lines);
  }
  const broker = await startBroker(t, { settings });
  broker.ports = ports;
  await allAccept(broker);
  const { restart } = broker;
  broker.restart = async () => {
    await restart();
    await allAccept(broker);
  };
  return broker;
}

async function allAccept(broker) {
  for (const port of Object.values(broker.ports))
    await eventually(() => accepts(port), `mosquitto listens on ${port}`);
}

/** Messages at every quality of service and a large one, both ways, and once more after the broker was gone. */
export async function checkBothWays(t, broker, gateway, { version, largeInBytes = 900_000 }) {
  assert.equal((await gateway.logged('broker connected')).version, version);
  const socket = await connect(t, gateway);
  await subscribe(socket, 'in/+', 2);
  const other = await brokerClient(t, broker);
  await other.subscribeAsync('out/+', { qos: 2 });

  const roundTrip = async (name, largeOut, largeIn) => {
    const before = { in: socket.messages.length, out: other.received.length };
    for (const qos of [0, 1, 2]) {
      await publish(socket, `out/${name}`, `${name} ${qos}`, { qos });
      await other.publishAsync(`in/${name}`, `${name} ${qos}`, { qos });
    }
    await publish(socket, 'out/large', largeOut, { qos: 1 });
    await other.publishAsync('in/large', largeIn, { qos: 1 });
    const messages = (await untilMessages(socket, before.in + 4)).slice(before.in);
    await eventually(() => other.received.length >= before.out + 4, 'all messages at the broker');
    const received = other.received.slice(before.out).map(({ topic, payload, packet }) => ({
      topic, payload: JSON.parse(payload), qos: packet.qos,
    }));
    for (const [list, way, large] of [[messages, 'in', largeIn], [received, 'out', largeOut]]) {
      assert.deepEqual(
        list.filter(({ topic }) => topic === `${way}/${name}`).map(({ payload, qos }) => `${payload} at ${qos}`).sort(),
        [0, 1, 2].map((qos) => `${name} ${qos} at ${qos}`),
      );
      assert.ok(list.some(({ topic, payload }) => topic === `${way}/large` && payload === large), `large ${way}`);
    }
  };
  const letters = (bytes) => 'abcdefghij'.repeat(bytes / 10);
  await roundTrip('first', letters(900_000), letters(largeInBytes));

  await broker.kill();
  await gateway.logged('broker disconnected');
  gateway.log.length = 0;
  await broker.restart();
  await gateway.logged('broker connected');
  await eventually(() => other.connected, 'the other client is back');
  await eventually(() => socket.statuses.at(-1)?.isConnected, 'the client knows of it');
  await eventually(async () => (await rest(gateway, 'GET', '/mqtt/stats')).body.activeSubscriptions === 1, 'it is subscribed again');
  await roundTrip('second', 'small', 'small');
}

/** The reason of the first failed attempt, of a gateway of its own. */
export async function failureOf(t, env) {
  const gateway = await startGateway(t, { env: { MQTT_VERSION: '3.1.1', MQTT_CONNECT_TIMEOUT: '5s', ...env } });
  const { reason } = await gateway.logged('broker connection failed').catch((error) => {
    throw new Error(`${JSON.stringify(env)}: ${error.message}\n${gateway.text}`);
  });
  await gateway.stop();
  return reason;
}

/** A server that does with each connection what it is told to. */
export async function startTcpServer(t, onConnection) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await onceEmitted(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server.address().port;
}
