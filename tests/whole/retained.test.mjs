// Retained messages and those who subscribe after them: all of them, once, and none that a newer message has overtaken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminToken, brokerClient, connect, eventually, makeClient, sleep, startBoth, startProxy, subscribe, succeed, token, untilMessages,
  within,
} from './harness.mjs';

const count = (n) => Array.from({ length: n }, (_, i) => i);
let serial = 0;
const fresh = (name) => `${name}/${++serial}`;

/** Publishes retained messages on many topics, and waits until the broker has them all. */
async function retain(publisher, messages) {
  await Promise.all(messages.map(([topic, payload]) => publisher.publishAsync(topic, payload, { qos: 1, retain: true })));
}

for (const version of ['5', '3.1.1']) {
  test(`retained messages, MQTT ${version}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: '2', MQTT_VERSION: version } });
    const other = await brokerClient(t, broker);

    await t.test('come with a new subscription, marked, at QoS 0', async (t) => {
      const topic = fresh('retained');
      await other.publishAsync(topic, '{"kept":true}', { qos: 1, retain: true });
      const receiver = await connect(t, gateway);
      await subscribe(receiver, topic, 1);
      const [message] = await untilMessages(receiver, 1);
      assert.deepEqual([message.topic, message.payload, message.retain, message.qos], [topic, { kept: true }, true, 0]);
      assert.ok(!Number.isNaN(Date.parse(message.timestamp)));
    });

    await t.test('come also where others hold the filter already, and only to the newcomer', async (t) => {
      const topic = fresh('retained');
      const sockets = [await connect(t, gateway)];
      await subscribe(sockets[0], topic);
      await other.publishAsync(topic, '1', { qos: 1, retain: true });
      await untilMessages(sockets[0], 1);
      assert.equal(sockets[0].messages[0].retain, false);
      for (const i of [1, 2, 3]) {
        sockets.push(await connect(t, gateway));
        await subscribe(sockets[i], topic);
        assert.equal((await untilMessages(sockets[i], 1))[0].retain, true);
      }
      await sleep(100);
      for (const socket of sockets) assert.equal(socket.messages.length, 1);
    });

    await t.test('come again when a socket subscribes again', async (t) => {
      const topic = fresh('retained');
      await other.publishAsync(topic, '1', { qos: 1, retain: true });
      const receiver = await connect(t, gateway);
      await subscribe(receiver, topic);
      await untilMessages(receiver, 1);
      await subscribe(receiver, topic, 1);
      const messages = await untilMessages(receiver, 2);
      assert.deepEqual(messages.map((m) => m.retain), [true, true]);
    });

    await t.test('each of two overlapping filters brings its own', async (t) => {
      const topic = fresh('retained');
      await retain(other, [[`${topic}/a`, '1'], [`${topic}/b`, '2']]);
      const receiver = await connect(t, gateway);
      await subscribe(receiver, `${topic}/#`);
      await untilMessages(receiver, 2);
      await subscribe(receiver, `${topic}/a`);
      await untilMessages(receiver, 3);
      await sleep(100);
      assert.deepEqual(receiver.messages.map((m) => m.payload).sort(), [1, 1, 2]);
    });

    await t.test('that were deleted do not come', async (t) => {
      const topic = fresh('retained');
      await other.publishAsync(topic, '1', { qos: 1, retain: true });
      await other.publishAsync(topic, '', { qos: 1, retain: true });
      await other.publishAsync(`${topic}/x`, '2', { qos: 1, retain: true });
      const receiver = await connect(t, gateway);
      await subscribe(receiver, `${topic}/#`);
      await untilMessages(receiver, 1);
      await sleep(100);
      assert.deepEqual(receiver.messages.map((m) => m.payload), [2]);
    });

    await t.test('are text or binary where they are no JSON', async (t) => {
      const topic = fresh('retained');
      await retain(other, [[`${topic}/text`, 'no JSON'], [`${topic}/binary`, Buffer.from([0xff, 0, 1])]]);
      const receiver = await connect(t, gateway);
      await subscribe(receiver, `${topic}/+`);
      await untilMessages(receiver, 2);
      const payloads = Object.fromEntries(receiver.messages.map((m) => [m.topic.split('/').at(-1), m.payload]));
      assert.equal(payloads.text, 'no JSON');
      assert.deepEqual([...payloads.binary], [0xff, 0, 1]);
    });

    await t.test('stay away after a message that is not retained, and come to who has not had a newer one', async (t) => {
      const topic = fresh('retained');
      await other.publishAsync(topic, '"old"', { qos: 1, retain: true });
      await other.publishAsync(topic, '"passing"', { qos: 1 });
      const receiver = await connect(t, gateway);
      await subscribe(receiver, topic);
      assert.deepEqual((await untilMessages(receiver, 1)).map((m) => [m.payload, m.retain]), [['old', true]]);
    });

    await t.test('1,000 sockets that subscribe at once get each message once', async (t) => {
      const topic = fresh('crowd');
      await retain(other, count(5).map((i) => [`${topic}/${i}`, String(i)]));
      const sockets = await Promise.all(
        count(1000).map((i) => connect(t, gateway, { auth: { token: token({ sub: `crowd${i % 50}` }) } })),
      );
      await Promise.all(sockets.map((socket) => subscribe(socket, `${topic}/+`)));
      await Promise.all(sockets.map((socket) => untilMessages(socket, 5, 30_000)));
      await sleep(200);
      for (const socket of sockets) assert.deepEqual(socket.messages.map((m) => m.payload).sort(), [0, 1, 2, 3, 4]);
      for (const socket of sockets) socket.disconnect();
    });

    await t.test('that stay come also while messages that are not retained flow on their topics', async (t) => {
      const topic = fresh('passing');
      await other.publishAsync(topic, '"kept"', { qos: 1, retain: true });
      const early = await connect(t, gateway);
      await subscribe(early, topic, 1);
      let running = true;
      const traffic = (async () => {
        for (let value = 0; running; ++value) {
          other.publish(topic, String(value), { qos: value % 2 });
          await sleep(15);
        }
      })();
      const sockets = [];
      try {
        for (const i of count(12)) {
          const socket = await connect(t, gateway, { auth: { token: token({ sub: `passing${i}` }) } });
          sockets.push(socket);
          await subscribe(socket, topic, 1);
        }
        for (const socket of sockets)
          await eventually(() => socket.messages.some((m) => m.payload === 'kept'), 'the retained message');
        await sleep(300);
      } finally {
        running = false;
        await traffic;
      }
      for (const socket of sockets) {
        const kept = socket.messages.filter((m) => m.payload === 'kept');
        assert.deepEqual(kept.map((m) => m.retain), [true]);
        assert.ok(socket.messages.every((m) => m.payload === 'kept' || !m.retain));
        assert.equal(new Set(socket.messages.map((m) => m.payload)).size, socket.messages.length);
      }
    });

    await t.test('never an older message after a newer one, whoever comes while they flow', async (t) => {
      const base = fresh('flow');
      const topics = count(20).map((i) => `${base}/${i}`);
      const last = topics.map(() => -1);
      await retain(other, topics.map((topic) => [topic, '-1']));
      let running = true;
      const traffic = (async () => {
        for (let value = 0; running; ++value) {
          for (let i = 0; i < topics.length; ++i) {
            // Qualities of service may overtake one another: each topic keeps to one.
            other.publish(topics[i], String(value), { qos: i % 2, retain: true });
            last[i] = value;
          }
          await sleep(2);
        }
      })();
      const all = [];
      const twice = new Set();
      const come = async (i) => {
        const socket = await connect(t, gateway, { auth: { token: token({ sub: `flow${i}` }) } });
        all.push(socket);
        await subscribe(socket, [`${base}/#`, `${base}/+`][i % 2], 1);
        if (i % 3 === 0) {
          twice.add(socket);
          await subscribe(socket, `${base}/7`, 1);
        }
        await sleep(50);
        if (i % 4 === 1) socket.disconnect();
      };
      try {
        for (const i of count(10)) await Promise.all(count(4).map((j) => come(4 * i + j)));
      } finally {
        running = false;
        await traffic;
      }
      const here = all.filter((socket) => socket.connected);
      assert.ok(here.length >= 20);
      await Promise.all(here.map((socket) => eventually(() => topics.every((topic, i) =>
        socket.messages.some((m) => m.topic === topic && m.payload === last[i])), 'the last value of each topic', 20_000)));
      for (const socket of all) {
        const seen = new Map();
        let again = twice.has(socket) ? 1 : 0;
        for (const { topic, payload, retain: retained } of socket.messages) {
          const before = seen.get(topic) ?? payload - 1;
          // The second, overlapping subscription brings its own once more. Else a value follows the one before it.
          const repeated = topic === `${base}/7` && retained && payload === before && again-- > 0;
          assert.ok(repeated || payload === before + 1, `${topic}: ${payload} after ${before}, retain ${retained}`);
          seen.set(topic, payload);
        }
      }
    });
  });
}

