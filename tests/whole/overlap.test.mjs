// Filters that overlap: whatever the broker sends, and whoever comes and goes, each socket gets each message once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminToken, brokerClient, connect, eventually, rest, sleep, startBoth, startBroker, startGateway, startProxy, subscribe, succeed,
  token, untilMessages, untilReady,
} from './harness.mjs';
import { flow, streams } from './overlap_load.mjs';

const count = (n) => Array.from({ length: n }, (_, i) => i);
const asAdmin = { auth: { token: adminToken() } };
const unsubscribe = (socket, topic) => succeed(socket, 'mqtt:unsubscribe', { topic });
const payloads = (socket, topic) => socket.messages.filter((m) => m.topic === topic).map((m) => m.payload);

/** The filters that the broker holds for all its clients, from its own statistics. */
async function subscriptionsAt(t, broker) {
  const watcher = await brokerClient(t, broker);
  await watcher.subscribeAsync('$SYS/broker/subscriptions/count');
  const latest = () => Number(watcher.received.at(-1)?.payload ?? NaN);
  return latest;
}

for (const duplicates of [true, false])
  for (const WORKERS of ['1', '2'])
    test(`allow_duplicate_messages ${duplicates}, ${WORKERS} workers`, async (t) => {
      const { broker, gateway } = await startBoth(t, {
        env: { WORKERS },
        settings: [`allow_duplicate_messages ${duplicates}`],
      });
      const other = await brokerClient(t, broker);

      await t.test('one socket, many filters', async (t) => {
        const socket = await connect(t, gateway, asAdmin);
        for (const filter of ['a/#', 'a/+', 'a/b', '#', '+/b']) await subscribe(socket, filter, 2);
        for (const qos of [0, 1, 2]) for (const i of count(100)) other.publish('a/b', `${qos * 100 + i}`, { qos });
        await untilMessages(socket, 300);
        await sleep(150);
        assert.deepEqual(socket.messages.map((m) => m.payload).sort((x, y) => x - y), count(300));
        for (const m of socket.messages) assert.equal(m.qos, Math.floor(m.payload / 100));
        socket.disconnect();
      });

      await t.test('many sockets, a filter each: the qos is that of the socket', async (t) => {
        const filters = [['b/#', 0], ['b/+', 1], ['b/c', 2], ['+/c', 1], ['b/c/#', 0], ['#', 1]];
        const sockets = [];
        for (const [filter, qos] of filters) {
          const socket = await connect(t, gateway, { auth: { token: adminToken({ sub: filter }) } });
          assert.equal((await subscribe(socket, filter, qos)).qos, qos);
          sockets.push(socket);
        }
        for (const i of count(50)) other.publish('b/c', String(i), { qos: 2 });
        await Promise.all(sockets.map((socket) => untilMessages(socket, 50)));
        await sleep(150);
        sockets.forEach((socket, i) => {
          assert.deepEqual(payloads(socket, 'b/c'), count(50));
          assert.ok(socket.messages.every((m) => m.topic !== 'b/c' || m.qos === filters[i][1]));
          socket.disconnect();
        });
      });

      await t.test('qos is the least of the publish and the highest that matches', async (t) => {
        const held = [[0], [1], [2], [0, 0], [0, 1], [1, 0], [0, 2], [2, 1]];
        const sockets = [];
        for (const levels of held) {
          const socket = await connect(t, gateway);
          for (const [i, qos] of levels.entries()) await subscribe(socket, ['h/+', 'h/i'][i], qos);
          sockets.push(socket);
        }
        for (const topic of ['h/i', 'h/j'])
          for (const qos of [0, 1, 2]) await other.publishAsync(topic, String(qos), { qos });
        await Promise.all(sockets.map((socket) => untilMessages(socket, 6)));
        await sleep(100);
        sockets.forEach((socket, i) => {
          assert.equal(socket.messages.length, 6);
          for (const { topic, payload, qos } of socket.messages) {
            const highest = topic === 'h/i' ? Math.max(...held[i]) : held[i][0];
            assert.equal(qos, Math.min(payload, highest), `${topic} published at ${payload}, held at ${held[i]}`);
          }
        });
      });

      await t.test('sockets that come and go while messages flow', async (t) => {
        const topics = ['c/1', 'c/2', 'c/2/x'];
        const filters = ['c/#', 'c/+', 'c/1', 'c/2', '+/2', 'c/2/#', 'c/+/x', '#'];
        const steady = [await connect(t, gateway), await connect(t, gateway, asAdmin)];
        await subscribe(steady[0], 'c/+', 2);
        await subscribe(steady[0], 'c/2/x', 1);
        await subscribe(steady[1], '#', 2);
        const traffic = flow(other, topics, [0, 1, 2], { readers: steady });
        const guests = [];
        try {
          for (const i of count(80)) {
            const guest = await connect(t, gateway, { auth: { token: adminToken({ sub: `guest${i % 7}` }) } });
            guests.push(guest);
            await subscribe(guest, filters[i % filters.length], i % 3);
            await subscribe(guest, filters[(3 * i + 1) % filters.length], (i + 1) % 3);
            if (i % 2) await unsubscribe(guest, filters[i % filters.length]);
            if (i >= 5) guests[i - 5].disconnect();
          }
        } finally {
          await traffic.stop();
        }
        for (const socket of steady) {
          await eventually(() => socket.messages.length >= 9 * traffic.sent(), `${9 * traffic.sent()} messages`, 20_000);
          await sleep(100);
          for (const [stream, seen] of streams(socket)) assert.deepEqual(seen, count(traffic.sent()), stream);
        }
        for (const guest of guests)
          for (const [stream, seen] of streams(guest))
            assert.deepEqual(seen, seen.map((_, i) => seen[0] + i), `${stream} has gaps, duplicates or another order`);
      });
    });

