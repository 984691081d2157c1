// Who takes part in a soak, what each subscribes to, and what is sent.
import { token } from '../whole/harness.mjs';

export const groups = 10;
export const sharedTopics = 4;
const hour = 3600;

function plan(id, index, mode, lifeSeconds) {
  const own = `soak/own/${id}/a`;
  const group = index % groups;
  const qos = [1, 1, 0, 2][index % 4];
  const filters = [{ topic: own, qos, topics: [own] }];
  // A third has filters that overlap: each message must come once all the same.
  if (index % 3 === 0) filters.push({ topic: `soak/own/${id}/#`, qos, topics: [own] });
  const shared = Array.from({ length: sharedTopics }, (_, i) => `soak/shared/${group}/${i}`);
  filters.push({ topic: `soak/shared/${group}/+`, qos, topics: shared });
  return {
    id, mode, filters, own, up: `soak/up/${id}`, proxied: index % 2 === 0,
    token: token({ sub: id, exp: Math.floor(Date.now() / 1000) + lifeSeconds }),
  };
}

/** `clients` of each kind; a kind's processes and the modes of their clients. */
export function makePlans({ clients, pages, minutes }) {
  const life = Math.ceil(minutes * 60) + 2 * hour;
  const make = (prefix, count, modeOf) =>
    Array.from({ length: count }, (_, i) => plan(`${prefix}${i}`, i, modeOf(i), life));
  const third = Math.round(clients / 3);
  const synchronous = Math.round(clients * 0.08);
  const pythonMode = (i) => (i % 4 < 2 ? 'polling' : 'websocket');
  return {
    node: {
      polling: make('np', third, () => 'polling'),
      websocket: make('nw', third, () => 'websocket'),
      upgrade: make('nu', clients - 2 * third, () => 'upgrade'),
    },
    python: {
      async1: make('pa', Math.floor((clients - synchronous) / 2), pythonMode),
      async2: make('pb', Math.ceil((clients - synchronous) / 2), pythonMode),
      sync: make('ps', synchronous, pythonMode),
    },
    pages: ['polling', 'websocket', 'upgrade'].flatMap((mode) => make(`b${mode[0]}`, pages, () => mode)),
  };
}

/** Sends numbered messages at a fixed rate and remembers the last of each topic. */
export class Publisher {
  constructor(mqttClient, ownTopics, { ownEveryMs, sharedEveryMs, fail }) {
    this.lasts = {};
    this.sent = 0;
    this.answered = 0;
    this.client = mqttClient;
    this.fail = fail;
    const sharedNames = Array.from({ length: groups * sharedTopics }, (_, i) => `soak/shared/${i % groups}/${Math.floor(i / groups)}`);
    this.lanes = [
      { topics: ownTopics, everyMs: ownEveryMs / ownTopics.length, next: 0, due: 0 },
      { topics: sharedNames, everyMs: sharedEveryMs / groups, next: 0, due: 0 },
    ];
  }

  start() {
    const now = Date.now();
    for (const lane of this.lanes) lane.due = now;
    this.timer = setInterval(() => {
      for (const lane of this.lanes)
        for (; lane.due <= Date.now(); lane.due += lane.everyMs) this.#send(lane.topics[lane.next++ % lane.topics.length]);
    }, 20);
  }

  /** Every fifth is binary, every fourth long enough to be compressed. */
  #send(topic) {
    const before = this.lasts[topic] ?? { n: 0, s: 0 };
    const last = { n: before.n + 1, s: Date.now() };
    this.lasts[topic] = last;
    const pad = last.n % 4 === 0 ? 'the same words again, '.repeat(80) : undefined;
    const text = JSON.stringify({ ...last, q: before.s, pad });
    const payload = last.n % 5 === 0 ? Buffer.concat([Buffer.of(0xff), Buffer.from(text)]) : text;
    this.sent += 1;
    this.client.publish(topic, payload, { qos: 1 }, (error) => {
      if (error) this.fail(`the publisher: ${error.message}`);
      this.answered += 1;
    });
  }

  stop() {
    clearInterval(this.timer);
  }
}
