// Filters that come, go and cover one another while numbered messages flow, for any broker: no duplicate and no gap.
import assert from 'node:assert/strict';
import {
  adminToken, ask, brokerClient, connect, eventually, sleep, startGateway, subscribe, succeed, untilReady,
} from './harness.mjs';
import { randomFrom, startWire } from './tearing_wire.mjs';

const count = (n) => Array.from({ length: n }, (_, i) => i);
const unsubscribe = (socket, topic) => succeed(socket, 'mqtt:unsubscribe', { topic });

/** The numbers that a socket has seen, in its order, for each topic and QoS of the publish. */
export function streams(socket) {
  const found = new Map();
  for (const { topic, payload } of socket.messages) {
    if (!Array.isArray(payload)) continue;
    const stream = `${topic} at ${payload[0]}`;
    if (!found.has(stream)) found.set(stream, []);
    found.get(stream).push(payload[1]);
  }
  return found;
}

/** Says where numbers are not one after the other, instead of listing thousands of them. */
export function faults(seen, first = seen[0]) {
  const found = [];
  for (const [i, n] of seen.entries()) if (n !== (i ? seen[i - 1] + 1 : first)) found.push(`${seen[i - 1]} then ${n}`);
  return found.slice(0, 10);
}

/** How many numbers the slowest of those who must see all may be behind: what a broker queues beyond it proves nothing. */
const lagMax = 50;

/**
 * Numbered messages, each number on each topic at each QoS, until it is stopped; no faster than all `readers` can read,
 * or a slow machine's broker would be minutes behind.
 */
export function flow(publisher, topics, levels, { pause = 3, readers = [] } = {}) {
  let running = true;
  let sent = 0;
  const latest = (socket) => socket.messages.at(-1)?.payload[1] ?? -1;
  const areBehind = () => readers.some((socket) => latest(socket) < sent - lagMax);
  const ended = (async () => {
    for (; running; ++sent) {
      while (running && areBehind()) await sleep(pause);
      for (const topic of topics) for (const qos of levels) publisher.publish(topic, `[${qos},${sent}]`, { qos });
      await sleep(pause);
    }
  })();
  return {
    sent: () => sent,
    async stop() {
      running = false;
      await ended;
    },
  };
}