test('20,000 retained topics under one wildcard', async (t) => {
  for (const env of [{}, { CLIENT_QUEUE: '100KB', WORKERS: '1' }, { MQTT_VERSION: '3.1.1' }]) {
    await t.test(JSON.stringify(env), async (t) => {
      const { broker, gateway } = await startBoth(t, { env });
      const other = await brokerClient(t, broker);
      const topics = count(20_000).map((i) => `many/${i % 100}/${i}`);
      await retain(other, topics.map((topic, i) => [topic, String(i)]));
      for (const transports of [['websocket'], ['polling']]) {
        const socket = await connect(t, gateway, { transports });
        await subscribe(socket, 'many/#');
        await untilMessages(socket, 20_000, 40_000);
        await sleep(200);
        assert.equal(socket.messages.length, 20_000);
        assert.equal(new Set(socket.messages.map((m) => m.topic)).size, 20_000);
        assert.ok(socket.messages.every((m) => m.retain && topics[m.payload] === m.topic));
        socket.disconnect();
      }
    });
  }
});

test('MQTT 5 properties of a retained message', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const other = await brokerClient(t, broker);
  const keeps = (topic, payload, properties) => other.publishAsync(topic, payload, { qos: 1, retain: true, properties });
  await keeps('props/a', '[1]', { contentType: 'text/plain', userProperties: { colour: ['red', 'blue'], size: '1' } });
  await keeps('props/b', '[1]', { contentType: 'application/octet-stream' });
  await keeps('props/c', '[1]', { responseTopic: 'answers/c', correlationData: Buffer.from([0, 255]), messageExpiryInterval: 600 });
  await keeps('props/d', '"gone"', { messageExpiryInterval: 1 });
  await sleep(2_100);
  for (const _ of count(2)) {
    const receiver = await connect(t, gateway);
    await subscribe(receiver, 'props/#');
    await untilMessages(receiver, 3);
    await sleep(100);
    const [a, b, c, ...more] = receiver.messages.sort((x, y) => x.topic.localeCompare(y.topic));
    assert.deepEqual(more, []);
    assert.equal(a.payload, '[1]');
    assert.deepEqual(a.properties, { contentType: 'text/plain', userProperties: { colour: ['red', 'blue'], size: '1' } });
    assert.deepEqual([...new Uint8Array(b.payload)], [...Buffer.from('[1]')]);
    assert.deepEqual(c.payload, [1]);
    const { messageExpiry, ...others } = c.properties;
    assert.deepEqual(others, { responseTopic: 'answers/c', correlationData: 'AP8=' });
    assert.ok(messageExpiry >= 580 && messageExpiry < 600, `${messageExpiry} s are left`);
  }
});

