// Bytes that no client sends. Whatever comes, the program lives on and serves the next one.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once as onceEmitted } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import {
  WebSocket, brokerClient, connect, eventually, publish, rawClient, sleep, startBoth, subscribe, token, untilMessages, within,
} from './harness.mjs';

/** Sends bytes, then waits for the end, or for a while. */
async function throwBytes(gateway, bytes, { patience = 300, end = false } = {}) {
  const socket = net.connect(gateway.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (data) => (answer += data.toString('latin1')));
  socket.on('error', () => {});
  await onceEmitted(socket, 'connect');
  const ended = new Promise((resolve) => socket.once('close', () => resolve(true)));
  socket.write(bytes);
  if (end) socket.end();
  const closed = await Promise.race([ended, sleep(patience).then(() => false)]);
  socket.destroy();
  return { answer, closed };
}

async function upgraded(t, gateway) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket.io/?EIO=4&transport=websocket`);
  t.after(() => socket.terminate());
  socket.on('error', () => {});
  await within(onceEmitted(socket, 'message'), 'the open packet');
  const closed = new Promise((resolve) => socket.once('close', (code) => resolve(code)));
  return { socket, closed, raw: socket._socket };
}

const session = async (gateway) => {
  const text = await (await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`)).text();
  return JSON.parse(text.slice(1)).sid;
};
const poll = (gateway, sid, options) => fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, options);