/** With a `seed` the wire to the broker tears at random bytes meanwhile, and only QoS 2 promises all of it. */
export async function exerciseOverlaps(t, { broker, env, highest = 2, guests = 60, version = 4, seed }) {
  const random = randomFrom(seed ?? 0);
  const wire = seed === undefined ? undefined : await startWire(t, broker.port, { random });
  const gateway = await startGateway(t, { broker: wire ?? broker, env: { WORKERS: '2', ...env } });
  await untilReady(gateway);
  const other = await brokerClient(t, broker, { protocolVersion: version });
  const levels = count(highest + 1);
  const topics = ['c/1', 'c/2', 'c/2/x'];
  const filters = ['c/#', 'c/+', 'c/1', 'c/2', '+/2', 'c/2/#', 'c/+/x', '#'];
  const admin = (sub) => connect(t, gateway, { auth: { token: adminToken({ sub }) } });

  const steady = [await admin('first'), await admin('second')];
  await subscribe(steady[0], 'c/+', highest);
  await subscribe(steady[0], 'c/2/x', 1);
  await subscribe(steady[1], '#', highest);
  const traffic = flow(other, topics, levels, { readers: steady });
  const visitors = [];
  try {
    for (const i of count(guests)) {
      const guest = await admin(`guest${i % 7}`);
      visitors.push(guest);
      await subscribe(guest, filters[i % filters.length], i % 3);
      await subscribe(guest, filters[(3 * i + 1) % filters.length], (i + 1) % 3);
      if (i % 2) await unsubscribe(guest, filters[i % filters.length]);
      if (i >= 5) visitors[i - 5].disconnect();
      if (i % 6 === 5) wire?.tearAfter(() => Math.floor(random() * 5000));
    }
  } finally {
    await traffic.stop();
  }
  await untilReady(gateway);
  /**
   * What is wrong with a stream, all of which must be there if it is to be `whole`. Where the wire tears, mosquitto sends
   * what waits in an order of its own, QoS 1 twice, and what a guest gets again may be older than its subscription: nobody
   * can tell where its part begins.
   */
  const wrong = (numbers, qos, whole) => {
    const some = whole && new Set(numbers).size !== traffic.sent() ? [`${numbers.length} came`] : [];
    const twice = new Set(numbers).size !== numbers.length ? ['twice'] : [];
    if (!wire) return [...faults(numbers, whole ? 0 : numbers[0]), ...some];
    if (qos === 0) return twice;
    const gaps = whole ? faults([...new Set(numbers)].sort((a, b) => a - b), 0) : [];
    return [...gaps, ...some, ...(qos === 2 ? twice : [])];
  };
  // QoS 0 may be lost with the wire.
  const sure = wire ? levels.filter((qos) => qos > 0) : levels;
  for (const [i, socket] of steady.entries()) {
    const complete = () => {
      const seen = streams(socket);
      return topics.every((topic) => sure.every((qos) => new Set(seen.get(`${topic} at ${qos}`)).size === traffic.sent()));
    };
    await eventually(async () => complete() || (await sleep(50)), 'all of all streams', 20_000).catch(() => {});
    await sleep(200);
    const seen = streams(socket);
    for (const topic of topics)
      for (const qos of levels) {
        const stream = `${topic} at ${qos}`;
        assert.deepEqual(wrong(seen.get(stream) ?? [], qos, true), [], `steady socket ${i}, ${stream} of ${traffic.sent()}`);
      }
  }
  for (const [i, guest] of visitors.entries())
    for (const [stream, seen] of streams(guest))
      assert.deepEqual(wrong(seen, Number(stream.at(-1)), false), [], `guest ${i}, ${stream}`);
  return { sent: traffic.sent(), tears: wire?.tears.length ?? 0 };
}

/** Nine filters of which each covers `n/n/…`: one more than there are lanes. */
export async function exerciseLaneCap(t, { broker, env, highest = 2, version = 4 }) {
  const gateway = await startGateway(t, { broker, env: { MQTT_VERSION: '3.1.1', ...env } });
  await untilReady(gateway);
  const other = await brokerClient(t, broker, { protocolVersion: version });
  const socket = await connect(t, gateway);
  const crossing = ['x/a/b/c', 'x/#', 'x/+/#', 'x/a/#', 'x/+/b/#', 'x/a/+/#', 'x/a/b/#', 'x/a/b/+', 'x/+/+/c'];
  for (const filter of crossing.slice(0, 8)) await subscribe(socket, filter, highest);
  const refused = await ask(socket, 'mqtt:subscribe', { topic: crossing[8], qos: 1 });
  assert.deepEqual(refused, { success: false, error: 'Too many overlapping filters for this broker', statusCode: 503 });
  // A filter that crosses none of them still finds its place, and all the others go on.
  await subscribe(socket, 'y/z', highest);
  const levels = count(highest + 1);
  for (const topic of ['x/a/b/c', 'y/z'])
    for (const qos of levels) for (const i of count(50)) other.publish(topic, `[${qos},${i}]`, { qos });
  await eventually(() => socket.messages.length >= 100 * levels.length, `${100 * levels.length} messages`).catch(() => {});
  await sleep(200);
  for (const topic of ['x/a/b/c', 'y/z'])
    for (const qos of levels) assert.deepEqual(streams(socket).get(`${topic} at ${qos}`), count(50), `${topic} at ${qos}`);
  // Once one of the eight goes, there is room.
  await unsubscribe(socket, 'x/a/#');
  await eventually(async () => (await ask(socket, 'mqtt:subscribe', { topic: crossing[8], qos: 1 })).success, 'a free lane');
}
