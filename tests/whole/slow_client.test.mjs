// A client that stops reading: what is dropped, what closes it, and that nobody else notices.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  brokerClient, connect, eventually, makeClient, once, rawClient, sleep, startBoth, startProxy, subscribe, succeed,
  untilMessages, within,
} from './harness.mjs';

// Large enough to fill every kernel buffer between the gateway and a client that does not read.
const filler = 'x'.repeat(50_000);
const flood = 400;

/** No faster than the one who reads, so that only the one who does not has a queue. */
async function sendFlood(publisher, topic, qos, reader) {
  for (let i = 0; i < flood; ++i) {
    await publisher.publishAsync(topic, JSON.stringify({ i, filler }), { qos });
    if (i % 2 === 1) await untilMessages(reader, i + 1, 20_000);
  }
}

test('slow clients', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { CLIENT_QUEUE: '200KB', WORKERS: '1' } });
  const other = await brokerClient(t, broker);

  for (const transports of [['websocket'], ['polling']]) {
    await t.test(`QoS 0 over ${transports}: dropped, counted, and announced when the client reads again`, async (t) => {
      const proxy = await startProxy(t, gateway.port);
      const slow = await connect(t, { url: proxy.url }, { transports });
      const quick = await connect(t, gateway);
      const topic = `slow/${transports}`;
      await subscribe(slow, topic, 0);
      await subscribe(quick, topic, 0);
      proxy.freeze();
      await sendFlood(other, topic, 0, quick);
      await untilMessages(quick, flood, 20_000);
      const dropped = [];
      slow.on('mqtt:dropped', ({ count }) => dropped.push(count));
      proxy.thaw();
      await eventually(() => dropped.length > 0, 'mqtt:dropped', 15_000);
      await other.publishAsync(topic, '{"i":"last"}', { qos: 1 });
      await eventually(() => slow.messages.at(-1)?.payload.i === 'last', 'the socket goes on');
      const numbers = slow.messages.slice(0, -1).map((m) => m.payload.i);
      assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
      assert.equal(new Set(numbers).size, numbers.length);
      assert.equal(numbers.length + dropped.reduce((sum, n) => sum + n, 0), flood);
      assert.deepEqual(quick.messages.slice(0, flood).map((m) => m.payload.i), Array.from({ length: flood }, (_, i) => i));
    });
  }

  await t.test('QoS 1: the transport is closed with 4008, and the others get everything', async (t) => {
    const raw = await rawClient(t, gateway);
    raw.send('42/mqtt,1["mqtt:subscribe",{"topic":"slow/sure","qos":1}]');
    await raw.find(/^43\/mqtt,1\[\{"success":true/);
    const quick = await connect(t, gateway);
    await subscribe(quick, 'slow/sure', 1);
    raw.socket.pause();
    await sendFlood(other, 'slow/sure', 1, quick);
    await untilMessages(quick, flood, 20_000);
    await eventually(() => gateway.text.includes('slow consumer'), 'the reason in the log');
    raw.socket.resume();
    const { code, reason } = await within(raw.closed, 'close', 15_000);
    // The close frame comes if the wire still takes it; without it the connection just ends.
    if (code !== 1006) assert.deepEqual([code, reason], [4008, 'slow consumer']);
    assert.ok(!raw.texts.some((text) => text.startsWith('41')), 'no DISCONNECT packet');
    assert.deepEqual(quick.messages.map((m) => m.payload.i), Array.from({ length: flood }, (_, i) => i));
  });

  await t.test('a client closed as slow comes back by itself', async (t) => {
    const proxy = await startProxy(t, gateway.port);
    const slow = makeClient(t, { url: proxy.url }, { reconnection: true, reconnectionDelay: 50 });
    await once(slow, 'connect');
    await subscribe(slow, 'slow/again', 1);
    const quick = await connect(t, gateway);
    await subscribe(quick, 'slow/again', 1);
    proxy.freeze();
    await sendFlood(other, 'slow/again', 1, quick);
    await sleep(500);
    const reconnected = within(new Promise((resolve) => slow.on('connect', resolve)), 'the reconnect', 20_000);
    proxy.thaw();
    await reconnected;
    await succeed(slow, 'mqtt:status');
  });

  await t.test('replies that nobody reads are bounded as well', async (t) => {
    const raw = await rawClient(t, gateway);
    raw.socket.pause();
    const batch = Array.from({ length: 500 }, () => '42/mqtt,["mqtt:status"]');
    let closed = false;
    raw.closed.then(() => (closed = true));
    const socketEnded = new Promise((resolve) => raw.socket._socket.once('close', resolve));
    for (let i = 0; i < 200 && raw.socket.readyState === raw.socket.OPEN; ++i) {
      for (const text of batch) raw.send(text);
      await sleep(5);
    }
    raw.socket.resume();
    await within(Promise.race([raw.closed, socketEnded]), 'the gateway closes it', 20_000);
    await sleep(10);
    assert.ok(closed || raw.socket.readyState !== raw.socket.OPEN);
  });

  await t.test('the broker does not notice', async (t) => {
    const socket = await connect(t, gateway);
    assert.equal(socket.statuses[0].isConnected, true);
    assert.equal(socket.statuses[0].reconnectAttempts, 0);
    await subscribe(socket, 'slow/after', 1);
    await other.publishAsync('slow/after', '1', { qos: 1 });
    await untilMessages(socket, 1);
  });
});

test('a frozen client delays no other', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { CLIENT_QUEUE: '1MB', WORKERS: '1' } });
  const other = await brokerClient(t, broker);
  const proxy = await startProxy(t, gateway.port);
  const frozen = await Promise.all(Array.from({ length: 10 }, () => connect(t, { url: proxy.url })));
  await Promise.all(frozen.map((socket) => subscribe(socket, 'delay/#', 0)));
  const quick = await connect(t, gateway);
  await subscribe(quick, 'delay/#', 0);
  proxy.freeze();
  await sendFlood(other, 'delay/flood', 0, quick);
  await untilMessages(quick, flood, 20_000);
  const delays = [];
  for (let i = 0; i < 50; ++i) {
    const sent = performance.now();
    await other.publishAsync('delay/probe', `"${i}"`, { qos: 0 });
    await eventually(() => quick.messages.at(-1).payload === String(i), 'the probe');
    delays.push(performance.now() - sent);
    await sleep(2);
  }
  delays.sort((a, b) => a - b);
  assert.ok(delays[25] < 1_000, `median ${delays[25]} ms`);
});
