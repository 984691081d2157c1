// What is promised between a publisher, the broker and the sockets, with brokers that die and wires that break.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAedes } from './brokers.mjs';
import {
  ask, brokerClient, connect, eventually, once, publish, sleep, startBoth, startBroker, startGateway, startProxy, subscribe,
  succeed, token, untilMessages, untilReady,
} from './harness.mjs';

const count = (n) => Array.from({ length: n }, (_, i) => i);

test('delivery', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { WORKERS: '2' } });
  const other = await brokerClient(t, broker);

  for (const qos of [0, 1, 2]) {
    await t.test(`QoS ${qos} from the broker: each message once, in order`, async (t) => {
      const socket = await connect(t, gateway);
      await subscribe(socket, `in/${qos}`, qos);
      for (let i = 0; i < 2000; ++i) other.publish(`in/${qos}`, String(i), { qos });
      await untilMessages(socket, 2000, 20_000);
      await sleep(100);
      assert.deepEqual(socket.messages.map((m) => m.payload), count(2000));
      assert.ok(socket.messages.every((m) => m.qos === qos));
    });

    await t.test(`QoS ${qos} to the broker: each message once, in order`, async (t) => {
      const socket = await connect(t, gateway);
      const receiver = await brokerClient(t, broker);
      await receiver.subscribeAsync(`out/${qos}`, { qos: 2 });
      const replies = await Promise.all(count(2000).map((i) => publish(socket, `out/${qos}`, i, { qos })));
      assert.ok(replies.every((reply) => reply.success));
      await eventually(() => receiver.received.length >= 2000, 'all of them at the broker');
      await sleep(100);
      assert.deepEqual(receiver.received.map((m) => Number(m.payload)), count(2000));
      assert.ok(receiver.received.every((m) => m.packet.qos === qos));
    });
  }

  await t.test('one topic, 100 sockets, 500 messages: each once and in order on every socket', async (t) => {
    const sockets = await Promise.all(
      count(100).map((i) => connect(t, gateway, { auth: { token: token({ sub: `crowd${i}` }) } })),
    );
    await Promise.all(sockets.map((socket) => subscribe(socket, 'crowd', 1)));
    for (let i = 0; i < 500; ++i) other.publish('crowd', String(i), { qos: 1 });
    await Promise.all(sockets.map((socket) => untilMessages(socket, 500, 60_000)));
    await sleep(200);
    for (const socket of sockets) assert.deepEqual(socket.messages.map((m) => m.payload), count(500));
  });

  await t.test('sockets that come and go disturb no other', async (t) => {
    const steady = await connect(t, gateway);
    await subscribe(steady, 'coming/+/going', 1);
    let done = false;
    const traffic = (async () => {
      for (let i = 0; i < 600; ++i) {
        other.publish('coming/a/going', String(i), { qos: 1 });
        if (i % 10 === 0) await sleep(5);
      }
      done = true;
    })();
    while (!done) {
      const guest = await connect(t, gateway);
      await subscribe(guest, 'coming/a/going', 2);
      await subscribe(guest, 'coming/#', 1);
      guest.disconnect();
    }
    await traffic;
    await untilMessages(steady, 600, 20_000);
    await sleep(200);
    assert.deepEqual(steady.messages.map((m) => m.payload), count(600));
  });
});

test('what a publisher gets wrong and its broker passes on takes nobody else down', async (t) => {
  const disconnections = (gateway) => gateway.log.filter((line) => line.event === 'broker disconnected');

  await t.test('mosquitto, a response topic with a wildcard: the message comes without it, retained too', async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { MQTT_VERSION: '5' } });
    const other = await brokerClient(t, broker, { protocolVersion: 5 });
    const socket = await connect(t, gateway);
    await subscribe(socket, 'asked/#', 1);
    await other.publishAsync('asked/1', 'how?', { qos: 1, retain: true, properties: { responseTopic: 'answers/+' } });
    await other.publishAsync('asked/2', 'well?', { qos: 1, properties: { responseTopic: 'answers/2' } });
    await untilMessages(socket, 2);
    const seen = socket.messages.map((m) => [m.payload, m.properties?.responseTopic]);
    assert.deepEqual(seen, [['how?', undefined], ['well?', 'answers/2']]);
    const late = await connect(t, gateway);
    await subscribe(late, 'asked/1', 1);
    await untilMessages(late, 1);
    assert.deepEqual(disconnections(gateway), []);
  });

  await t.test('aedes, U+0000 in a topic: the message is passed over', async (t) => {
    const broker = await startAedes(t);
    const gateway = await startGateway(t, { broker });
    await untilReady(gateway);
    const other = await brokerClient(t, broker, { protocolVersion: 4 });
    const socket = await connect(t, gateway);
    await subscribe(socket, 'some/#', 1);
    await other.publishAsync('some/\0', 'nowhere', { qos: 1 });
    await other.publishAsync('some/where', 'here', { qos: 1 });
    await untilMessages(socket, 1);
    assert.equal(socket.messages[0].payload, 'here');
    assert.deepEqual(disconnections(gateway), []);
  });
});

