// One official client of the soak, in Node or in a page: it subscribes, publishes, counts, and is pulled about.
import { Tracker } from './accounting.mjs';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const randomMs = (from, to) => from + Math.random() * (to - from);
const askTimeout = 60_000;

/** What the clients of one process did, summed up. */
export const newStatistics = () => ({
  connects: 0, recoveries: 0, fresh: 0, drops: {}, connectErrors: {}, acts: {}, published: 0, acknowledged: 0, unanswered: 0,
});
const count = (table, key) => (table[key] = (table[key] ?? 0) + 1);

export class SoakClient {
  /** `plan` is what plan.mjs says of the client; `cut(engine)` breaks its wire. */
  constructor(io, plan, { url, windowMs, statistics, fail, cut }) {
    Object.assign(this, { io, plan, url, windowMs, statistics, cut });
    this.fail = (text) => fail(`${plan.id} (${plan.mode}): ${text}`);
    this.tracker = new Tracker(plan.filters, this.fail);
    this.sent = 0;
    this.open = new Set();
    this.busy = false;
    this.provoked = false;
  }

  start() {
    const transports = { polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket'] }[this.plan.mode];
    const socket = this.io(`${this.url}/mqtt`, {
      auth: { token: this.plan.token }, transports, forceNew: true,
      reconnectionDelay: 200, reconnectionDelayMax: 2000, timeout: 30_000,
    });
    this.socket = socket;
    this.left = undefined;
    socket.on('connect', () => this.#connected(socket));
    socket.on('disconnect', (reason) => this.#dropped(socket, reason));
    socket.on('connect_error', (error) => {
      count(this.statistics.connectErrors, error.message);
      // Only the server's own refusal carries data.
      if (error.data || !socket.active) this.fail(`refused: ${error.message}`);
    });
    socket.onAny((event) => {
      this.seen = true;
      // A subscribe that a drop left without its acknowledgement is answered by this event after the recovery.
      if (event === 'mqtt:subscribe:success' && socket.recovered) return;
      if (event !== 'mqtt:message' && event !== 'mqtt:status') this.fail(`unexpected event ${event}`);
    });
    socket.on('mqtt:message', (message) => this.tracker.message(message));
  }

  #connected(socket) {
    this.statistics.connects += 1;
    const { left } = this;
    const awayMs = left ? Date.now() - left.at : 0;
    if (socket.recovered) {
      this.statistics.recoveries += 1;
      if (!left?.recoverable) this.fail('recovered what was not recoverable');
      // Behind the proxy the server may not have heard of the cut: a poll that never reached it is not missed at once.
      if (awayMs > this.windowMs + 3000 && left?.alone && !this.plan.proxied) this.fail(`recovered after ${awayMs} ms`);
    } else {
      this.statistics.fresh += 1;
      if (left?.recoverable && awayMs < this.windowMs * 0.7) this.fail(`not recovered after ${awayMs} ms (${left.reason})`);
      this.tracker.afresh();
      this.seen = false;
    }
    this.left = undefined;
    this.provoked = false;
    for (const filter of this.plan.filters) if (!this.tracker.isSubscribed(filter.topic)) this.#subscribe(socket, filter);
  }

  #dropped(socket, reason) {
    count(this.statistics.drops, reason);
    if (!this.provoked && !this.plan.proxied) this.fail(`dropped without a cause: ${reason}`);
    if (reason === 'io server disconnect' || reason === 'parse error') this.fail(`dropped by the server: ${reason}`);
    this.left = {
      at: Date.now(), reason, alone: this.away === true,
      recoverable: this.seen && reason !== 'io client disconnect',
    };
  }

  /** Settles with the reply, or with undefined where the connection went first. */
  #ask(socket, event, ...values) {
    return new Promise((resolve) => {
      const asked = Date.now();
      socket.timeout(askTimeout).emit(event, ...values, (error, reply) => {
        if (error && Date.now() - asked >= askTimeout - 100) this.fail(`${event}: no reply within ${askTimeout} ms`);
        resolve(error ? undefined : reply);
      });
    });
  }