const endings = [
  ['one socket keeps the old filter', '1', false],
  ['all drop it', '1', true],
  ['all drop it', '2', true],
];
for (const [name, WORKERS, leaves] of endings)
  test(`a queue full at the broker while filters change: ${name}, ${WORKERS} workers`, async (t) => {
    const broker = await startBroker(t, {
      settings: ['max_inflight_messages 20', 'max_queued_messages 1000', 'sys_interval 1'],
    });
    const proxy = await startProxy(t, broker.port);
    const gateway = await startGateway(t, { broker: { port: proxy.port }, env: { WORKERS } });
    await untilReady(gateway);
    const other = await brokerClient(t, broker);
    const atBroker = await subscriptionsAt(t, broker);
    const [first, second] = [await connect(t, gateway), await connect(t, gateway)];
    for (const socket of [first, second]) await subscribe(socket, 'sw/#', 1);
    await eventually(() => atBroker() >= 2, 'the broker counts');

    proxy.freeze();
    const publish = (from, to) =>
      Promise.all(count(to - from).map((i) => other.publishAsync('sw/t', String(from + i), { qos: 1 })));
    await publish(0, 40);
    const added = subscribe(first, 'sw/t', 2);
    await sleep(50);
    proxy.thaw();
    await publish(40, 60);
    await added;
    proxy.freeze();
    await publish(60, 70);
    const dropped = [first, ...(leaves ? [second] : [])].map((socket) => unsubscribe(socket, 'sw/#'));
    await publish(70, 80);
    await Promise.all(dropped);
    proxy.thaw();
    await untilMessages(first, 80, 20_000);
    await sleep(500);
    assert.deepEqual(payloads(first, 'sw/t'), count(80));
    // Whoever left has what it was owed: the beginning, without a gap.
    if (!leaves) await untilMessages(second, 80);
    const seen = payloads(second, 'sw/t');
    assert.deepEqual(seen, count(leaves ? seen.length : 80));

    const reaches = async () => {
      const before = (await rest(gateway, 'GET', '/mqtt/stats')).body.messagesIn;
      await other.publishAsync('sw/other', '1', { qos: 1 });
      await sleep(100);
      return (await rest(gateway, 'GET', '/mqtt/stats')).body.messagesIn > before;
    };
    if (leaves) {
      // The old leader has gone: what only it matched does not come to the gateway any more.
      await eventually(async () => !(await reaches()), 'sw/# is unsubscribed');
      await eventually(() => atBroker() === 3, 'the broker holds sw/t, the fence topic and the watcher');
    } else {
      await eventually(reaches, 'sw/# is still subscribed');
    }
    await publish(80, 90);
    await untilMessages(first, 90);
    await sleep(100);
    assert.deepEqual(payloads(first, 'sw/t'), count(90));
    if (leaves) return;
    await eventually(() => payloads(second, 'sw/t').length >= 90, 'all at the second');
    assert.deepEqual(payloads(second, 'sw/t'), count(90));
  });

test('a wire that is cut again and again while overlapping filters come and go', async (t) => {
  const broker = await startBroker(t);
  const proxy = await startProxy(t, broker.port);
  const gateway = await startGateway(t, { broker: { port: proxy.port }, env: { WORKERS: '2' } });
  await untilReady(gateway);
  const other = await brokerClient(t, broker);
  const steady = await connect(t, gateway, asAdmin);
  for (const filter of ['w/1', 'w/#']) await subscribe(steady, filter, 2);
  // Without readers: they lag while the wire is cut.
  const traffic = flow(other, ['w/1', 'w/2'], [0, 1, 2]);
  try {
    for (const i of count(8)) {
      const guest = await connect(t, gateway);
      await subscribe(guest, 'w/+', i % 3);
      await subscribe(steady, ['w/2', '+/1'][i % 2], 2);
      guest.disconnect();
      await unsubscribe(steady, ['w/2', '+/1'][i % 2]);
      await sleep(3 * i);
      proxy.cut();
    }
    await untilReady(gateway);
  } finally {
    await traffic.stop();
  }
  const whole = (stream) => new Set(streams(steady).get(stream)).size === traffic.sent();
  for (const topic of ['w/1', 'w/2']) {
    for (const qos of [1, 2]) await eventually(() => whole(`${topic} at ${qos}`), `all of ${topic} at ${qos}`, 20_000);
    await sleep(100);
    // Only QoS 2 promises that a lost acknowledgement brings nothing twice, and QoS 0 may be lost with the wire.
    assert.deepEqual(streams(steady).get(`${topic} at 2`), count(traffic.sent()));
    const once = streams(steady).get(`${topic} at 0`) ?? [];
    assert.equal(new Set(once).size, once.length);
  }
});

