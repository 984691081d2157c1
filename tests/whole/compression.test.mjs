// permessage-deflate and gzip for polling: what is agreed on, what travels, and what a hostile client gets.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { Fetch } from 'socket.io-client';
import {
  WebSocket, brokerClient, connect, eventually, publish, rest, startBoth, subscribe, token, untilMessages,
} from './harness.mjs';
import { isStatus } from './wire.mjs';

const deflateOn = { WEBSOCKET_COMPRESSION: 'true' };
const answerPlain = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const longText = 'all work and no play makes jack a dull boy, '.repeat(1_000);

/** The wire of an official client that is on a WebSocket. */
const wireOf = (socket) => socket.io.engine.transport.ws;

// ---- WebSocket by hand

/** What the server answers to a handshake with these lines beside the usual ones. */
async function handshake(t, gateway, ...lines) {
  const socket = net.connect(gateway.port, '127.0.0.1');
  t.after(() => socket.destroy());
  const raw = { socket, bytes: Buffer.alloc(0), ended: false };
  socket.on('data', (data) => (raw.bytes = Buffer.concat([raw.bytes, data])));
  socket.on('close', () => (raw.ended = true));
  socket.on('error', () => {});
  socket.write(
    [
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1', `Host: 127.0.0.1:${gateway.port}`, 'Connection: Upgrade',
      'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', ...lines, '', '',
    ].join('\r\n'),
  );
  await eventually(() => raw.bytes.includes('\r\n\r\n'), 'an answer');
  const end = raw.bytes.indexOf('\r\n\r\n');
  raw.head = raw.bytes.subarray(0, end).toString();
  raw.bytes = raw.bytes.subarray(end + 4);
  raw.status = Number(raw.head.split(' ')[1]);
  raw.extensions = raw.head.match(/^sec-websocket-extensions: (.*)$/im)?.[1];
  return raw;
}
const offer = (value) => `Sec-WebSocket-Extensions: ${value}`;

/** A frame as a client sends it; the key of zeros leaves the bytes as they are. */
function frame(firstByte, payload) {
  const length =
    payload.length < 126 ? Buffer.from([0x80 | payload.length])
    : payload.length < 65_536 ? Buffer.from([0xfe, payload.length >> 8, payload.length & 255])
    : Buffer.concat([Buffer.from([0xff, 0, 0, 0, 0]), Buffer.from(Uint32Array.of(payload.length).buffer).reverse()]);
  return Buffer.concat([Buffer.from([firstByte]), length, Buffer.alloc(4), payload]);
}
const deflated = (data) =>
  zlib.deflateRawSync(data, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);

/** The code of the close frame that ends what the server has sent. */
async function closeCode(raw) {
  return eventually(() => {
    for (let at = 0; at + 2 <= raw.bytes.length; ) {
      const length = raw.bytes[at + 1];
      if (length >= 126) return undefined;
      if (raw.bytes[at] === 0x88) return length >= 2 && raw.bytes.length >= at + 4 ? raw.bytes.readUInt16BE(at + 2) : 1005;
      at += 2 + length;
    }
    return undefined;
  }, 'a close frame');
}

const residentPeak = (gateway) => Number(readFileSync(`/proc/${gateway.pid}/status`, 'utf8').match(/^VmHWM:\s+(\d+)/m)[1]);

// ---- tests