  async #subscribe(socket, { topic, qos }) {
    this.tracker.subscribing(topic);
    const reply = await this.#ask(socket, 'mqtt:subscribe', { topic, qos });
    if (reply?.success) this.tracker.subscribed(topic, Date.now());
    else if (reply) this.fail(`subscribe ${topic}: ${JSON.stringify(reply)}`);
  }

  async publish() {
    if (!this.socket.connected) return;
    const n = ++this.sent;
    this.statistics.published += 1;
    this.open.add(n);
    const reply = await this.#ask(this.socket, 'mqtt:publish', { topic: this.plan.up, payload: { n }, qos: 1 });
    if (reply?.success) {
      this.open.delete(n);
      this.statistics.acknowledged += 1;
    } else if (reply) this.fail(`publish ${n}: ${JSON.stringify(reply)}`);
    else this.statistics.unanswered += 1;
  }

  /** Does one of `cut`, `close`, `leave`, `long`, `replace`, `hop`, `resubscribe`, unless it still does another. */
  async act(name) {
    if (this.busy || !this.socket.connected) return;
    this.busy = true;
    count(this.statistics.acts, name);
    await this[`act_${name}`](this.socket);
    this.busy = false;
  }

  act_cut(socket) {
    this.provoked = true;
    this.cut(socket.io.engine);
  }

  act_close(socket) {
    this.provoked = true;
    socket.io.engine.close();
  }

  async act_leave(socket) {
    this.provoked = true;
    socket.disconnect();
    await sleep(randomMs(0, 3000));
    socket.connect();
  }

  /** Longer than the recovery window: the server must have forgotten it. */
  async act_long(socket) {
    this.provoked = this.away = true;
    socket.io.reconnection(false);
    this.cut(socket.io.engine);
    await sleep(this.windowMs + randomMs(5000, 9000));
    socket.io.reconnection(true);
    this.away = false;
    socket.connect();
  }

  async act_replace(socket) {
    this.provoked = true;
    socket.disconnect();
    await sleep(randomMs(0, 2000));
    this.start();
  }

  /** Back on another transport than it went from; only for those who may use both. */
  act_hop(socket) {
    const options = socket.io.opts;
    if (this.plan.mode === 'upgrade') options.transports = options.transports.length === 2 ? ['websocket'] : ['polling', 'websocket'];
    this.act_cut(socket);
  }

  async act_resubscribe(socket) {
    const filter = this.plan.filters.at(-1);
    if (!this.tracker.isSubscribed(filter.topic)) return;
    this.tracker.unsubscribing(filter.topic);
    const reply = await this.#ask(socket, 'mqtt:unsubscribe', { topic: filter.topic });
    if (reply?.success) this.tracker.unsubscribed(filter.topic);
    else if (reply) this.fail(`unsubscribe: ${JSON.stringify(reply)}`);
    await sleep(randomMs(0, 3000));
    // A reconnect meanwhile has subscribed it already.
    if (socket.connected && !this.tracker.isSubscribed(filter.topic)) await this.#subscribe(socket, filter);
  }

  summary() {
    const { plan, sent, open, tracker } = this;
    return { id: plan.id, up: plan.up, sent, open: [...open], received: tracker.received, away: tracker.away };
  }

  leave() {
    this.provoked = true;
    this.socket.disconnect();
  }
}

/** Waits until every client has all that was sent, and says who has not. */
export async function settle(clients, lasts, ms) {
  const deadline = Date.now() + ms;
  for (;;) {
    const behind = clients.flatMap((client) => {
      if (!client.socket.connected) return [`${client.plan.id}: is not connected`];
      return client.tracker.behind(lasts).map((text) => `${client.plan.id} (${client.plan.mode}): ${text}`);
    });
    if (behind.length === 0 || Date.now() > deadline) return behind;
    await sleep(200);
  }
}
