// The link under load while its wire is torn, its broker restarted, killed or out of reach. Every message has a number and
// is accounted for: what others publish at each socket, what we publish at a subscriber of libmosquitto's and at each socket.
import { createInterface } from 'node:readline';
import { startMosquitto } from './brokers.mjs';
import {
  adminToken, ask, brokerClient, connect, eventually, rest, sleep, start, startGateway, stop, subscribe, untilReady,
} from './harness.mjs';
import { randomFrom, startWire } from './tearing_wire.mjs';

const levels = [1, 2];
const topicOf = (from, qos) => `${from}/${qos}`;
const markIn = (body) => body.toString('latin1').match(/"ours":"[^"]+"/)?.[0];

/**
 * The mosquitto_sub that does by libmosquitto what the gateway does: a session that is kept, at QoS 2. In 3.1.1, because in 5
 * it breaks its connection by itself when mosquitto goes beyond its Receive Maximum after a restart.
 */
function startControl(t, broker) {
  const port = String(new URL(broker.url).port);
  const control = { seen: [] };
  const run = () => {
    const args = ['-p', port, '-c', '-i', 'control', '-q', '2', '-t', 'in/#', '-t', 'out/#', '-F', '%t %p'];
    control.child = start('stdbuf', ['-oL', 'mosquitto_sub', ...args]);
    createInterface({ input: control.child.stdout }).on('line', (line) => {
      const space = line.indexOf(' ');
      const message = JSON.parse(line.slice(space + 1));
      control.seen.push({ topic: line.slice(0, space), n: message.n, at: Date.now() });
    });
    // It ends when it finds no broker at first, and only then.
    control.child.ended.then(() => control.wanted && setTimeout(run, 100));
  };
  control.wanted = true;
  run();
  t.after(async () => {
    control.wanted = false;
    await stop(control.child, 'SIGKILL');
  });
  return control;
}

/** What came of one topic: how often each number, and whether the numbers came in order at their first time. */
function tally(messages, topic) {
  const times = new Map();
  let latest = -1;
  const disorder = [];
  for (const { topic: where, n, at } of messages) {
    if (where !== topic) continue;
    if (times.has(n)) {
      times.get(n).push(at);
      continue;
    }
    if (n < latest) disorder.push(`${n} after ${latest}`);
    latest = n;
    times.set(n, [at]);
  }
  return { times, disorder };
}

/**
 * Starts all of it. `round(fault)` publishes for a while, does `fault` in the middle, waits until everything has come, and
 * returns what did not add up; `totals` are the figures of all rounds.
 */