test('a broker that dies and comes back', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const socket = await connect(t, gateway);
  await subscribe(socket, 'back/#', 1);
  // Changes are told at most once a second, and the last one was the connection at the start.
  await sleep(1500);
  const lost = eventually(() => socket.statuses.find((status) => !status.isConnected), 'mqtt:status without broker', 15_000);
  await broker.kill();
  const status = await lost;
  assert.equal(typeof status.lastError, 'string');

  const refused = await ask(socket, 'mqtt:publish', { topic: 'back/a', payload: 1, qos: 1 });
  assert.deepEqual(refused, { success: false, error: 'MQTT client is not connected', statusCode: 503 });
  const health = await fetch(`${gateway.url}/mqtt/health`);
  assert.equal(health.status, 200);
  const body = await health.json();
  assert.equal(body.status, 'degraded');
  assert.equal(body.broker, 'disconnected');
  assert.equal((await fetch(`${gateway.url}/mqtt/health/ready`)).status, 503);

  // A page that subscribes just now must not stay deaf.
  const late = await connect(t, gateway);
  const waiting = ask(late, 'mqtt:subscribe', { topic: 'back/late', qos: 1 });
  assert.equal((await ask(late, 'mqtt:unsubscribe', { topic: 'never' })).statusCode, 404);

  socket.statuses.length = 0;
  await sleep(300);
  await broker.restart();
  const again = await eventually(() => socket.statuses.find((s) => s.isConnected), 'mqtt:status with broker', 15_000);
  assert.equal(again.reconnectAttempts, 0);
  assert.ok(!('lastError' in again));
  assert.equal((await waiting).success, true);

  await untilReady(gateway);
  const other = await brokerClient(t, broker);
  await eventually(async () => {
    await other.publishAsync('back/a', '"afterwards"', { qos: 1 });
    return socket.messages.some((m) => m.payload === 'afterwards');
  }, 'a message after the restart');
  await publish(socket, 'back/b', 'own', { qos: 2 });
  await eventually(() => socket.messages.some((m) => m.payload === 'own'), 'a message of our own');
  await other.publishAsync('back/late', '"hello"', { qos: 1 });
  await eventually(() => late.messages.some((m) => m.payload === 'hello'), 'the late subscriber hears');
});

test('a socket greeted as connected hears when the broker goes, however soon', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const socket = await connect(t, gateway);
  await broker.kill();
  await eventually(() => socket.statuses.some((status) => !status.isConnected), 'mqtt:status without broker');
});

test('a gateway that starts before its broker', async (t) => {
  const broker = await startBroker(t);
  await broker.kill();
  const gateway = await startGateway(t, { broker });
  assert.equal((await fetch(`${gateway.url}/mqtt/health/ready`)).status, 503);
  const socket = await connect(t, gateway);
  assert.equal(socket.statuses[0].isConnected, false);
  await broker.restart();
  await eventually(() => socket.statuses.at(-1).isConnected, 'mqtt:status with broker', 15_000);
});

