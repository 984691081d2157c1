// The broker over WebSocket, with TLS and without: what passes, over brokers that cut as they like, and what each failure
// is called.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import net from 'node:net';
import { test } from 'node:test';
import { checkBothWays, failureOf, makeTestAuthority, startBrokerWith, startTcpServer } from './broker_transport.mjs';
import { startBroker, startGateway, within } from './harness.mjs';

// Mosquitto 2.0 sends 4 KB of a large message every 100 ms over WebSocket, to any client. The way in for large ones is
// tested with the server below.
const largeInBytes = 20_000;

for (const version of ['5', '3.1.1'])
  for (const scheme of ['ws', 'wss'])
    test(`${scheme} at version ${version}: messages both ways, and a broker that restarts`, async (t) => {
      const authority = scheme === 'wss' ? await makeTestAuthority(t) : undefined;
      const server = authority?.issue('server');
      const broker = await startBrokerWith(t, {
        [scheme]: ['protocol websockets', ...(server ? [`certfile ${server.cert}`, `keyfile ${server.key}`] : [])],
      });
      const gateway = await startGateway(t, {
        env: {
          MQTT_URL: `${scheme}://localhost:${broker.ports[scheme]}`, MQTT_CA_FILE: authority?.cert, MQTT_VERSION: version,
        },
      });
      await checkBothWays(t, broker, gateway, { version, largeInBytes });
    });

// ---- a server by hand, before a real broker

const accept = (key) => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
const upgrade = (key, { acceptKey = key, subprotocol = 'mqtt', more = '' } = {}) =>
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  `Sec-WebSocket-Accept: ${accept(acceptKey)}\r\n` +
  `${subprotocol ? `Sec-WebSocket-Protocol: ${subprotocol}\r\n` : ''}${more}\r\n`;

