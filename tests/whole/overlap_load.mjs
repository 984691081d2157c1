// Filters that come, go and cover one another while numbered messages flow, for any broker: no duplicate and no gap.
import assert from 'node:assert/strict';
import {
  adminToken, ask, brokerClient, connect, eventually, sleep, startGateway, subscribe, succeed, untilReady,
} from './harness.mjs';

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

/** Numbered messages, each number on each topic at each QoS, until it is stopped. */
export function flow(publisher, topics, levels, pause = 3) {
  let running = true;
  let sent = 0;
  const ended = (async () => {
    for (; running; ++sent) {
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

export async function exerciseOverlaps(t, { broker, env, highest = 2, guests = 60, version = 4 }) {
  const gateway = await startGateway(t, { broker, env: { WORKERS: '2', ...env } });
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
  const traffic = flow(other, topics, levels);
  const visitors = [];
  try {
    for (const i of count(guests)) {
      const guest = await admin(`guest${i % 7}`);
      visitors.push(guest);
      await subscribe(guest, filters[i % filters.length], i % 3);
      await subscribe(guest, filters[(3 * i + 1) % filters.length], (i + 1) % 3);
      if (i % 2) await unsubscribe(guest, filters[i % filters.length]);
      if (i >= 5) visitors[i - 5].disconnect();
    }
  } finally {
    await traffic.stop();
  }
  const expected = topics.length * levels.length * traffic.sent();
  for (const [i, socket] of steady.entries()) {
    await eventually(() => socket.messages.length >= expected, `${expected} messages`, 20_000).catch(() => {});
    await sleep(100);
    const seen = streams(socket);
    for (const topic of topics)
      for (const qos of levels) {
        const numbers = seen.get(`${topic} at ${qos}`) ?? [];
        const where = `steady socket ${i}, ${topic} at ${qos}`;
        assert.deepEqual([faults(numbers, 0), numbers.length], [[], traffic.sent()], where);
      }
  }
  for (const [i, guest] of visitors.entries())
    for (const [stream, seen] of streams(guest)) assert.deepEqual(faults(seen), [], `guest ${i}, ${stream}`);
  return { gateway, other, sent: expected, admin };
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