export async function startTorture(
  t,
  { version = '5', protocol = 'mqtt', seed = 1, settings = [], direct = false, env = {}, everyMs = 4 } = {},
) {
  const random = randomFrom(seed);
  const broker = await startMosquitto(t, { protocol, persistent: true, settings });
  const wire = await startWire(t, broker.port, { random, marks: protocol === 'mqtt' ? markIn : undefined });
  const gateway = await startGateway(t, {
    broker: direct ? broker : wire,
    env: { ...broker.env, MQTT_VERSION: version, MQTT_CLIENT_ID: 'tortured', WORKERS: '2', ...env },
  });
  await untilReady(gateway);
  const control = startControl(t, broker);
  const other = await brokerClient(t, broker, {
    protocolVersion: 4,
    clientId: 'other',
    clean: false,
    reconnectPeriod: 30,
    properties: version === '5' ? { sessionExpiryInterval: 3600 } : undefined,
  });
  const sockets = [];
  for (const sub of ['one', 'two']) {
    const socket = await connect(t, gateway, { auth: { token: adminToken({ sub }) } });
    const seen = [];
    socket.on('mqtt:message', ({ topic, payload }) => seen.push({ topic, n: payload.n, at: Date.now() }));
    await subscribe(socket, 'in/#', 2);
    await subscribe(socket, 'out/#', 2);
    sockets.push({ socket, seen });
  }
  await eventually(async () => {
    await other.publishAsync('in/1', JSON.stringify({ n: -1 }), { qos: 1 });
    await sleep(100);
    return control.seen.length > 0;
  }, 'the control subscriber listens');

  const totals = {
    rounds: 0, fromOthers: 0, fromUs: 0, taken: 0, refused: 0, unknown: 0, lost: 0, lostAtBrokerToo: 0,
    twiceAtQos2: 0, twiceAtQos1: 0, twiceAtControl: 0, longestAnswerMs: 0, statuses: {},
  };
  const faults = [];
  const acknowledged = { 1: new Set(), 2: new Set() };
  const answers = { 1: new Map(), 2: new Map() };
  const askedAt = { 1: new Map(), 2: new Map() };
  let next = 0;
  let firstOfRound = 0;

  async function publishOurs(n, qos, byRest) {
    const topic = topicOf('out', qos);
    const payload = { n, ours: `${qos}-${n}` };
    const asked = Date.now();
    askedAt[qos].set(n, asked);
    let status;
    if (byRest) {
      const answer = await rest(gateway, 'POST', '/mqtt/publish', { topic, payload, qos }, { ms: 60_000 });
      status = answer.status;
    } else {
      const reply = await ask(sockets[0].socket, 'mqtt:publish', { topic, payload, qos });
      status = reply.success ? 200 : reply.statusCode;
    }
    totals.longestAnswerMs = Math.max(totals.longestAnswerMs, Date.now() - asked);
    totals.statuses[status] = (totals.statuses[status] ?? 0) + 1;
    answers[qos].set(n, status);
  }

  async function load(ms) {
    const pending = [];
    const began = Date.now();
    // A slow machine gets further than a few numbers as well, or nothing is proved.
    const isDone = () => Date.now() - began >= (next - firstOfRound >= 40 ? ms : 30_000);
    for (; !isDone(); await sleep(everyMs)) {
      const n = next++;
      for (const qos of levels) {
        const sent = other.publishAsync(topicOf('in', qos), JSON.stringify({ n }), { qos });
        pending.push(sent.then(() => acknowledged[qos].add(n)));
        pending.push(publishOurs(n, qos, n % 2 === 0));
      }
    }
    return pending;
  }

  function account({ exactly, tears }) {
    const found = [];
    for (const qos of levels) {
      for (const [from, wanted] of [['in', [...acknowledged[qos]]], ['out', [...answers[qos].keys()]]]) {
        const topic = topicOf(from, qos);
        const atControl = tally(control.seen, topic).times;
        const receivers = sockets.map(({ seen }, i) => [`socket ${i}`, tally(seen, topic)]);
        if (exactly && from === 'out') receivers.push(['control', tally(control.seen, topic)]);
        for (const [who, { times, disorder }] of receivers) {
          if (exactly && from === 'in') for (const text of disorder) found.push(`${who} ${topic}: ${text}`);
          for (const n of wanted) {
            const status = from === 'out' ? answers[qos].get(n) : 200;
            const copies = times.get(n) ?? [];
            const owed = exactly ? status === 200 : atControl.has(n);
            if (copies.length === 0 && owed) {
              totals.lost += 1;
              found.push(`${who} ${topic}: ${n} is lost${atControl.has(n) ? "" : ", at the control too"}`);
            }
            if (copies.length === 0 && status === 200 && !atControl.has(n)) totals.lostAtBrokerToo += 1;
            if (copies.length > 0 && status === 503) found.push(`${who} ${topic}: ${n} was refused and came`);
            if (copies.length < 2) continue;
            // A restarted mosquitto sends again what it had released at QoS 2: libmosquitto delivers it, we must not.
            if (who === 'control') totals.twiceAtControl += 1;
            else if (qos === 2) {
              totals.twiceAtQos2 += 1;
              if (exactly) found.push(`${who} ${topic}: ${n} came ${copies.length} times, at control ${atControl.get(n)?.length}`);
            } else {
              totals.twiceAtQos1 += 1;
              // The second copy is that of a resumed session: one that the broker sent again after a tear, or that we did.
              const first = from === 'out' ? askedAt[qos].get(n) : copies[0];
              if (exactly && !tears.some((tear) => first <= tear + 2_000 && copies.at(-1) >= tear))
                found.push(`${who} ${topic}: ${n} came twice without a tear between`);
            }
          }
        }
      }
    }
    if (exactly) for (const mark of wire.unmarked.splice(0)) found.push(`sent again without DUP: ${mark}`);
    return found;
  }

  async function settled(exactly) {
    const complete = () =>
      levels.every((qos) => {
        const atControl = ['in', 'out'].map((from) => tally(control.seen, topicOf(from, qos)).times);
        return sockets.every(({ seen }) => {
          const [inward, outward] = ['in', 'out'].map((from) => tally(seen, topicOf(from, qos)).times);
          // A killed broker may send again what belongs to earlier rounds.
          const came = (times) => [...times.keys()].filter((n) => n >= firstOfRound);
          if (!exactly) return came(atControl[0]).every((n) => inward.has(n)) && came(atControl[1]).every((n) => outward.has(n));
          const taken = [...answers[qos]].filter(([, status]) => status === 200);
          return (
            [...acknowledged[qos]].every((n) => inward.has(n) && atControl[0].has(n)) &&
            taken.every(([n]) => outward.has(n) && atControl[1].has(n))
          );
        });
      });
    await eventually(async () => complete() || (await sleep(100)), 'everything has come', 60_000).catch(() => {});
    await sleep(300);
  }

  async function round(fault, { exactly = true, ms = 1000 } = {}) {
    firstOfRound = next;
    const loading = load(ms);
    await sleep(ms * (0.2 + 0.4 * random()));
    await fault();
    const pending = await loading;
    await eventually(() => Promise.race([Promise.allSettled(pending).then(() => true), sleep(100)]), 'every answer', 60_000);
    await untilReady(gateway);
    await settled(exactly);
    const found = account({ exactly, tears: wire.tears });
    totals.rounds += 1;
    for (const qos of levels) {
      totals.fromOthers += acknowledged[qos].size;
      totals.fromUs += answers[qos].size;
      for (const status of answers[qos].values()) totals[status === 200 ? 'taken' : status === 503 ? 'refused' : 'unknown'] += 1;
      acknowledged[qos].clear();
      answers[qos].clear();
      askedAt[qos].clear();
    }
    control.seen.length = 0;
    for (const { seen } of sockets) seen.length = 0;
    faults.push(...found.map((text) => `round ${totals.rounds}: ${text}`));
    return found;
  }

  return { broker, wire, gateway, other, control, sockets, random, round, totals, faults };
}