/** A frame as a server sends it. */
function frame(opcode, payload, { fin = true } = {}) {
  const first = (fin ? 0x80 : 0) | opcode;
  if (payload.length < 126) return Buffer.concat([Buffer.from([first, payload.length]), payload]);
  const head = Buffer.alloc(payload.length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = head.length === 4 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  else head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

/** Takes whole frames of a client from the front of what has come. */
function* clientFrames(state, data) {
  state.rest = Buffer.concat([state.rest ?? Buffer.alloc(0), data]);
  for (;;) {
    const { rest } = state;
    if (rest.length < 2) return;
    const [lengthBytes, short] = [{ 126: 2, 127: 8 }[rest[1] & 0x7f] ?? 0, rest[1] & 0x7f];
    const start = 2 + lengthBytes + 4;
    if (rest.length < start) return;
    const length = lengthBytes === 2 ? rest.readUInt16BE(2) : lengthBytes === 8 ? Number(rest.readBigUInt64BE(2)) : short;
    if (rest.length < start + length) return;
    const mask = rest.subarray(start - 4, start);
    const payload = Buffer.from(rest.subarray(start, start + length));
    for (let i = 0; i < length; i += 1) payload[i] ^= mask[i & 3];
    state.rest = rest.subarray(start + length);
    yield { opcode: rest[0] & 0x0f, fin: rest[0] >= 0x80, masked: rest[1] >= 0x80, mask: mask.toString('hex'), payload };
  }
}

/**
 * A WebSocket server that carries to a mosquitto what it gets, and sends what comes back in the frames that `cut` makes
 * of it (`makeCut` is called for each connection). It keeps what it has seen.
 */
async function startCuttingServer(t, broker, makeCut) {
  const seen = { requests: [], masks: [], pongs: [], faults: [] };
  seen.port = await startTcpServer(t, (socket) => {
    let head = '';
    let outer;
    const state = {};
    const cut = makeCut();
    socket.on('data', (data) => {
      if (outer) return take(data);
      head += data.toString('latin1');
      if (!head.endsWith('\r\n\r\n')) return;
      seen.requests.push(head);
      outer = net.connect(broker.port, '127.0.0.1');
      outer.on('error', () => socket.destroy());
      outer.on('close', () => socket.destroy());
      outer.on('data', (bytes) => socket.write(Buffer.concat(cut(bytes))));
      const text = upgrade(/Sec-WebSocket-Key: (.*)\r\n/.exec(head)[1]);
      // The answer, too, comes in pieces.
      socket.write(text.slice(0, 30));
      setTimeout(() => socket.write(text.slice(30)), 20);
    });
    socket.on('close', () => outer?.destroy());
    function take(data) {
      for (const { opcode, fin, masked, mask, payload } of clientFrames(state, data)) {
        seen.masks.push(mask);
        if (!masked || !fin) seen.faults.push('not masked, or fragmented');
        if (opcode === 0x2) outer.write(payload);
        else if (opcode === 0xa) seen.pongs.push(payload.toString());
        else if (opcode === 0x8) socket.end(frame(0x8, payload.subarray(0, 2)));
        else seen.faults.push(`opcode ${opcode}`);
      }
    }
  });
  return seen;
}

/** Every byte in a frame of its own, some of them in one message, with pings and empty frames in between. */
function byteByByte(bytes) {
  const frames = [];
  for (let i = 0; i < bytes.length; i += 1) {
    const last = i % 3 === 2 || i === bytes.length - 1;
    frames.push(frame(i % 3 === 0 ? 0x2 : 0x0, bytes.subarray(i, i + 1), { fin: last }));
    if (i % 5 === 0) frames.push(frame(0x9, Buffer.from(`ping ${i}`)));
    if (i % 7 === 0) frames.push(frame(0xa, Buffer.alloc(0)));
  }
  frames.push(frame(0x2, Buffer.alloc(0)));
  return frames;
}

/** Frames of odd lengths, which have nothing to do with packets. */
function oddLengths(bytes) {
  const frames = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const length = [125, 126, 127, 65_535, 65_536, 3][i % 6];
    frames.push(frame(0x2, bytes.subarray(at, at + length)));
    at += length;
  }
  return frames;
}

/** All in one message that has no end. */
function endless() {
  let begun = false;
  return (bytes) => {
    const frames = [frame(begun ? 0x0 : 0x2, bytes, { fin: false })];
    begun = true;
    return frames;
  };
}

for (const [name, cut, large] of [
  ['byte by byte, with pings in between', () => byteByByte, 30_000],
  ['in frames of odd lengths', () => oddLengths, 900_000],
  ['in one message without an end', endless, 900_000],
])
  test(`a server that sends ${name}`, async (t) => {
    const broker = await startBroker(t);
    const server = await startCuttingServer(t, broker, cut);
    const gateway = await startGateway(t, {
      env: {
        MQTT_URL: `ws://localhost:${server.port}/some/path?with=a&query`, MQTT_VERSION: '5',
        MQTT_WS_HEADERS: 'Authorization: Bearer a:b | X-Bar: x||y',
      },
    });
    await checkBothWays(t, broker, gateway, { version: '5', largeInBytes: large });
    assert.ok(!gateway.text.includes('protocol'), gateway.text);
    const [request] = server.requests;
    assert.match(request, /^GET \/some\/path\?with=a&query HTTP\/1\.1\r\n/);
    assert.match(request, new RegExp(`\r\nHost: localhost:${server.port}\r\n`));
    assert.match(request, /\r\nSec-WebSocket-Protocol: mqtt\r\n/);
    assert.match(request, /\r\nAuthorization: Bearer a:b\r\nX-Bar: x\|y\r\n/);
    assert.deepEqual(server.faults, []);
    assert.ok(new Set(server.masks).size > server.masks.length * 0.99, 'masks are fresh');
    if (name.includes('pings')) assert.ok(server.pongs.length > 0 && server.pongs.every((text) => /^ping \d+$/.test(text)));
  });

test('every failure says which step it was, and why', async (t) => {
  const broker = await startBroker(t);
  const answering = (answer) =>
    startTcpServer(t, (socket) => {
      let head = '';
      const onData = (data) => {
        head += data.toString('latin1');
        if (!head.includes('\r\n\r\n')) return;
        socket.off('data', onData);
        answer(socket, /Sec-WebSocket-Key: (.*)\r\n/.exec(head)[1]);
      };
      socket.on('data', onData);
    });
  const saying = (text) => answering((socket, key) => socket.write(text(key)));
  /** Upgrades, and answers CONNECT with these frames. */
  const framing = (...frames) =>
    answering((socket, key) => {
      socket.write(upgrade(key));
      socket.once('data', () => socket.write(Buffer.concat(frames)));
    });
  const close = (code, reason) => frame(0x8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));
  const ended = 'connection closed before CONNACK: the broker';

  for (const [name, port, reason] of [
    ['403', await saying(() => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'), 'failed: the server answered 403 Forbidden'],
    ['301', await saying(() => 'HTTP/1.1 301 Moved\r\nLocation: https://b/mqtt\r\n\r\n'),
      'failed: the server answered 301 Moved to https://b/mqtt'],
    ['200', await saying(() => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'), 'failed: the server answered 200 OK'],
    ['wrong accept', await saying((key) => upgrade(key, { acceptKey: 'other' })),
      "failed: the server's Sec-WebSocket-Accept is wrong"],
    ['no subprotocol', await saying((key) => upgrade(key, { subprotocol: '' })),
      'failed: the server did not take the subprotocol mqtt'],
    ['another subprotocol', await saying((key) => upgrade(key, { subprotocol: 'mqttv3.1' })),
      'failed: the server chose a subprotocol that was not asked for: mqttv3.1'],
    ['an extension', await saying((key) => upgrade(key, { more: 'Sec-WebSocket-Extensions: permessage-deflate\r\n' })),
      'failed: the server uses an extension that was not asked for'],
    ['no upgrade', await saying(() => 'HTTP/1.1 101 Sure\r\n\r\n'), 'failed: the server did not upgrade to websocket'],
    ['an endless head', await saying((key) => upgrade(key, { more: `X: ${'x'.repeat(20_000)}\r\n` })),
      "failed: the head of the server's answer is over 16384 bytes"],
    ['no HTTP', await startTcpServer(t, (socket) => socket.write('\x20\x02\x00\x05\r\n\r\n')),
      /failed: the server does not answer in HTTP: bad version$/],
    ['closed', await answering((socket) => socket.destroy()), 'failed: the broker closed the connection'],
    ['silent', await startTcpServer(t, () => {}), 'timed out'],
    ['closed with a code', await framing(close(1008, 'not you')),
      `${ended} closed the WebSocket with 1008 policy violation: not you`],
    ['closed without a code', await framing(frame(0x8, Buffer.alloc(0))), `${ended} closed the WebSocket`],
    ['a text', await framing(frame(0x1, Buffer.from('hi'))), `${ended} broke the WebSocket protocol: a text message`],
    ['a masked frame', await framing(Buffer.from([0x82, 0x81, 1, 2, 3, 4, 5])),
      `${ended} broke the WebSocket protocol: a masked frame from a server`],
    ['CONNACK', await framing(frame(0x2, Buffer.from([0x20, 2, 0, 5]))), /^Connection refused: .*not authorized$/],
  ]) {
    // Whoever says something may take its time.
    const limit = name === 'silent' ? '1500ms' : '15s';
    const told = await failureOf(t, { MQTT_URL: `ws://localhost:${port}`, MQTT_CONNECT_TIMEOUT: limit });
    const whole = /^(failed|timed out)/.test(reason) ? `WebSocket handshake with localhost:${port} ${reason}` : reason;
    if (reason instanceof RegExp) assert.match(told, reason, name);
    else assert.equal(told, whole, name);
  }
  assert.match(await failureOf(t, { MQTT_URL: `ws://localhost:${broker.port}`, MQTT_CONNECT_TIMEOUT: '1500ms' }),
    /^WebSocket handshake with .* (failed|timed out)/);
});

test('the attempt ends in time at each of its steps', async (t) => {
  for (const answer of [() => {}, (socket, key) => socket.write(upgrade(key))]) {
    const port = await startTcpServer(t, (socket) => {
      socket.once('data', (data) => answer(socket, /Sec-WebSocket-Key: (.*)\r\n/.exec(data.toString())[1]));
    });
    const gateway = await startGateway(t, { env: { MQTT_URL: `ws://localhost:${port}`, MQTT_CONNECT_TIMEOUT: '700ms' } });
    const started = Date.parse((await gateway.logged('starting')).time);
    const failed = Date.parse((await within(gateway.logged('broker connection failed'), 'failure')).time);
    assert.ok(failed - started > 600 && failed - started < 10_000, `${failed - started} ms`);
    await gateway.stop();
  }
});