test('garbage', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { WORKERS: '2' } });
  const other = await brokerClient(t, broker);
  const witness = await connect(t, gateway);
  await subscribe(witness, 'witness', 1);
  let seen = 0;

  /** The gateway is the same process, serves a new client, and has kept the old one. */
  async function healthy(t) {
    assert.equal(gateway.child.exitCode, null);
    assert.equal(gateway.child.signalCode, null);
    const socket = await connect(t, gateway, { transports: ['polling', 'websocket'] });
    const topic = `garbage/${++seen}`;
    await subscribe(socket, topic, 1);
    await publish(socket, topic, seen, { qos: 1 });
    await untilMessages(socket, 1);
    await other.publishAsync('witness', String(seen), { qos: 1 });
    await untilMessages(witness, seen);
  }

  const requests = {
    'random bytes': randomBytes(4096),
    'nothing but zeros': Buffer.alloc(4096),
    'a TLS hello': Buffer.from('16030100c8010000c40303', 'hex'),
    'an MQTT CONNECT': Buffer.from('101000044d5154540402003c000474657374', 'hex'),
    'a line without end': 'G'.repeat(100_000),
    'headers without end': `GET / HTTP/1.1\r\n${'X-A: b\r\n'.repeat(20_000)}`,
    'a header of 1 MB': `GET / HTTP/1.1\r\nX-A: ${'b'.repeat(1_000_000)}\r\n\r\n`,
    'half a request': 'GET /mqtt/health HTTP/1.1\r\nHost: a',
    'a bad version': 'GET / HTTP/9.9\r\nHost: a\r\n\r\n',
    'two lengths': 'POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'a negative length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
    'a huge length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n',
    'a bad chunk': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n',
    'length and chunks at once': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'an upgrade without a key': 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
    'an upgrade of a bad version': 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    'a bad escape in the query': 'GET /socket.io/?EIO=%&transport=%zz HTTP/1.1\r\nHost: a\r\n\r\n',
    'an HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  };
  for (const [name, bytes] of Object.entries(requests)) {
    await t.test(`HTTP: ${name}`, async (t) => {
      const { answer } = await throwBytes(gateway, bytes);
      assert.ok(answer === '' || /^HTTP\/1\.[01] [45]\d\d /.test(answer), answer.slice(0, 100));
      await throwBytes(gateway, bytes, { end: true });
      await healthy(t);
    });
  }

  await t.test('HTTP: a request that comes byte by byte is answered', async () => {
    const socket = net.connect(gateway.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => (answer += data));
    for (const byte of 'GET /mqtt/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n') {
      socket.write(byte);
      await sleep(1);
    }
    await eventually(() => answer.startsWith('HTTP/1.1 200 '), 'the answer');
    socket.destroy();
  });

  await t.test('HTTP: hundreds of half requests are no obstacle', async (t) => {
    const sockets = Array.from({ length: 300 }, () => net.connect(gateway.port, '127.0.0.1'));
    for (const socket of sockets) {
      socket.on('error', () => {});
      socket.write('POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nContent-Le');
    }
    await healthy(t);
    for (const socket of sockets) socket.destroy();
    await healthy(t);
  });

  const frames = {
    'an unmasked frame': [Buffer.from([0x81, 0x01, 0x32]), [1002]],
    'reserved bits': [Buffer.from([0xf1, 0x80, 0, 0, 0, 0]), [1002]],
    'an unknown opcode': [Buffer.from([0x83, 0x80, 0, 0, 0, 0]), [1002]],
    'a fragmented ping': [Buffer.from([0x09, 0x80, 0, 0, 0, 0]), [1002]],
    'a ping of 126 bytes': [Buffer.concat([Buffer.from([0x89, 0xfe, 0, 126, 0, 0, 0, 0]), Buffer.alloc(126)]), [1002]],
    'a continuation of nothing': [Buffer.from([0x80, 0x80, 0, 0, 0, 0]), [1002]],
    'a length of 2^63': [Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), [1002, 1009]],
    'a length of 1 GB': [Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]), [1009]],
    'text that is no UTF-8': [Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]), [1007]],
    'a close frame of one byte': [Buffer.from([0x88, 0x81, 0, 0, 0, 0, 1]), [1002]],
    'random bytes': [randomBytes(2000), undefined],
  };
  for (const [name, [bytes, codes]] of Object.entries(frames)) {
    await t.test(`WebSocket: ${name}`, async (t) => {
      const { closed, raw } = await upgraded(t, gateway);
      raw.write(bytes);
      if (codes) {
        const code = await within(closed, 'close');
        assert.ok([...codes, 1005, 1006].includes(code), `code ${code}`);
      } else {
        await sleep(100);
      }
      await healthy(t);
    });
  }

  await t.test('WebSocket: a message over MAX_PAYLOAD is 1009', async (t) => {
    const { socket, closed } = await upgraded(t, gateway);
    socket.send(`4${'x'.repeat(1_000_001)}`);
    assert.equal(await within(closed, 'close'), 1009);
    await healthy(t);
  });

  const packets = [
    '', '9', 'x', '4', '49', '4abc', '42["mqtt:status"]', '42/mqtt,["mqtt:status"]', '40[]', '40"s"', '40null', '40/mqtt,[]',
    '44/mqtt,{}', '450-', '451[', '4511-["x",{"_placeholder":true,"num":0}]', '430{}', '41{}', `40/${'n'.repeat(100_000)},{}`,
    '0', '2', '2probe', '5', '\u0000', '40/mqtt,{"token":', `40/mqtt,{"token":${'['.repeat(5000)}`,
  ];
  await t.test('packets before CONNECT', async (t) => {
    for (const packet of packets) {
      const { socket } = await upgraded(t, gateway);
      socket.send(packet);
      await sleep(5);
      socket.terminate();
    }
    await healthy(t);
  });

  const closing = [
    '42/mqtt,[]', '42/mqtt,{}', '42/mqtt,"a"', '42/mqtt,[null]', '42/mqtt,[{}]', '42/mqtt,abc["x"]', '42/mqtt,-1["x"]',
    '42/mqtt,["connect"]', '42/mqtt,["disconnect"]', '42/mqtt,["newListener"]', '43/mqtt,abc[]', '43/mqtt,0{}', '41/mqtt,{}',
    '45-/mqtt,["x"]', '4511-/mqtt,["x"]', '451-/mqtt,["x",{"_placeholder":true,"num":1}]', '40/mqtt,{}', '42/other,["x"]', '44/mqtt,{}',
    '42/mqtt,["mqtt:status"',
  ];
  for (const packet of closing) {
    await t.test(`a joined socket is closed for ${packet.slice(0, 40)}`, async (t) => {
      const raw = await rawClient(t, gateway);
      raw.send(packet);
      if (packet.startsWith('451-')) raw.socket.send(Buffer.from([1]));
      await within(raw.closed, 'close');
    });
  }
  await t.test('binary that no packet announced closes', async (t) => {
    const raw = await rawClient(t, gateway);
    raw.socket.send(Buffer.from([1, 2, 3]));
    await within(raw.closed, 'close');
  });
  await t.test('text while attachments are due closes', async (t) => {
    const raw = await rawClient(t, gateway);
    raw.send('451-/mqtt,["mqtt:publish",{"topic":"a","payload":{"_placeholder":true,"num":0}}]');
    raw.send('42/mqtt,["mqtt:status"]');
    await within(raw.closed, 'close');
  });
  await t.test('afterwards all is well', healthy);

  await t.test('JSON nested deep in an event harms nobody', async (t) => {
    const raw = await rawClient(t, gateway);
    raw.send(`42/mqtt,["mqtt:publish",{"topic":"a","payload":${'['.repeat(100_000)}}]`);
    await within(raw.closed, 'close');
    const second = await rawClient(t, gateway);
    second.send(`42/mqtt,1["mqtt:publish",{"topic":"a","payload":${'['.repeat(600)}${']'.repeat(600)}}]`);
    // Well-formed, but deeper than anything is taken: refused, or closed as what is no packet.
    const refused = second.find(/^43\/mqtt,1\[\{"success":false,.*"statusCode":400/);
    refused.catch(() => {});
    await Promise.race([second.closed, refused]);
    await healthy(t);
  });

  await t.test('polling: bodies that are no packets', async (t) => {
    for (const body of ['', 'x', '4\x1e', '\x1e', 'b***', '9', '4'.repeat(1000), 'bAAAA']) {
      const sid = await session(gateway);
      const response = await poll(gateway, sid, { method: 'POST', body });
      assert.ok([200, 400].includes(response.status), `${response.status} for ${JSON.stringify(body)}`);
      await response.text();
    }
    await healthy(t);
  });

  await t.test('polling: a body over MAX_PAYLOAD is 413, and the session lives', async () => {
    const sid = await session(gateway);
    const response = await poll(gateway, sid, { method: 'POST', body: 'x'.repeat(1_000_001) }).catch(() => undefined);
    if (response) assert.equal(response.status, 413);
    const joined = await poll(gateway, sid, { method: 'POST', body: `40/mqtt,${JSON.stringify({ token: token() })}` });
    assert.equal(joined.status, 200);
    assert.match(await (await poll(gateway, sid)).text(), /^40\/mqtt,\{/);
  });

  await t.test('polling: unknown sessions, methods and versions', async (t) => {
    const cases = [
      ['EIO=4&transport=polling&sid=unknown', {}, 1],
      ['EIO=4&transport=tape', {}, 0],
      ['EIO=4', {}, 0],
      ['EIO=3&transport=polling', {}, 5],
      ['transport=polling', {}, 5],
      ['EIO=4&transport=polling', { method: 'POST', body: 'x' }, 2],
      ['EIO=4&transport=websocket', {}, 3],
    ];
    for (const [query, options, code] of cases) {
      const response = await fetch(`${gateway.url}/socket.io/?${query}`, options);
      assert.equal(response.status, 400, query);
      assert.equal((await response.json()).code, code, query);
    }
    await healthy(t);
  });

  await t.test('a storm of garbage from many sides at once', async (t) => {
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        if (i % 3 === 0) await throwBytes(gateway, randomBytes(3000));
        else {
          const { raw } = await upgraded(t, gateway);
          raw.write(i % 3 === 1 ? randomBytes(3000) : Buffer.concat([Buffer.from([0x81, 0xfe, 0x04, 0, 0, 0, 0, 0]), randomBytes(1024)]));
          await sleep(50);
        }
      }),
    );
    await healthy(t);
  });
});