test('permessage-deflate', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { ...deflateOn, WORKERS: '1' } });
  const other = await brokerClient(t, broker);

  await t.test('what is answered to which offer', async (t) => {
    const answers = new Map([
      ['permessage-deflate', answerPlain],
      ['permessage-deflate; client_max_window_bits', answerPlain],
      ['permessage-deflate; client_no_context_takeover; server_no_context_takeover', answerPlain],
      ['permessage-deflate; server_max_window_bits=10', `${answerPlain}; server_max_window_bits=10`],
      ['permessage-deflate; server_max_window_bits="9"', `${answerPlain}; server_max_window_bits=9`],
      ['permessage-deflate; server_max_window_bits=8', undefined],
      ['permessage-deflate; server_max_window_bits=8, permessage-deflate', answerPlain],
      ['permessage-deflate; server_max_window_bits', undefined],
      ['permessage-deflate; client_max_window_bits=16', undefined],
      ['permessage-deflate; server_no_context_takeover=1', undefined],
      ['permessage-deflate; server_no_context_takeover; server_no_context_takeover', undefined],
      ['permessage-deflate; mystery', undefined],
      ['x-webkit-deflate-frame', undefined],
      ['x-webkit-deflate-frame, permessage-deflate', answerPlain],
    ]);
    for (const [value, expected] of answers) {
      const raw = await handshake(t, gateway, offer(value));
      assert.equal(raw.status, 101, value);
      assert.equal(raw.extensions, expected, value);
      raw.socket.destroy();
    }
    const two = await handshake(t, gateway, offer('permessage-deflate; mystery'), offer('permessage-deflate'));
    assert.equal(two.extensions, answerPlain);
    const none = await handshake(t, gateway);
    assert.deepEqual([none.status, none.extensions], [101, undefined]);
    const broken = await handshake(t, gateway, offer('permessage-deflate;;'));
    assert.equal(broken.status, 400);
  });

  await t.test('large and small messages both ways, with and without it', async (t) => {
    for (const perMessageDeflate of [false, { threshold: 1024 }]) {
      const socket = await connect(t, gateway, { perMessageDeflate });
      assert.equal(wireOf(socket).extensions, perMessageDeflate ? 'permessage-deflate' : '');
      const topic = `compression/both/${Boolean(perMessageDeflate)}`;
      await subscribe(socket, topic, 1);
      const received = wireOf(socket)._socket.bytesRead;
      const sent = wireOf(socket)._socket.bytesWritten;
      const payloads = ['short', longText, { deep: [longText, 1.5, null] }, '', 'ä'.repeat(3_000), 'short again'];
      for (const payload of payloads) await publish(socket, topic, payload, { qos: 1 });
      await untilMessages(socket, payloads.length);
      assert.deepEqual(socket.messages.map((m) => m.payload), payloads);
      const large = 2 * longText.length;
      assert.equal(wireOf(socket)._socket.bytesRead - received < large, Boolean(perMessageDeflate), 'what the server sent');
      assert.equal(wireOf(socket)._socket.bytesWritten - sent < large, Boolean(perMessageDeflate), 'what the client sent');
    }
  });

  await t.test('attachments, those that compress and those that do not', async (t) => {
    const socket = await connect(t, gateway, { perMessageDeflate: { threshold: 0 } });
    await subscribe(socket, 'compression/bytes', 1);
    const payloads = [Buffer.alloc(50_000, 0xff), randomBytes(50_000), Buffer.from([0xff, 0x00])];
    for (const payload of payloads) await publish(socket, 'compression/bytes', payload, { qos: 1 });
    await untilMessages(socket, payloads.length);
    assert.deepEqual(socket.messages.map((m) => Buffer.from(m.payload)), payloads);
  });

  await t.test('fifty clients, every other with it: the same messages in the same order', async (t) => {
    const clients = await Promise.all(
      Array.from({ length: 50 }, (_, i) => connect(t, gateway, { perMessageDeflate: i % 2 === 0 ? { threshold: 1024 } : false })),
    );
    await Promise.all(clients.map((socket, i) => subscribe(socket, 'compression/crowd', i % 3 === 0 ? 0 : 1)));
    const before = clients.map((socket) => wireOf(socket)._socket.bytesRead);
    const expected = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? `small ${i}` : `${i}: ${longText}`));
    for (const text of expected) other.publish('compression/crowd', JSON.stringify(text), { qos: 1 });
    await Promise.all(clients.map((socket) => untilMessages(socket, expected.length, 30_000)));
    clients.forEach((socket, i) => {
      assert.deepEqual(socket.messages.map((m) => m.payload), expected);
      assert.equal(wireOf(socket)._socket.bytesRead - before[i] < 300_000, i % 2 === 0, `client ${i}`);
    });
  });

  await t.test('polling, then an upgrade that agrees on it, in the middle of traffic', async (t) => {
    const socket = await connect(t, gateway, { transports: ['polling', 'websocket'], perMessageDeflate: { threshold: 0 } });
    await subscribe(socket, 'compression/upgrade', 1);
    const expected = Array.from({ length: 100 }, (_, i) => `${i} ${'y'.repeat((i % 5) * 1_000)}`);
    for (const text of expected) other.publish('compression/upgrade', JSON.stringify(text), { qos: 1 });
    await untilMessages(socket, expected.length, 20_000);
    assert.deepEqual(socket.messages.map((m) => m.payload), expected);
    await eventually(() => socket.io.engine.transport.name === 'websocket', 'the upgrade');
    assert.equal(wireOf(socket).extensions, 'permessage-deflate');
    await publish(socket, 'compression/upgrade', longText, { qos: 1 });
    assert.equal((await untilMessages(socket, expected.length + 1)).at(-1).payload, longText);
  });

  await t.test('compressed messages in fragments, among others that are not', async (t) => {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket.io/?EIO=4&transport=websocket`, {
      perMessageDeflate: { threshold: 0 },
    });
    t.after(() => socket.terminate());
    const texts = [];
    socket.on('message', (data) => texts.push(data.toString()));
    await eventually(() => texts[0]?.startsWith('0{'), 'the open packet');
    const auth = `40/mqtt,${JSON.stringify({ token: token(), recovery: false })}`;
    for (let at = 0; at < auth.length; at += 50)
      socket.send(auth.slice(at, at + 50), { compress: true, fin: at + 50 >= auth.length });
    await eventually(() => texts.some((text) => text.startsWith('40/mqtt,')), 'connected');
    socket.send('42/mqtt,1["mqtt:status"]', { compress: false });
    await eventually(() => texts.some((text) => text.startsWith('43/mqtt,1[')), 'an answer');
    socket.send('42/mqtt,2["mqtt:status"]', { compress: true });
    await eventually(() => texts.some((text) => text.startsWith('43/mqtt,2[')), 'another');
  });

  await t.test('a bomb is closed with 1009, costs no memory, and harms nobody', async (t) => {
    const bystander = await connect(t, gateway, { perMessageDeflate: true });
    await subscribe(bystander, 'compression/bystander', 1);
    const bomb = deflated(Buffer.alloc(300_000_000));
    assert.ok(bomb.length < 400_000, 'it passes for a message of legal size');
    const before = residentPeak(gateway);
    for (let i = 0; i < 5; ++i) {
      const raw = await handshake(t, gateway, offer('permessage-deflate'));
      assert.equal(raw.extensions, answerPlain);
      raw.socket.write(frame(0xc2, bomb));
      assert.equal(await closeCode(raw), 1009);
    }
    const grown = residentPeak(gateway) - before;
    if (!process.env.ASAN_OPTIONS && !process.env.TSAN_OPTIONS) assert.ok(grown < 6_000, `${grown} KiB`);
    await publish(bystander, 'compression/bystander', longText, { qos: 1 });
    assert.equal((await untilMessages(bystander, 1))[0].payload, longText);
    await connect(t, gateway, { perMessageDeflate: true });
  });

  await t.test('misplaced bits and garbage close with their code', async (t) => {
    const hello = deflated(Buffer.from('40/mqtt,'));
    const cases = [
      ['no agreement', undefined, [frame(0xc1, hello)], 1002],
      ['a compressed ping', 'permessage-deflate', [frame(0xc9, Buffer.alloc(0))], 1002],
      ['a continuation that says it again', 'permessage-deflate', [frame(0x41, hello), frame(0xc0, Buffer.alloc(0))], 1002],
      ['another reserved bit', 'permessage-deflate', [frame(0xe1, hello)], 1002],
      ['garbage', 'permessage-deflate', [frame(0xc1, Buffer.from('ffffffff', 'hex'))], 1007],
      ['text that is not UTF-8', 'permessage-deflate', [frame(0xc1, deflated(Buffer.from('34ff', 'hex')))], 1007],
    ];
    for (const [name, value, frames, code] of cases) {
      const raw = await handshake(t, gateway, ...(value ? [offer(value)] : []));
      for (const bytes of frames) raw.socket.write(bytes);
      assert.equal(await closeCode(raw), code, name);
    }
  });
});

test('permessage-deflate is off unless it is switched on', async (t) => {
  const { gateway } = await startBoth(t);
  const raw = await handshake(t, gateway, offer('permessage-deflate; client_max_window_bits'));
  assert.deepEqual([raw.status, raw.extensions], [101, undefined]);
  const socket = await connect(t, gateway, { perMessageDeflate: { threshold: 1024 } });
  assert.equal(wireOf(socket).extensions, '');
  await subscribe(socket, 'compression/off', 1);
  await publish(socket, 'compression/off', longText, { qos: 1 });
  assert.equal((await untilMessages(socket, 1))[0].payload, longText);
});

test('COMPRESSION_THRESHOLD is that of both', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { ...deflateOn, WORKERS: '1', COMPRESSION_THRESHOLD: '20KB' } });
  const other = await brokerClient(t, broker);
  const socket = await connect(t, gateway, { perMessageDeflate: true });
  await subscribe(socket, 'compression/threshold', 1);
  const read = () => wireOf(socket)._socket.bytesRead;
  const before = read();
  await other.publishAsync('compression/threshold', JSON.stringify('z'.repeat(19_000)), { qos: 1 });
  await untilMessages(socket, 1);
  assert.ok(read() - before > 19_000);
  await other.publishAsync('compression/threshold', JSON.stringify('z'.repeat(21_000)), { qos: 1 });
  await untilMessages(socket, 2);
  assert.ok(read() - before < 25_000);
  const { poll } = await pollingSession(gateway, 'compression/threshold');
  for (const [size, coding] of [[19_000, undefined], [21_000, 'gzip']]) {
    const answer = poll('gzip');
    await other.publishAsync('compression/threshold', JSON.stringify('z'.repeat(size)), { qos: 1 });
    assert.equal((await answer).headers['content-encoding'], coding, `${size} bytes`);
  }
});

// ---- polling

/** A session that is polled by hand and holds one subscription, whose messages the next polls bring. */
async function pollingSession(gateway, topic) {
  const { text } = await rest(gateway, 'GET', '/socket.io/?EIO=4&transport=polling', undefined, { token: null });
  const target = `/socket.io/?EIO=4&transport=polling&sid=${JSON.parse(text.slice(1)).sid}`;
  const poll = async (encoding) => {
    for (;;) {
      const headers = encoding ? { 'accept-encoding': encoding } : {};
      const answer = await rest(gateway, 'GET', target, undefined, { token: null, headers });
      if (!isStatus(answer)) return answer;
    }
  };
  const exchange = async (packet, answer) => {
    const { text } = await rest(gateway, 'POST', target, packet, { token: null, headers: { 'content-type': 'text/plain' } });
    assert.equal(text, 'ok');
    await eventually(async () => (await poll()).text.includes(answer), answer);
  };
  await exchange(`40/mqtt,${JSON.stringify({ token: token(), recovery: false })}`, '40/mqtt,');
  await exchange(`42/mqtt,1["mqtt:subscribe",{"topic":"${topic}","qos":1}]`, '43/mqtt,1[{"success":true');
  return { poll };
}

test('gzip for polling', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { WORKERS: '1' } });
  const other = await brokerClient(t, broker);
  const { poll } = await pollingSession(gateway, 'compression/gzip');
  /** The answer to a poll, which holds one message of this many letters. */
  const polled = async (letters, encoding) => {
    const answer = poll(encoding);
    await other.publishAsync('compression/gzip', JSON.stringify('x'.repeat(letters)), { qos: 1 });
    return answer;
  };
  const around = (await polled(10)).bytes.length - 10;

  await t.test('from 1,024 bytes, to whoever takes it', async () => {
    const small = await polled(1_023 - around, 'gzip');
    assert.equal(small.bytes.length, 1_023);
    assert.equal(small.headers['content-encoding'], undefined);
    const large = await polled(1_024 - around, 'gzip, deflate, br');
    assert.equal(large.headers['content-encoding'], 'gzip');
    assert.equal(large.headers['content-type'], 'text/plain; charset=UTF-8');
    assert.match(large.headers.vary, /\bAccept-Encoding\b/);
    assert.match(large.headers.vary, /\bOrigin\b/);
    assert.equal(Number(large.headers['content-length']), large.bytes.length);
    const text = zlib.gunzipSync(large.bytes).toString();
    assert.equal(text.length, 1_024);
    assert.match(text, /^42\/mqtt,\["mqtt:message",\{/);
  });

  await t.test('Accept-Encoding decides', async () => {
    for (const [encoding, coding] of [
      [undefined, undefined], ['identity', undefined], ['br', undefined], ['gzip;q=0', undefined], ['gzip;q=0, *', undefined],
      ['*;q=0', undefined], ['*', 'gzip'], ['br, gzip;q=0.1', 'gzip'], ['x-gzip', 'gzip'], ['GZIP', 'gzip'],
    ]) {
      const answer = await polled(5_000, encoding);
      assert.equal(answer.headers['content-encoding'], coding, encoding);
      const bytes = coding ? zlib.gunzipSync(answer.bytes) : answer.bytes;
      assert.equal(bytes.length, around + 5_000, encoding);
    }
  });

  await t.test('the official client, over fetch, which takes gzip', async (t) => {
    const socket = await connect(t, gateway, { transports: [Fetch] });
    await subscribe(socket, 'compression/fetch', 1);
    const expected = Array.from({ length: 40 }, (_, i) => `${i} ${'ü'.repeat((i % 4) * 2_000)}`);
    for (const payload of expected) other.publish('compression/fetch', JSON.stringify(payload), { qos: 1 });
    await untilMessages(socket, expected.length, 20_000);
    assert.deepEqual(socket.messages.map((m) => m.payload), expected);
  });
});

test('gzip is off where it is switched off', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { WORKERS: '1', HTTP_COMPRESSION: 'false' } });
  const other = await brokerClient(t, broker);
  const { poll } = await pollingSession(gateway, 'compression/plain');
  const answer = poll('gzip');
  await other.publishAsync('compression/plain', JSON.stringify('x'.repeat(5_000)), { qos: 1 });
  assert.equal((await answer).headers['content-encoding'], undefined);
  assert.ok((await answer).bytes.length > 5_000);
  const batch = { messages: Array.from({ length: 50 }, (_, i) => ({ topic: `compression/plain/${i}`, payload: 'x' })) };
  const listed = await rest(gateway, 'POST', '/mqtt/publish/batch', batch, { headers: { 'accept-encoding': 'gzip' } });
  assert.ok(listed.bytes.length > 1_024, listed.text);
  assert.equal(listed.headers['content-encoding'], undefined, 'answers of REST neither');
});
