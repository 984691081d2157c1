// What one client must have received: every message of a topic once and in order while it is subscribed and connected or
// recovered. Runs in Node and in the browser; python_accounting.py says the same in Python.

/** Payloads are JSON, or the byte 0xFF and JSON, which is not UTF-8 and so goes out as a binary attachment. */
export function decode(payload) {
  if (payload instanceof ArrayBuffer) payload = new Uint8Array(payload);
  if (ArrayBuffer.isView(payload)) return JSON.parse(new TextDecoder().decode(payload.subarray(1)));
  return payload;
}

/**
 * A message says its number in its topic `n`, when it was sent `s`, and when the one before it was sent `q`. So the first
 * message after a subscription tells whether an earlier one, sent after the subscription was acknowledged, is lacking.
 */
export class Tracker {
  /** `filters` is the list of {topic, topics}: a filter and the topics that match it here. `fail` takes a text. */
  constructor(filters, fail) {
    this.fail = fail;
    this.topicsOf = new Map(filters.map(({ topic, topics }) => [topic, topics]));
    this.topics = new Map();
    for (const { topics } of filters)
      for (const topic of topics) this.topics.set(topic, { last: 0, filters: new Set(), asked: 0, since: undefined, whole: false });
    this.received = 0;
    this.away = 0;
  }

  #states = (filter) => this.topicsOf.get(filter).map((topic) => this.topics.get(topic));

  /** A connection that nothing was carried over to: every subscription is gone. */
  afresh() {
    for (const state of this.topics.values()) Object.assign(state, { asked: 0, since: undefined, whole: false, filters: new Set() });
  }

  subscribing(filter) {
    for (const state of this.#states(filter)) state.asked += 1;
  }

  subscribed(filter, now) {
    for (const state of this.#states(filter)) {
      state.filters.add(filter);
      state.since ??= now;
    }
  }

  isSubscribed = (filter) => this.#states(filter)[0].filters.has(filter);

  /** From the request on messages may come or not, until the filter is subscribed anew. */
  unsubscribing(filter) {
    for (const state of this.#states(filter)) {
      state.filters.delete(filter);
      if (state.filters.size === 0) Object.assign(state, { since: undefined, whole: false });
    }
  }

  unsubscribed(filter) {
    for (const state of this.#states(filter)) if (state.filters.size === 0) state.asked = 0;
  }

  message({ topic, payload }) {
    this.received += 1;
    const state = this.topics.get(topic);
    const { n, s, q } = decode(payload) ?? {};
    if (!state || !Number.isInteger(n)) return this.fail(`a message nobody sent: ${topic} ${JSON.stringify(payload)?.slice(0, 80)}`);
    if (state.asked === 0) this.fail(`${topic} ${n} came without a subscription`);
    if (n <= state.last) return this.fail(`${topic} ${n} came after ${state.last}: twice, or out of order`);
    const lacking = n - state.last - 1;
    if (state.whole) {
      if (lacking > 0) this.fail(`${topic}: ${lacking} lost between ${state.last} and ${n}`);
    } else {
      if (state.last > 0) this.away += lacking;
      if (state.since !== undefined) {
        if (lacking > 0 && q > state.since) this.fail(`${topic} ${n - 1} lost, sent ${q - state.since} ms after the subscription`);
        state.whole = true;
      }
    }
    Object.assign(state, { last: n, s });
  }

  /** Which topics have not come to their end, given the last message {n, s} of each. */
  behind(lasts) {
    const texts = [];
    for (const [topic, state] of this.topics) {
      const end = lasts[topic];
      if (!end || state.since === undefined || state.last >= end.n) continue;
      if (state.whole || end.s > state.since) texts.push(`${topic}: ended at ${state.last} of ${end.n}`);
    }
    return texts;
  }
}

/** What arrived at the broker from the clients' own publishes: in order, once each, and all that were acknowledged. */
export class Arrivals {
  constructor(fail) {
    this.fail = fail;
    this.topics = new Map();
    this.count = 0;
  }

  message(topic, n) {
    this.count += 1;
    const numbers = this.topics.get(topic) ?? [];
    this.topics.set(topic, numbers);
    if (numbers.length > 0 && n <= numbers.at(-1)) this.fail(`${topic} ${n} arrived after ${numbers.at(-1)}`);
    numbers.push(n);
  }

  /** `sent` is how many the client sent, `open` those without an acknowledgement: they may have arrived or not. */
  check(topic, sent, open) {
    const arrived = new Set(this.topics.get(topic));
    const unanswered = new Set(open);
    for (let n = 1; n <= sent; ++n)
      if (!arrived.has(n) && !unanswered.has(n)) this.fail(`${topic} ${n} was acknowledged and never arrived`);
    return { acknowledged: sent - unanswered.size, openArrived: open.filter((n) => arrived.has(n)).length };
  }
}
