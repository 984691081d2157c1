// Filters that overlap: whatever the broker sends, and whoever comes and goes, each socket gets each message once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminToken, brokerClient, connect, eventually, rest, sleep, startBoth, startBroker, startGateway, startProxy, subscribe, succeed,
  token, untilMessages, untilReady,
} from './harness.mjs';

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
        const filters = [['b/#', 0], ['b/+', 1], ['b/c', 2], ['+/c', 1], ['b/c/#', 0]];
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
          assert.ok(socket.messages.every((m) => m.qos === filters[i][1]));
        });
      });

      await t.test('the highest of the filters that match decides', async (t) => {
        const socket = await connect(t, gateway);
        await subscribe(socket, 'h/+', 0);
        await subscribe(socket, 'h/i', 1);
        for (const topic of ['h/i', 'h/j']) await other.publishAsync(topic, '1', { qos: 2 });
        await untilMessages(socket, 2);
        assert.deepEqual(Object.fromEntries(socket.messages.map((m) => [m.topic, m.qos])), { 'h/i': 1, 'h/j': 0 });
      });

      await t.test('sockets that come and go while messages flow', async (t) => {
        const topics = ['c/1', 'c/2', 'c/2/x'];
        const filters = ['c/#', 'c/+', 'c/1', 'c/2', '+/2', 'c/2/#', 'c/+/x'];
        const steady = await connect(t, gateway);
        await subscribe(steady, 'c/+', 2);
        await subscribe(steady, 'c/2/x', 1);
        let running = true;
        let sent = 0;
        const traffic = (async () => {
          for (; running; ++sent) {
            // Each topic keeps to one quality of service, so that its order is a promise.
            topics.forEach((topic, qos) => other.publish(topic, String(sent), { qos }));
            if (sent % 5 === 0) await sleep(3);
          }
        })();
        const guests = [];
        for (const i of count(120)) {
          const guest = await connect(t, gateway, { auth: { token: adminToken({ sub: `guest${i % 7}` }) } });
          guests.push(guest);
          await subscribe(guest, filters[i % filters.length], i % 3);
          await subscribe(guest, filters[(3 * i + 1) % filters.length], (i + 1) % 3);
          if (i % 2) await unsubscribe(guest, filters[i % filters.length]);
          if (i >= 5) guests[i - 5].disconnect();
        }
        running = false;
        await traffic;
        await eventually(() => steady.messages.length >= 3 * sent, `${3 * sent} messages`, 20_000);
        await sleep(200);
        for (const topic of topics) assert.deepEqual(payloads(steady, topic), count(sent), topic);
        for (const guest of guests)
          for (const topic of topics) {
            const seen = payloads(guest, topic);
            assert.equal(new Set(seen).size, seen.length, `${topic}: no duplicates`);
            assert.deepEqual(seen, [...seen].sort((x, y) => x - y), `${topic}: in order`);
          }
      });
    });

test('a queue full at the broker while filters change', async (t) => {
  const broker = await startBroker(t, { settings: ['max_inflight_messages 20', 'max_queued_messages 1000', 'sys_interval 1'] });
  const proxy = await startProxy(t, broker.port);
  const gateway = await startGateway(t, { broker: { port: proxy.port } });
  await untilReady(gateway);
  const other = await brokerClient(t, broker);
  const atBroker = await subscriptionsAt(t, broker);
  const socket = await connect(t, gateway);
  await subscribe(socket, 'sw/#', 1);
  await eventually(() => atBroker() >= 2, 'the broker counts');

  proxy.freeze();
  const publish = (from, to) =>
    Promise.all(count(to - from).map((i) => other.publishAsync('sw/t', String(from + i), { qos: 1 })));
  await publish(0, 40);
  const added = subscribe(socket, 'sw/t', 2);
  await sleep(50);
  proxy.thaw();
  await publish(40, 60);
  await added;
  proxy.freeze();
  await publish(60, 70);
  const dropped = unsubscribe(socket, 'sw/#');
  await publish(70, 80);
  await dropped;
  proxy.thaw();
  await untilMessages(socket, 80, 20_000);
  await sleep(500);
  assert.deepEqual(payloads(socket, 'sw/t'), count(80));

  // The old leader has gone: what only it matched does not come to the gateway any more.
  await eventually(async () => {
    const before = (await rest(gateway, 'GET', '/mqtt/stats')).body.messagesIn;
    await other.publishAsync('sw/other', '1', { qos: 1 });
    await sleep(100);
    return (await rest(gateway, 'GET', '/mqtt/stats')).body.messagesIn === before;
  }, 'sw/# is unsubscribed');
  await publish(80, 90);
  await untilMessages(socket, 90);
  await sleep(100);
  assert.deepEqual(payloads(socket, 'sw/t'), count(90));
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