test('whoever unsubscribes in the middle of a replay gets no more of it, and all of it when it comes back', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const other = await brokerClient(t, broker);
  await retain(other, count(8_000).map((i) => [`stop/${i}`, String(i)]));
  const socket = await connect(t, gateway);
  await subscribe(socket, 'stop/#');
  await untilMessages(socket, 1);
  await succeed(socket, 'mqtt:unsubscribe', { topic: 'stop/#' });
  const had = socket.messages.length;
  await sleep(300);
  assert.equal(socket.messages.length, had);
  socket.messages.length = 0;
  await subscribe(socket, 'stop/#');
  await untilMessages(socket, 8_000);
  await sleep(100);
  assert.equal(new Set(socket.messages.map((m) => m.topic)).size, 8_000);
  assert.equal(socket.messages.length, 8_000);
});

test('a client that does not read holds nobody back, and gets the rest later', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { CLIENT_QUEUE: '200KB' } });
  const other = await brokerClient(t, broker);
  const filler = 'x'.repeat(8_000);
  await retain(other, count(5_000).map((i) => [`slow/${i}`, JSON.stringify({ i, filler })]));
  const proxy = await startProxy(t, gateway.port);
  const slow = await connect(t, { url: proxy.url });
  // Frozen at the first message, because a test that is slow to go on would have read all of them.
  const frozen = new Promise((resolve) => slow.once('mqtt:message', () => resolve(proxy.freeze())));
  subscribe(slow, 'slow/#').catch(() => {});
  await within(frozen, 'the replay has begun');
  const had = slow.messages.length;
  const quick = await connect(t, gateway);
  await subscribe(quick, 'slow/#');
  await untilMessages(quick, 5_000, 60_000);
  // A newer value for a topic that the slow one has not had yet: that is what it is to get.
  await other.publishAsync('slow/4999', '"newer"', { qos: 1, retain: true });
  await eventually(() => quick.messages.at(-1).payload === 'newer', 'the newer value');
  assert.ok(slow.messages.length < 5_000, `${had} before, ${slow.messages.length} after the wire froze`);
  proxy.thaw();
  await eventually(() => slow.messages.some((m) => m.payload === 'newer'), 'the newer value', 60_000);
  await eventually(() => new Set(slow.messages.map((m) => m.topic)).size === 5_000, 'all topics', 60_000);
  await sleep(200);
  const seventh = slow.messages.filter((m) => m.topic === 'slow/4999').map((m) => m.payload);
  assert.deepEqual(seventh, ['newer']);
  assert.equal(slow.messages.length, 5_000);
});

test('a broker that has no retained messages to give ends no subscription', async (t) => {
  const { gateway } = await startBoth(t, { settings: ['retain_available false'] });
  const receiver = await connect(t, gateway, { auth: { token: adminToken() } });
  await subscribe(receiver, 'plain/#', 1);
  await succeed(receiver, 'mqtt:publish', { topic: 'plain/a', payload: 1 });
  assert.equal((await untilMessages(receiver, 1))[0].payload, 1);
});

test('sockets that leave in the middle of a fetch are not missed', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const other = await brokerClient(t, broker);
  await retain(other, count(500).map((i) => [`brief/${i}`, String(i)]));
  for (const i of count(60)) {
    const socket = makeClient(t, gateway);
    await within(new Promise((resolve) => socket.once('connect', resolve)), 'connect');
    socket.emit('mqtt:subscribe', { topic: 'brief/#' });
    if (i % 3 === 0) socket.emit('mqtt:unsubscribe', { topic: 'brief/#' });
    await sleep(i % 7);
    socket.disconnect();
  }
  const steady = await connect(t, gateway);
  await subscribe(steady, 'brief/#');
  await untilMessages(steady, 500);
  await sleep(100);
  assert.equal(steady.messages.length, 500);
});
