// Ways to treat a server badly, each so many times, and what must be true afterwards. abuse.test.mjs uses a little of
// it, tests/soak/abuse.mjs all.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import zlib from 'node:zlib';
import { connect, eventually, publish, subscribe, token, untilMessages } from './harness.mjs';

const upgradeRequest = (more = '') =>
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${more}\r\n`;

/** A frame; a mask of zeros leaves the payload as it is. */
export function frame(payload, { opcode = 1, fin = true, reserved = 0, masked = true, length } = {}) {
  const data = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const size = length ?? BigInt(data.length);
  const mask = masked ? 0x80 : 0;
  let head;
  if (size < 126n) {
    head = Buffer.from([first, mask | Number(size)]);
  } else if (size < 65536n) {
    head = Buffer.from([first, mask | 126, Number(size >> 8n), Number(size & 255n)]);
  } else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = mask | 127;
    head.writeBigUInt64BE(size, 2);
  }
  return Buffer.concat([head, masked ? Buffer.alloc(4) : Buffer.alloc(0), data]);
}

/** One connection: `steps` are sent one after the other, each when something has come; then it waits a while, and goes. */
function assault(port, steps, { patience = 400 } = {}) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let received = 0;
    const done = (how) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ how, received });
    };
    let timer = setTimeout(() => done('patience'), patience + 5_000);
    const rest = [...steps];
    const next = () => {
      if (rest.length > 0) socket.write(rest.shift());
      if (rest.length === 0) {
        clearTimeout(timer);
        timer = setTimeout(() => done('patience'), patience);
      }
    };
    socket.on('connect', next);
    socket.on('data', (data) => {
      received += data.length;
      next();
    });
    socket.on('error', () => done('error'));
    socket.on('close', () => done('closed'));
  });
}

/** `make(i)` so many times, so many at once. */
export async function inParallel(count, width, make) {
  let next = 0;
  const results = [];
  await Promise.all(
    Array.from({ length: Math.min(width, count) }, async () => {
      while (next < count) results.push(await make(next++));
    }),
  );
  return results;
}

const joined = () => [upgradeRequest(), frame(`40/mqtt,${JSON.stringify({ token: token() })}`)];
const bomb = () => (bomb.bytes ??= deflated(Buffer.alloc(50_000_000, '4')));
const deflated = (bytes) => zlib.deflateRawSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
const deflateOffer = 'Sec-WebSocket-Extensions: permessage-deflate\r\n';

/** What is sent on a connection, by name. */
export const assaults = {
  'garbage': () => [randomBytes(2_000)],
  'half a request': () => ['POST /mqtt/publish HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{"topic":'],
  'half a head': () => [`GET /mqtt/health HTTP/1.1\r\nX: ${'y'.repeat(1_000)}`],
  'a body that is declared as huge': () => ['POST /mqtt/publish HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nx'],
  'a chunk that is declared as huge': () => ['POST /mqtt/publish HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx'],
  'a frame over the limit': () => [upgradeRequest(), frame('4', { length: 50_000_000n })],
  'a frame of 2^63 bytes': () => [upgradeRequest(), frame('4', { length: 1n << 63n })],
  'a frame of 2^62 bytes': () => [upgradeRequest(), frame('4', { length: 1n << 62n })],
  'an unmasked frame': () => [upgradeRequest(), frame('40/mqtt,', { masked: false })],
  'reserved bits': () => [upgradeRequest(), frame('40/mqtt,', { reserved: 7 })],
  'a reserved opcode': () => [upgradeRequest(), frame('40/mqtt,', { opcode: 5 })],
  'invalid UTF-8': () => [upgradeRequest(), frame(Buffer.from([0x34, 0xff, 0xfe, 0xc0, 0x80]))],
  'a fragment without a beginning': () => [upgradeRequest(), frame('x', { opcode: 0 })],
  'fragments without end': () => [upgradeRequest(), Buffer.concat(Array.from({ length: 500 }, (_, i) => frame('x'.repeat(1_000), { opcode: i ? 0 : 1, fin: false })))],
  'a bomb': () => [upgradeRequest(deflateOffer), frame(bomb(), { reserved: 4 })],
  'many pings': () => [upgradeRequest(), Buffer.concat(Array.from({ length: 2_000 }, () => frame('x'.repeat(100), { opcode: 9 })))],
  'attachments that never come': () => [...joined(), frame('451-/mqtt,["mqtt:publish",{"topic":"a","payload":{"_placeholder":true,"num":0}}]')],
  'very many attachments': () => [...joined(), frame('4599999999-/mqtt,["mqtt:publish",{"_placeholder":true,"num":0}]')],
  'a deep event': () => [...joined(), frame(`42/mqtt,["mqtt:publish",${'['.repeat(20_000)}${']'.repeat(20_000)}]`)],
  'a bad token': () => [upgradeRequest(), frame('40/mqtt,{"token":"a.b.c"}')],
  'a page of somebody else': () => [upgradeRequest('Origin: https://evil.example\r\n')],
};

export const attack = (port, name, options) => assault(port, assaults[name](), options);

/** Connections that are opened, used once or not at all, and closed. */
export const quickConnects = (port, count, width = 100) =>
  inParallel(count, width, (i) =>
    new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        if (i % 3 === 0) return socket.resetAndDestroy();
        if (i % 3 === 1) return socket.destroy();
        socket.end('GET /mqtt/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
        return socket.resume();
      });
      socket.on('error', () => {});
      socket.on('close', resolve);
    }),
  );

/** Sockets that are connected and say nothing: `upgraded` ones have a WebSocket by then, and never CONNECT. */
export async function silentSockets(port, count, { upgraded = false } = {}) {
  const sockets = [];
  await inParallel(count, 200, () =>
    new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        if (!upgraded) return resolve();
        socket.once('data', resolve);
        return socket.write(upgradeRequest());
      });
      socket.on('error', resolve);
      socket.on('close', () => (socket.gone = true));
      sockets.push(socket);
    }),
  );
  return {
    sockets,
    open: () => sockets.filter((socket) => !socket.gone).length,
    close: () => sockets.forEach((socket) => socket.destroy()),
  };
}

export const descriptorsOf = (pid) => readdirSync(`/proc/${pid}/fd`).length;
/** In kB. */
export const residentOf = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);

let works = 0;
/** A client like any other is served, by each transport. */
export async function assertServes(t, gateway) {
  assert.equal(gateway.child.exitCode, null);
  assert.equal(gateway.child.signalCode, null);
  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
    const socket = await connect(t, gateway, { transports });
    const topic = `abuse/${++works}`;
    await subscribe(socket, topic, 1);
    await publish(socket, topic, works, { qos: 1 });
    await untilMessages(socket, 1);
    socket.disconnect();
  }
}

/** Everything that the abuse has cost is given back. */
export async function assertGivenBack(gateway, before, { descriptors = 10, kilobytes = 20_000, ms = 60_000 } = {}) {
  await eventually(
    () => descriptorsOf(gateway.pid) <= before.descriptors + descriptors,
    `descriptors come down to ${before.descriptors}`, ms,
  ).catch((error) => {
    throw new Error(`${error.message}; there are ${descriptorsOf(gateway.pid)}`);
  });
  const more = () => residentOf(gateway.pid) - before.resident;
  await eventually(() => more() <= kilobytes, 'memory is given back', ms).catch((error) => {
    throw new Error(`${error.message}; there are ${more()} kB more`);
  });
}

export const measure = (gateway) => ({ descriptors: descriptorsOf(gateway.pid), resident: residentOf(gateway.pid) });
