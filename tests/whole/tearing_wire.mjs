// A wire between gateway and broker that tears at a byte of one's choice, or falls silent for good, and reads along: it
// knows which of the gateway's PUBLISH packets came again, and whether they said so.
import { carry, reset, startTcpProxy } from './tcp_proxy.mjs';

/** A number from 0 to 1 out of a seed, the same each time (mulberry32). */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Cuts a stream of bytes into MQTT packets; `onPacket` gets the first byte and the body. */
export function packetReader(onPacket) {
  let rest = Buffer.alloc(0);
  return (data) => {
    rest = Buffer.concat([rest, data]);
    for (;;) {
      let length = 0;
      let at = 1;
      for (let shift = 0; ; shift += 7, ++at) {
        if (at >= rest.length) return;
        length += (rest[at] & 127) << shift;
        if (rest[at] < 128) break;
      }
      if (rest.length < at + 1 + length) return;
      onPacket(rest[0], rest.subarray(at + 1, at + 1 + length));
      rest = rest.subarray(at + 1 + length);
    }
  };
}

/** `marks` finds in the body of a PUBLISH what makes it one of a kind, or nothing; without it nothing is read along. */
export async function startWire(t, port, { random, marks }) {
  const budgets = [];
  const sent = new Map();
  const wire = { tears: [], resent: 0, unmarked: [] };

  const watch = (connection) =>
    packetReader((first, body) => {
      if (first >> 4 !== 3 || (first & 6) === 0) return;
      const mark = marks(body);
      if (mark === undefined) return;
      const again = sent.has(mark);
      const marked = (first & 8) !== 0;
      if (again) wire.resent += 1;
      // Sent but torn off before the end was seen here: the gateway rightly marks it.
      if (again && !marked) wire.unmarked.push(`${mark}${sent.get(mark) === connection ? ', on one connection' : ''}`);
      sent.set(mark, connection);
    });

  const readers = new WeakMap();
  const tear = (pair, from, to, part) => {
    wire.tears.push(Date.now());
    tcp.pairs.delete(pair);
    // What has been carried arrives, and then the end: orderly on this side, by a reset or orderly on the other.
    to.end(part);
    if (random() < 0.5) reset(from);
    else from.destroy();
    setTimeout(() => to.destroy(), 50);
  };
  const tcp = await startTcpProxy(port, {
    onPair(pair) {
      pair.budget = budgets.shift() ?? Infinity;
      if (marks) readers.set(pair, watch(pair));
    },
    onData(pair, from, to, data) {
      if (pair.held || !tcp.pairs.has(pair)) return;
      const part = data.subarray(0, Math.min(data.length, pair.budget));
      pair.budget -= part.length;
      if (from === pair.inner) readers.get(pair)?.(part);
      if (pair.budget > 0) carry(from, to, part);
      else tear(pair, from, to, part);
    },
  });
  Object.assign(wire, {
    port: tcp.port,
    connections: () => tcp.pairs.size,
    /** Every connection that is open tears so many bytes on; those that come next tear after `later` bytes, one each. */
    tearAfter(bytes, later = []) {
      for (const pair of tcp.pairs) pair.budget = bytes();
      budgets.push(...later);
    },
    /** What is open carries nothing any more, in either direction, and does not end. */
    fallSilent() {
      wire.tears.push(Date.now());
      for (const pair of tcp.pairs) pair.held = true;
    },
  });
  t.after(tcp.close);
  return wire;
}
