// A wire between gateway and broker that tears at a byte of one's choice, or falls silent for good, and reads along: it
// knows which of the gateway's PUBLISH packets came again, and whether they said so.
import { once } from 'node:events';
import net from 'node:net';

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
  const pairs = new Set();
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

  const server = net.createServer((inner) => {
    const outer = net.connect(port, '127.0.0.1');
    const pair = { inner, outer, silent: false, budget: budgets.shift() ?? Infinity };
    const read = marks ? watch(pair) : () => {};
    pairs.add(pair);
    const end = () => {
      inner.destroy();
      outer.destroy();
      pairs.delete(pair);
    };
    for (const [from, to] of [[inner, outer], [outer, inner]]) {
      from.setNoDelay(true);
      from.on('data', (data) => {
        if (pair.silent || !pairs.has(pair)) return;
        const part = data.subarray(0, Math.min(data.length, pair.budget));
        pair.budget -= part.length;
        if (from === inner) read(part);
        if (pair.budget > 0) {
          if (!to.write(part)) from.pause();
          return;
        }
        wire.tears.push(Date.now());
        pairs.delete(pair);
        // What has been carried arrives, and then the end: orderly on this side, by a reset or orderly on the other.
        to.end(part);
        if (random() < 0.5) from.resetAndDestroy();
        else from.destroy();
        setTimeout(() => to.destroy(), 50);
      });
      to.on('drain', () => from.resume());
      from.on('error', () => pairs.has(pair) && end());
      from.on('close', () => pairs.has(pair) && !pair.silent && end());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  Object.assign(wire, {
    port: server.address().port,
    connections: () => pairs.size,
    /** Every connection that is open tears so many bytes on; those that come next tear after `later` bytes, one each. */
    tearAfter(bytes, later = []) {
      for (const pair of pairs) pair.budget = bytes();
      budgets.push(...later);
    },
    /** What is open carries nothing any more, in either direction, and does not end. */
    fallSilent() {
      wire.tears.push(Date.now());
      for (const pair of pairs) pair.silent = true;
    },
  });
  t.after(() => {
    for (const { inner, outer } of pairs) {
      inner.destroy();
      outer.destroy();
    }
    server.close();
  });
  return wire;
}