const between = (random, low, high) => Math.floor(low + random() * (high - low));

/** One of these a round. All but `kill` must leave every message accounted for. */
export const kinds = {
  tear: {
    options: {},
    fault: async ({ wire, random }) => {
      // Now and then the next connections tear as well, in their handshake or while the session is resumed.
      const later = random() < 0.4 ? Array.from({ length: between(random, 1, 3) }, () => between(random, 1, 600)) : [];
      const before = wire.tears.length;
      wire.tearAfter(() => between(random, 1, 4000), later);
      await eventually(() => wire.tears.length > before, 'the wire tears');
    },
  },
  restart: {
    options: {},
    fault: async ({ broker, wire, random }) => {
      wire.tears.push(Date.now());
      await broker.stop();
      wire.tears.push(Date.now());
      await sleep(between(random, 0, 300));
      await broker.restart();
    },
  },
  silence: {
    options: { env: { MQTT_KEEPALIVE: '2s' } },
    fault: async ({ wire, gateway }) => {
      const drops = () => gateway.log.filter((line) => line.event === 'broker disconnected').length;
      const before = drops();
      const since = Date.now();
      wire.fallSilent();
      await eventually(() => drops() > before, 'the dead peer is noticed', 10_000);
      const took = Date.now() - since;
      // 1.5 keep-alives of 2 s, and as much again for a slow machine.
      if (took > 6_000) throw new Error(`a silent peer was noticed after ${took} ms, keep-alives are every 2 s`);
    },
  },
  kill: {
    options: { settings: ['autosave_interval 1'], direct: true },
    exactly: false,
    fault: async ({ broker, random }) => {
      await broker.kill();
      await sleep(between(random, 0, 300));
      await broker.restart();
    },
  },
};

export async function torture(t, kind, { rounds, seed = 1, version = '5', protocol = 'mqtt', onRound = () => {} }) {
  const { options, fault, exactly = true } = kinds[kind];
  const rig = await startTorture(t, { seed, version, protocol, ...options });
  for (let i = 0; i < rounds; ++i) {
    const started = Date.now();
    const found = await rig.round(() => fault(rig), { exactly });
    onRound(i, found, Date.now() - started);
  }
  return rig;
}