test('a wire that breaks while messages are in flight', async (t) => {
  const broker = await startBroker(t);
  const proxy = await startProxy(t, broker.port);
  const gateway = await startGateway(t, { broker: { port: proxy.port } });
  await untilReady(gateway);
  const receiver = await brokerClient(t, broker);
  await receiver.subscribeAsync('cut/#', { qos: 2 });
  const socket = await connect(t, gateway);
  const seen = (topic) => receiver.received.filter((m) => m.topic === topic).map((m) => Number(m.payload));

  for (const qos of [1, 2]) {
    await t.test(`QoS ${qos}: everything is answered and reaches the broker ${qos === 2 ? 'exactly' : 'at least'} once`, async () => {
      const topic = `cut/${qos}`;
      const replies = [];
      for (let i = 0; i < 600; ++i) {
        replies.push(ask(socket, 'mqtt:publish', { topic, payload: i, qos }));
        if (i === 200 || i === 400) {
          await eventually(() => seen(topic).length > i / 4, 'some have arrived');
          proxy.cut();
          await sleep(20);
          await eventually(() => proxy.connections() > 0, 'the gateway connects again');
          await untilReady(gateway);
        }
        if (i % 20 === 0) await sleep(2);
      }
      const answers = await Promise.all(replies);
      // While the gateway is away from its broker a new publish is refused at once; those taken on are kept.
      const taken = count(600).filter((i) => answers[i].success);
      for (const answer of answers.filter((a) => !a.success)) {
        assert.deepEqual(answer, { success: false, error: 'MQTT client is not connected', statusCode: 503 });
      }
      assert.ok(taken.length >= 300, `${taken.length} were taken`);
      await eventually(() => new Set(seen(topic)).size >= taken.length, 'all of them at the broker', 20_000);
      await sleep(300);
      const arrived = seen(topic);
      assert.deepEqual([...new Set(arrived)].sort((a, b) => a - b), taken);
      if (qos === 2) assert.equal(arrived.length, taken.length, 'none twice');
      await untilReady(gateway);
    });
  }

  await t.test('what others sent meanwhile arrives after the reconnect', async (t) => {
    const listener = await connect(t, gateway);
    await subscribe(listener, 'meanwhile', 1);
    proxy.refuse();
    proxy.cut();
    await eventually(() => listener.statuses.some((s) => !s.isConnected), 'mqtt:status without broker', 15_000);
    for (let i = 0; i < 50; ++i) await receiver.publishAsync('meanwhile', String(i), { qos: 1 });
    proxy.refuse(false);
    await untilMessages(listener, 50, 20_000);
    assert.deepEqual([...new Set(listener.messages.map((m) => m.payload))], count(50));
  });

  await t.test('a wire that only stalls loses nothing', async (t) => {
    const listener = await connect(t, gateway);
    await subscribe(listener, 'stall', 1);
    await untilReady(gateway);
    proxy.freeze();
    for (let i = 0; i < 50; ++i) await receiver.publishAsync('stall', String(i), { qos: 1 });
    const reply = ask(listener, 'mqtt:publish', { topic: 'cut/stall', payload: 1, qos: 1 });
    await sleep(500);
    assert.equal(listener.messages.length, 0);
    proxy.thaw();
    await untilMessages(listener, 50, 20_000);
    assert.equal((await reply).success, true);
    assert.deepEqual(listener.messages.map((m) => m.payload), count(50));
  });
});

test('a broker that refuses', async (t) => {
  const { broker, gateway } = await startBoth(t, {
    dynamicSecurity: {
      defaultACLAccess: { publishClientSend: true, publishClientReceive: true, subscribe: true, unsubscribe: true },
      groups: [{ groupname: 'all', roles: [{ rolename: 'all' }] }],
      anonymousGroup: 'all',
      roles: [
        {
          rolename: 'all',
          acls: [
            { acltype: 'subscribePattern', topic: 'secret/#', priority: 1, allow: false },
            { acltype: 'publishClientSend', topic: 'denied/publish/#', priority: 1, allow: false },
          ],
        },
      ],
    },
  });
  const socket = await connect(t, gateway);
  const other = await brokerClient(t, broker);

  await t.test('a subscription: reported, and not kept', async () => {
    const reply = await ask(socket, 'mqtt:subscribe', { topic: 'secret/a', qos: 1 });
    assert.equal(reply.success, false);
    assert.ok([403, 502].includes(reply.statusCode), JSON.stringify(reply));
    assert.match(reply.error, /^Failed to subscribe: ./);
    const event = once(socket, 'mqtt:subscribe:error');
    socket.emit('mqtt:subscribe', { topic: 'secret/a' });
    const { error, statusCode, topic } = await event;
    assert.match(error, /^Failed to subscribe: ./);
    assert.equal(statusCode, reply.statusCode);
    assert.equal(topic, 'secret/a');
    assert.equal((await ask(socket, 'mqtt:subscriptions')).total, 0);
    assert.equal((await ask(socket, 'mqtt:unsubscribe', { topic: 'secret/a' })).statusCode, 404);
  });

  await t.test('a publish: 502 that names the reason', async () => {
    for (const qos of [1, 2]) {
      // mosquitto 2.0.11 now and then ends the connection after it has denied a publish; the next one is then 503.
      const reply = await eventually(async () => {
        const answer = await ask(socket, 'mqtt:publish', { topic: 'denied/publish/a', payload: 1, qos });
        return answer.statusCode === 503 ? undefined : answer;
      }, 'an answer of the broker');
      assert.equal(reply.success, false);
      assert.equal(reply.statusCode, 502, JSON.stringify(reply));
      assert.match(reply.error, /not authorized/i);
    }
  });

  await t.test('the others go on', async () => {
    await subscribe(socket, 'open/a', 1);
    await untilReady(gateway);
    await other.publishAsync('open/a', '1', { qos: 1 });
    assert.equal((await untilMessages(socket, 1))[0].payload, 1);
    // The link may end only now for what was denied.
    const sent = async () => (await ask(socket, 'mqtt:publish', { topic: 'open/b', payload: 1, qos: 2 })).success;
    await eventually(sent, 'a publish succeeds');
  });
});
