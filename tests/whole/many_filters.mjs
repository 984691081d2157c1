// Very many distinct filters: subscribed, used, subscribed again after the broker has lost the session, and given up, while
// a live topic shows what it costs everybody else.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { startMosquitto } from './brokers.mjs';
import { ask, brokerClient, connect, eventually, sleep, startGateway, subscribe, token, untilReady } from './harness.mjs';
import { packetReader } from './tearing_wire.mjs';

/** Processor time of a process so far, in ms. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

/**
 * Carries everything, and counts the SUBSCRIBE and UNSUBSCRIBE packets of the gateway's live sessions (not of the one that
 * fetches retained messages, whose client id ends in -r), their filters and the pieces they came in.
 */
async function startCounter(t, port) {
  const ends = new Set();
  const counted = { packets: 0, filters: 0, pieces: 0, largest: 0, mostFilters: 0 };
  const server = net.createServer((inner) => {
    const outer = net.connect(port, '127.0.0.1');
    let version = 5;
    let fetches = false;
    const read = packetReader((first, body) => {
      counted.largest = Math.max(counted.largest, body.length);
      if (first >> 4 === 1) {
        version = body[2 + body.readUInt16BE(0)];
        fetches = /-r(?![a-z0-9_])/.test(body.toString('latin1'));
      }
      if (fetches || (first >> 4 !== 8 && first >> 4 !== 10)) return;
      let filters = 0;
      const step = first >> 4 === 8 ? 1 : 0;
      for (let at = version === 5 ? 3 + body[2] : 2; at < body.length; at += 2 + body.readUInt16BE(at) + step) filters += 1;
      counted.packets += 1;
      counted.filters += filters;
      counted.mostFilters = Math.max(counted.mostFilters, filters);
    });
    inner.on('data', (data) => {
      const before = counted.packets;
      read(data);
      if (counted.packets > before) counted.pieces += 1;
    });
    inner.pipe(outer).pipe(inner);
    for (const [end, peer] of [[inner, outer], [outer, inner]]) {
      ends.add(end);
      end.setNoDelay(true);
      end.on('error', () => peer.destroy());
      end.on('close', () => peer.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const end of ends) end.destroy();
    server.close();
  });
  return { port: server.address().port, counted };
}

/** Publishes to one topic every few ms, by a process of nobody else's, and notes how late each message is. */
async function startLive(t, broker, gateway) {
  const publisher = await brokerClient(t, broker, { reconnectPeriod: 20, queueQoSZero: false });
  const socket = await connect(t, gateway, { auth: { token: token({ sub: 'live' }) } });
  await subscribe(socket, 'live', 0);
  let delays = [];
  let latest = 0;
  socket.on('mqtt:message', ({ payload }) => {
    latest = Date.now();
    delays.push(performance.now() - payload);
  });
  const timer = setInterval(() => publisher.connected && publisher.publish('live', String(performance.now()), { qos: 0 }), 5);
  t.after(() => clearInterval(timer));
  return {
    latest: () => latest,
    /** The delays since the last call, in ms. */
    take() {
      const sorted = delays.sort((a, b) => a - b);
      delays = [];
      const at = (share) => Number((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN).toFixed(1));
      return { messages: sorted.length, median: at(0.5), p99: at(0.99), longest: at(1) };
    },
  };
}

export async function holdManyFilters(t, { filters, sockets = 10, version = '5', settings = [], env = {}, say = () => {} }) {
  const broker = await startMosquitto(t, { settings: ['sys_interval 1', ...settings] });
  const counter = await startCounter(t, broker.port);
  const gateway = await startGateway(t, {
    broker: counter,
    env: {
      MQTT_VERSION: version, WORKERS: '2', LIMIT_SUBSCRIPTIONS_PER_SOCKET: String(Math.ceil(filters / sockets)),
      MQTT_RECONNECT_MAX: '100ms', ...env,
    },
  });
  await untilReady(gateway);
  const figures = { filters, sockets, version };
  const live = await startLive(t, broker, gateway);
  const clients = [];
  for (let i = 0; i < sockets; ++i) clients.push(await connect(t, gateway, { auth: { token: token({ sub: `holder${i}` }) } }));
  const filterOf = (i) => (i % 2 ? `many/${i}/leaf` : `many/${i}/+`);
  const topicOf = (i) => `many/${i}/leaf`;
  await sleep(1_000);
  figures.latencyBefore = live.take();

  async function atBroker(count) {
    const watcher = await brokerClient(t, broker);
    await watcher.subscribeAsync('$SYS/broker/subscriptions/count');
    const deadline = 120_000;
    const latest = () => Number(watcher.received.at(-1)?.payload ?? NaN);
    await eventually(() => count(latest()), 'the broker counts', deadline).catch((error) => {
      throw new Error(`${error.message}: ${latest()}`);
    });
    await watcher.endAsync(true);
  }
  async function measured(name, work) {
    Object.assign(counter.counted, { packets: 0, filters: 0, pieces: 0 });
    live.take();
    const [cpu, since] = [cpuOf(gateway.pid), performance.now()];
    await work();
    const { packets, filters: asked, pieces, largest, mostFilters } = counter.counted;
    figures[name] = {
      ms: Math.round(performance.now() - since), cpuMs: cpuOf(gateway.pid) - cpu, packets, filters: asked, pieces, largest, mostFilters,
      live: live.take(),
    };
    say(name, figures[name]);
  }

  await measured('subscribe', async () => {
    await Promise.all(
      clients.map(async (socket, at) => {
        const pending = new Set();
        for (let i = at; i < filters; i += sockets) {
          const asked = ask(socket, 'mqtt:subscribe', { topic: filterOf(i), qos: 1 }).then((reply) => {
            if (!reply.success) throw new Error(`${filterOf(i)}: ${JSON.stringify(reply)}`);
            pending.delete(asked);
          });
          pending.add(asked);
          if (pending.size >= 200) await Promise.race(pending);
        }
        await Promise.all(pending);
      }),
    );
  });

  /** A message for every so manieth filter, each to the one socket that holds it. */
  async function allDeliver(step) {
    const sender = await brokerClient(t, broker);
    const expected = clients.map(() => new Set());
    for (const socket of clients) socket.messages.length = 0;
    let sent = 0;
    for (let i = 0; i < filters; i += step) {
      sender.publish(topicOf(i), String(i), { qos: 1 });
      expected[i % sockets].add(i);
      if (++sent % 200 === 0) await sleep(5);
    }
    const total = () => clients.reduce((sum, socket) => sum + socket.messages.length, 0);
    await eventually(() => total() >= sent, `${sent} messages`, 60_000).catch((error) => {
      throw new Error(`${error.message}: ${total()}`);
    });
    await sleep(200);
    for (const [at, socket] of clients.entries())
      assert.deepEqual(new Set(socket.messages.map((m) => m.payload)), expected[at]);
    assert.equal(total(), sent);
    await sender.endAsync(true);
    return sent;
  }
  const step = Math.max(1, Math.floor(filters / 5_000));
  figures.delivered = await allDeliver(step);

  await measured('again', async () => {
    await broker.kill();
    await broker.restart();
    const restarted = Date.now();
    await eventually(() => live.latest() > restarted, 'the live topic is back', 60_000);
    figures.liveBackMs = live.latest() - restarted;
    await atBroker((count) => count >= filters + 2); // with the live topic and the one who watches
  });
  figures.deliveredAgain = await allDeliver(step);

  await measured('unsubscribe', async () => {
    for (const socket of clients) socket.disconnect();
    await atBroker((count) => count <= 3); // and perhaps the fence's
  });
  return { figures, gateway, broker };
}