test('nothing is left at the broker once nobody holds anything', async (t) => {
  const { broker, gateway } = await startBoth(t, { settings: ['sys_interval 1'] });
  const atBroker = await subscriptionsAt(t, broker);
  await eventually(() => atBroker() === 1, 'the count of the watcher alone');
  const sockets = await Promise.all(count(10).map(() => connect(t, gateway, asAdmin)));
  const filters = ['x/#', 'x/+', 'x/y', '+/y', '#', 'x/y/#'];
  for (const i of count(60)) await subscribe(sockets[i % 10], filters[(i * 7) % 6], i % 3);
  await eventually(() => atBroker() >= 1 + filters.length, 'all are held');
  for (const i of count(60)) if (i % 2) await unsubscribe(sockets[i % 10], filters[(i * 7) % 6]).catch(() => {});
  for (const socket of sockets) socket.disconnect();
  // The link's own fence topic stays.
  await eventually(() => atBroker() === 2, 'only the fence topic is left', 15_000);
});

test('a broker that dies and comes back while overlapping filters are held', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const socket = await connect(t, gateway);
  for (const filter of ['k/#', 'k/+', 'k/1']) await subscribe(socket, filter, 1);
  await unsubscribe(socket, 'k/#');
  await broker.kill();
  await broker.restart();
  await untilReady(gateway);
  const other = await brokerClient(t, broker);
  await eventually(async () => {
    await other.publishAsync('k/1', '"probe"', { qos: 1 });
    await sleep(50);
    return socket.messages.length > 0;
  }, 'subscribed again');
  await sleep(300);
  socket.messages.length = 0;
  for (const i of count(100)) other.publish('k/1', String(i), { qos: 1 });
  await untilMessages(socket, 100);
  await sleep(200);
  assert.deepEqual(payloads(socket, 'k/1'), count(100));
});

test('where the broker refuses the fence topics, overlapping filters still deliver once', async (t) => {
  const { broker, gateway } = await startBoth(t, {
    dynamicSecurity: {
      defaultACLAccess: { publishClientSend: true, publishClientReceive: true, subscribe: true, unsubscribe: true },
      groups: [{ groupname: 'all', roles: [{ rolename: 'all' }] }],
      anonymousGroup: 'all',
      roles: [{
        rolename: 'all',
        acls: ['$famemely/#', 'famemely/#'].flatMap((topic) => [
          { acltype: 'subscribePattern', topic, priority: 1, allow: false },
          { acltype: 'publishClientSend', topic, priority: 1, allow: false },
        ]),
      }],
    },
  });
  const other = await brokerClient(t, broker);
  const socket = await connect(t, gateway);
  for (const filter of ['f/#', 'f/+', 'f/1']) await subscribe(socket, filter, 1);
  await unsubscribe(socket, 'f/#');
  for (const i of count(100)) other.publish('f/1', String(i), { qos: 1 });
  await untilMessages(socket, 100);
  await sleep(200);
  assert.deepEqual(payloads(socket, 'f/1'), count(100));
  await other.publishAsync('f/kept', '1', { qos: 1, retain: true });
  await subscribe(socket, 'f/kept');
  await untilMessages(socket, 102);
  await gateway.logged('no fences');
});

test('a flood of all qualities of service through overlapping filters keeps the link up', async (t) => {
  // mosquitto 2.0.11 goes beyond the Receive Maximum where QoS 1 and 2 are mixed and the reader is behind.
  const { broker, gateway } = await startBoth(t, { env: { WORKERS: '1' } });
  const other = await brokerClient(t, broker);
  const socket = await connect(t, gateway);
  for (const filter of ['flood/#', 'flood/+', 'flood/t']) await subscribe(socket, filter, 2);
  for (const i of count(6_000)) {
    for (const qos of [0, 1, 2]) other.publish('flood/t', `[${qos},${i}]`, { qos });
    if (i % 100 === 0) await sleep(1);
  }
  const complete = () => socket.messages.length >= 18_000 || gateway.log.some((line) => line.event === 'broker disconnected');
  await eventually(complete, '18,000 messages', 30_000);
  assert.deepEqual(gateway.log.filter((line) => line.event === 'broker disconnected'), []);
  await sleep(200);
  assert.equal(streams(socket).size, 3);
  for (const [stream, seen] of streams(socket)) assert.deepEqual(seen, count(6_000), stream);
});
