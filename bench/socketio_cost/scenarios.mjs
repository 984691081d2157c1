// What is measured: each scenario does its work between `meter.start()` and `meter.stop(operations)`, and says how much
// of what it did that was. All of them check that everything arrived.
import { setTimeout as sleep } from "node:timers/promises";
import { frame, frameBytes, PollingClient, Tally, WebSocketClient } from "./raw_clients.mjs";

const kText = "t".repeat(100);
const kNews = `42["news","${kText}"]`;
const kSync = frame('421["sync"]');
const kSyncAnswer = "431[]";
const kSettleMs = 150;

/// Runs `count` jobs, `atOnce` of them at any time.
async function pool(count, atOnce, job) {
  let next = 0;
  const results = [];
  const lane = async () => {
    while (next < count) {
      const index = next++;
      results[index] = await job(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, lane));
  return results;
}

const openWebSockets = (port, count) => pool(count, 50, () => WebSocketClient.connect(port));
const closeAll = (clients) => pool(clients.length, 50, (index) => clients[index].close());

async function counts(client) {
  const text = await client.ask('421["counts"]', (read) => read.includes("431[") && read.endsWith("]"));
  const [events, bytes, answers] = JSON.parse(text.slice(text.indexOf("431") + 3));
  return { events, bytes, answers };
}

function mustBe(what, got, wanted) {
  if (got !== wanted) throw new Error(`${what}: ${got} instead of ${wanted}`);
}

async function connectWebSocket(port, meter) {
  const total = 1_500;
  await meter.start();
  await pool(total, 50, async () => (await WebSocketClient.connect(port)).close());
  await meter.stop(total);
}

async function connectPolling(port, meter) {
  const total = 1_000;
  await meter.start();
  await pool(total, 50, async () => (await PollingClient.connect(port)).close());
  await meter.stop(total);
}

async function upgrade(port, meter) {
  const total = 500;
  const polling = await pool(total, 50, async () => {
    const client = await PollingClient.connect(port);
    client.pending = client.poll();
    return client;
  });
  await sleep(kSettleMs);
  await meter.start();
  const clients = await pool(total, 50, (index) => polling[index].upgrade());
  await sleep(kSettleMs);
  await meter.stop(total);
  await pool(total, 50, (index) => clients[index].ask('421["sync"]', (text) => text.includes(kSyncAnswer)));
  await closeAll(clients);
}

/// Each of 100 sockets writes so many events at once; then one asks for an answer, and when that has come, again.
async function eventsIn(port, meter, { atOnce, rounds }) {
  const clients = await openWebSockets(port, 100);
  const before = await counts(clients[0]);
  const tally = new Tally();
  for (const client of clients) client.countIn(tally);
  const event = frame(`42["in","${kText}",7]`);
  const burst = Buffer.concat(Array(atOnce).fill(event));
  await meter.start();
  for (let round = 0; round < rounds; ++round)
    await tally.expect(frameBytes(kSyncAnswer), () => {
      for (const client of clients) client.write(burst);
      clients.at(-1).write(kSync);
    });
  await sleep(kSettleMs);
  const total = clients.length * atOnce * rounds;
  await meter.stop(total);
  const after = await counts(clients[0]);
  mustBe("events", after.events - before.events, total);
  mustBe("bytes", after.bytes - before.bytes, total * kText.length);
  await closeAll(clients);
}

/// An event of 100 sockets each, answered by something of these bytes.
async function answeredEvents(port, meter, { event, answer, rounds }) {
  const clients = await openWebSockets(port, 100);
  const tally = new Tally();
  for (const client of clients) client.countIn(tally);
  const bytes = frame(event);
  await meter.start();
  for (let round = 0; round < rounds; ++round)
    await tally.expect(clients.length * frameBytes(answer), () => {
      for (const client of clients) client.write(bytes);
    });
  await meter.stop(clients.length * rounds);
  await closeAll(clients);
}

/// One socket asks for broadcasts to all, and when everybody has them, again.
async function broadcast(port, meter, { sockets, times, rounds }) {
  const clients = await openWebSockets(port, sockets);
  const tally = new Tally();
  for (const client of clients) client.countIn(tally);
  const command = frame(`421["all","${kText}",${times}]`);
  const bytes = sockets * times * frameBytes(kNews) + frameBytes(kSyncAnswer);
  await meter.start();
  for (let round = 0; round < rounds; ++round) await tally.expect(bytes, () => clients[0].write(command));
  await meter.stop(sockets * times * rounds);
  await closeAll(clients);
}

/// The same to sockets that poll; the one who asks has a WebSocket.
async function broadcastPolling(port, meter, { sockets, rounds }) {
  const speaker = await WebSocketClient.connect(port);
  const listeners = await pool(sockets, 50, () => PollingClient.connect(port));
  const tally = new Tally();
  speaker.countIn(tally);
  for (const client of listeners) client.keepPolling(tally);
  await sleep(kSettleMs);
  const command = frame(`421["all","${kText}",1]`);
  const bytes = sockets * kNews.length + frameBytes(kNews) + frameBytes(kSyncAnswer);
  await meter.start();
  for (let round = 0; round < rounds; ++round) await tally.expect(bytes, () => speaker.write(command));
  await sleep(kSettleMs);
  await meter.stop(sockets * rounds);
  await pool(sockets, 50, (index) => listeners[index].closeWhilePolling());
  await speaker.close();
}

/// Each socket has itself asked, and answers.
async function serverAsks(port, meter, { rounds }) {
  const clients = await openWebSockets(port, 100);
  const before = await counts(clients[0]);
  const tally = new Tally();
  for (const client of clients) client.answerWith(`["${kText}"]`, tally);
  const command = Buffer.concat([frame(`42["ask me","${kText}"]`), kSync]);
  await meter.start();
  for (let round = 0; round < rounds; ++round)
    await tally.expect(clients.length * frameBytes(kSyncAnswer), () => {
      for (const client of clients) client.write(command);
    });
  await sleep(kSettleMs);
  const total = clients.length * rounds;
  await meter.stop(total);
  const after = await counts(clients[0]);
  mustBe("answers", after.answers - before.answers, total);
  await closeAll(clients);
}

/// One question to all, who answer.
async function serverAsksAll(port, meter, { sockets, rounds }) {
  const clients = await openWebSockets(port, sockets);
  const tally = new Tally();
  for (const client of clients) client.answerWith(`["${kText}"]`, tally);
  const command = frame(`421["ask all","${kText}"]`);
  await meter.start();
  for (let round = 0; round < rounds; ++round)
    await tally.expect(frameBytes(`431[${sockets}]`), () => clients[0].write(command));
  await meter.stop(sockets * rounds);
  await closeAll(clients);
}

const kIdle = 2_000;

async function memoryWebSocket(port, meter) {
  await closeAll(await openWebSockets(port, 200));
  await sleep(1_000);
  await meter.start();
  const clients = await openWebSockets(port, kIdle);
  await sleep(1_000);
  await meter.stop(kIdle);
  await closeAll(clients);
}

async function memoryPolling(port, meter) {
  const open = (count) =>
    pool(count, 50, async () => {
      const client = await PollingClient.connect(port);
      client.pending = client.poll().catch(() => {});
      return client;
    });
  const close = (clients) => pool(clients.length, 50, (index) => clients[index].closeWhilePolling());
  await close(await open(200));
  await sleep(1_000);
  await meter.start();
  const clients = await open(kIdle);
  await sleep(1_000);
  await meter.stop(kIdle);
  await close(clients);
}

/// `what`: "cpu" in nanoseconds, "memory" in bytes; the latter wants a fresh process. `warmUps` are thrown away (1 where
/// it does not say): Node still compiles then. The official server's connects need some 9,000 until they cost the least.
export const scenarios = [
  { name: "connect, WebSocket", what: "cpu", run: connectWebSocket, warmUps: 6 },
  { name: "connect, polling", what: "cpu", run: connectPolling, warmUps: 4 },
  { name: "upgrade", what: "cpu", run: upgrade, warmUps: 4 },
  { name: "event in, alone", what: "cpu", run: eventsIn, shape: { atOnce: 1, rounds: 200 } },
  { name: "event in, 20 at once", what: "cpu", run: eventsIn, shape: { atOnce: 20, rounds: 20 } },
  {
    name: "event in and one out to its sender",
    what: "cpu",
    run: answeredEvents,
    shape: { event: `42["me","${kText}"]`, answer: kNews, rounds: 200 },
  },
  {
    name: "client asks, server acknowledges",
    what: "cpu",
    run: answeredEvents,
    shape: { event: `421["ask","${kText}"]`, answer: `431["${kText}"]`, rounds: 200 },
  },
  { name: "server asks one, client acknowledges", what: "cpu", run: serverAsks, shape: { rounds: 200 } },
  { name: "server asks 500, each acknowledges", what: "cpu", run: serverAsksAll, shape: { sockets: 500, rounds: 30 } },
  {
    name: "event out to 500, one broadcast at a time",
    what: "cpu",
    run: broadcast,
    shape: { sockets: 500, times: 1, rounds: 60 },
  },
  {
    name: "event out to 500, 20 broadcasts at once",
    what: "cpu",
    run: broadcast,
    shape: { sockets: 500, times: 20, rounds: 10 },
  },
  {
    name: "event out to 500 that poll",
    what: "cpu",
    run: broadcastPolling,
    shape: { sockets: 500, rounds: 20 },
  },
  { name: "idle WebSocket", what: "memory", run: memoryWebSocket },
  { name: "idle polling session", what: "memory", run: memoryPolling },
];
