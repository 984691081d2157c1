// What a broker lacks or refuses is an answer that says so, and harms nobody else. RabbitMQ's ways are in
// interop_rabbitmq.test.mjs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { startAedes, startMosquitto } from './brokers.mjs';
import {
  ask, connect, eventually, freePort, publish, rest, sleep, startBroker, startGateway, subscribe, untilMessages, untilReady,
} from './harness.mjs';

const versions = ['5', '3.1.1'];

/** A gateway at `broker` that is connected, and a socket that hears `hear/#`. */
async function begin(t, broker, MQTT_VERSION, env = {}) {
  const gateway = await startGateway(t, { broker, env: { MQTT_VERSION, ...env } });
  await untilReady(gateway);
  const socket = await connect(t, gateway);
  await subscribe(socket, 'hear/#', 1);
  const goesOn = async () => {
    await untilReady(gateway);
    const before = socket.messages.length;
    // What the broker ends the connection for may still be on its way there: until the link is back, 503 is the answer.
    await eventually(async () => {
      const answer = await ask(socket, 'mqtt:publish', { topic: 'hear/on', payload: 'on', qos: 1 });
      if (!answer.success) assert.equal(answer.statusCode, 503, JSON.stringify(answer));
      return answer.success;
    }, 'a publish that is taken');
    await untilMessages(socket, before + 1);
  };
  return { gateway, socket, goesOn };
}

/** 3.1.1 has no way to say what the broker lacks: it ends the connection, until the message that causes it is given up. */
async function givesUp(socket, event, request, says) {
  const answer = await ask(socket, event, request);
  assert.equal(answer.success, false, JSON.stringify(answer));
  assert.equal(answer.statusCode, 502, JSON.stringify(answer));
  if (says) assert.match(answer.error, says);
}

for (const version of versions)
  test(`Maximum QoS 1, ${version}`, async (t) => {
    const broker = await startMosquitto(t, { settings: ['max_qos 1'] });
    const { gateway, socket, goesOn } = await begin(t, broker, version);
    await givesUp(socket, 'mqtt:publish', { topic: 'hear/a', payload: 1, qos: 2 }, version === '5' ? /QoS/ : undefined);
    await untilReady(gateway);
    const answer = await rest(gateway, 'POST', '/mqtt/publish', { topic: 'hear/a', payload: 1, qos: 2 }, { ms: 40_000 });
    assert.equal(answer.status, 502, answer.text);
    assert.equal((await subscribe(socket, 'hear/two', 2)).qos, 1);
    await goesOn();
    assert.ok(socket.messages.every((m) => m.payload === 'on'));
  });

for (const version of versions)
  test(`no retained messages, ${version}`, async (t) => {
    const broker = await startMosquitto(t, { settings: ['retain_available false'] });
    const { gateway, socket, goesOn } = await begin(t, broker, version);
    const kept = { topic: 'hear/a', payload: 1, qos: 1, retain: true };
    await givesUp(socket, 'mqtt:publish', kept, version === '5' ? /retain/i : undefined);
    await untilReady(gateway);
    const answer = await rest(gateway, 'POST', '/mqtt/publish', { ...kept, qos: 0 }, { ms: 40_000 });
    // At QoS 0 nothing comes back: only a broker that has said so beforehand makes it an answer.
    if (version === '5') assert.equal(answer.status, 502, answer.text);
    await goesOn();
    assert.ok(socket.messages.every((m) => m.payload === 'on'));
  });

for (const version of versions)
  test(`a small Maximum Packet Size, ${version}`, async (t) => {
    const broker = await startMosquitto(t, { settings: ['max_packet_size 2000'] });
    const { gateway, socket, goesOn } = await begin(t, broker, version);
    const large = { topic: 'hear/a', payload: 'x'.repeat(3000), qos: 1 };
    const status = version === '5' ? 413 : 502;
    assert.equal((await ask(socket, 'mqtt:publish', large)).statusCode, status);
    await untilReady(gateway);
    assert.equal((await rest(gateway, 'POST', '/mqtt/publish', large, { ms: 40_000 })).status, status);
    await goesOn();
  });

test('Mosquitto, 3.1.1: a refused subscription is an answer', async (t) => {
  const broker = await startMosquitto(t, {
    dynamicSecurity: {
      defaultACLAccess: { publishClientSend: true, publishClientReceive: true, subscribe: true, unsubscribe: true },
      groups: [{ groupname: 'all', roles: [{ rolename: 'all' }] }],
      anonymousGroup: 'all',
      roles: [{ rolename: 'all', acls: [{ acltype: 'subscribePattern', topic: 'no/#', priority: 1, allow: false }] }],
    },
  });
  const { gateway, socket, goesOn } = await begin(t, broker, '3.1.1');
  const reply = await ask(socket, 'mqtt:subscribe', { topic: 'no/a', qos: 1 });
  assert.ok([403, 502].includes(reply.statusCode), JSON.stringify(reply));
  assert.match(reply.error, /^Failed to subscribe: ./);
  const answer = await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 'no/a' });
  assert.equal(answer.status, reply.statusCode);
  await goesOn();
});

test('Aedes: refused topics', async (t) => {
  const broker = await startAedes(t, { denied: ['no/sub', 'no/pub'] });
  const { gateway, socket, goesOn } = await begin(t, broker, '3.1.1');
  const reply = await ask(socket, 'mqtt:subscribe', { topic: 'no/sub', qos: 1 });
  assert.ok([403, 502].includes(reply.statusCode), JSON.stringify(reply));
  assert.match(reply.error, /^Failed to subscribe: ./);
  // It ends the connection of whoever publishes what it denies.
  await givesUp(socket, 'mqtt:publish', { topic: 'no/pub', payload: 1, qos: 1 });
  assert.ok(gateway.log.some((line) => line.level === 'warn' || line.level === 'error'));
  await goesOn();
});

test('a session that another client takes over is an error in the log, by name', async (t) => {
  // No broker of Debian's says 0x8E, so that one is spelled out here.
  const port = await freePort();
  const sockets = new Set();
  let connections = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(Buffer.from([0x20, 3, 0, 0, 0]));
      if (++connections === 1) setTimeout(() => socket.end(Buffer.from([0xe0, 2, 0x8e, 0])), 100);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const gateway = await startGateway(t, { broker: { port }, env: { MQTT_VERSION: '5', MQTT_CLIENT_ID: 'contested' } });
  const line = await gateway.logged('client id taken over');
  assert.equal(line.level, 'error');
  assert.equal(line.client_id, 'contested');
  await eventually(() => connections >= 2, 'it comes back');
});

test('a broker that ends the connection over fences is asked for them no more', async (t) => {
  const broker = await startBroker(t, { settings: ['max_qos 0'] });
  const gateway = await startGateway(t, { broker, env: { MQTT_VERSION: '3.1.1' } });
  await untilReady(gateway);
  const socket = await connect(t, gateway);
  await eventually(async () => (await ask(socket, 'mqtt:subscribe', { topic: 'hear/#', qos: 0 })).success, 'a subscription');
  const { hint } = await gateway.logged('no fences', 60_000);
  assert.match(hint, /MQTT_FENCE_TOPIC/);
  await untilReady(gateway);
  const drops = () => gateway.log.filter(({ event }) => event === 'broker disconnected').length;
  const before = drops();
  for (let i = 0; i < 20; ++i) {
    await publish(socket, 'hear/x', i);
    await sleep(50);
  }
  await untilMessages(socket, 20);
  assert.equal(drops(), before);
});
