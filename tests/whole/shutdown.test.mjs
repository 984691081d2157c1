// The end of the gateway: its clients are told and come back elsewhere, and what had reached it is answered.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import {
  brokerClient, connect, eventually, makeClient, once, publish, rawClient, rawHttp, sleep, startBoth, startBroker,
  startGateway, startProxy, subscribe, token, untilReady, within,
} from './harness.mjs';
import { carry, startTcpProxy } from './tcp_proxy.mjs';

const publishRequest = (payload) => {
  const body = JSON.stringify({ topic: 'flight', payload, qos: 1 });
  return `POST /mqtt/publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token()}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`${signal}: sockets are told, transports closed without DISCONNECT, exit 0`, async (t) => {
    const { gateway } = await startBoth(t, { env: { SHUTDOWN_TIMEOUT: '2s' } });
    const sockets = await Promise.all([['websocket'], ['polling'], ['websocket']].map((transports) => connect(t, gateway, { transports })));
    const reasons = sockets.map((socket) => once(socket, 'disconnect'));
    // A polling client that is just between two polls finds nobody listening: it comes back elsewhere untold.
    await sleep(300);
    const began = Date.now();
    gateway.child.kill(signal);
    const { code } = await within(gateway.ended, 'the end', 10_000);
    assert.equal(code, 0);
    assert.ok(Date.now() - began < 4000);
    for (const socket of sockets) {
      await eventually(() => socket.statuses.at(-1).shuttingDown === true, 'mqtt:status with shuttingDown');
    }
    for (const reason of reasons) assert.ok(['transport close', 'transport error'].includes(await reason));
  });
}

test('what is in flight is finished', async (t) => {
  const { gateway } = await startBoth(t, { env: { SHUTDOWN_TIMEOUT: '4s' } });
  const socket = makeClient(t, gateway);
  await once(socket, 'connect');
  const replies = Array.from({ length: 200 }, (_, i) => publish(socket, 'flight', i, { qos: 2 }));
  await replies[0];
  gateway.child.kill('SIGTERM');
  const outcomes = await Promise.allSettled(replies.map((reply) => within(reply, 'reply', 5000)));
  assert.deepEqual(outcomes.filter((o) => o.status !== 'fulfilled'), []);
  assert.equal((await within(gateway.ended, 'the end', 10_000)).code, 0);
});

test('what had come before it, read or not, is answered', async (t) => {
  const { gateway } = await startBoth(t, { env: { SHUTDOWN_TIMEOUT: '4s' } });
  const socket = await connect(t, gateway);
  // As browsers do: a connection of its own for each poll would find nobody listening.
  const agent = new http.Agent({ keepAlive: true });
  const polling = await connect(t, gateway, { transports: ['polling'], agent });
  await sleep(300);
  gateway.child.kill('SIGSTOP');
  const replies = Array.from({ length: 50 }, (_, i) => publish(socket, 'flight', i, { qos: 1 }));
  replies.push(publish(polling, 'flight', 50, { qos: 1 }));
  // New connections, which nobody has accepted yet.
  const headers = { authorization: `Bearer ${token()}`, 'content-type': 'application/json' };
  const responses = Array.from({ length: 20 }, (_, i) =>
    fetch(`${gateway.url}/mqtt/publish`, { method: 'POST', headers, body: JSON.stringify({ topic: 'flight', payload: i, qos: 1 }) }));
  await sleep(300);
  gateway.child.kill('SIGTERM');
  gateway.child.kill('SIGCONT');
  await Promise.all(replies);
  for (const response of await Promise.all(responses)) assert.equal(response.status, 200);
  assert.equal((await within(gateway.ended, 'the end', 10_000)).code, 0);
});

test('a request that has begun to arrive is waited for', async (t) => {
  const { gateway } = await startBoth(t, { env: { SHUTDOWN_TIMEOUT: '4s' } });
  const raw = await rawHttp(t, gateway);
  const request = publishRequest('in two pieces');
  raw.send(request.slice(0, -20));
  await sleep(200);
  gateway.child.kill('SIGTERM');
  await sleep(300);
  raw.send(request.slice(-20));
  assert.equal((await within(gateway.ended, 'the end', 10_000)).code, 0);
  assert.match(raw.text, /^HTTP\/1.1 200 /);
  assert.match(raw.text, /Connection: close/i);
});

test('nothing listens afterwards', async (t) => {
  const { gateway } = await startBoth(t);
  await gateway.stop();
  await sleep(20);
  await assert.rejects(fetch(`${gateway.url}/mqtt/health`));
});

/** What goes through it is `ms` late, in both directions. */
async function startSlowWire(t, port, ms) {
  const tcp = await startTcpProxy(port, {
    onPair(pair) {
      pair.held = true; // its end is as late as its bytes
      for (const [from, to] of [[pair.inner, pair.outer], [pair.outer, pair.inner]])
        from.on('end', () => setTimeout(() => to.end(), ms));
    },
    onData: (_, from, to, data) => setTimeout(() => carry(from, to, data), ms),
  });
  t.after(tcp.close);
  return { port: tcp.port, url: `http://127.0.0.1:${tcp.port}` };
}

/** A gateway whose broker can be made to keep silent. */
async function startBehindProxy(t, env) {
  const broker = await startBroker(t);
  const proxy = await startProxy(t, broker.port);
  const gateway = await startGateway(t, { broker: { port: proxy.port }, env });
  await untilReady(gateway);
  return { broker, proxy, gateway };
}

for (const SHUTDOWN_TIMEOUT of ['0s', '1ms', '50ms'])
  test(`in ${SHUTDOWN_TIMEOUT} it ends all the same, whoever waits for an answer`, async (t) => {
    const { proxy, gateway } = await startBehindProxy(t, { SHUTDOWN_TIMEOUT });
    const socket = await connect(t, gateway);
    const disconnected = once(socket, 'disconnect');
    proxy.freeze();
    const reply = publish(socket, 'flight', 1, { qos: 1 }).catch(() => 'none');
    await sleep(200);
    gateway.child.kill('SIGTERM');
    assert.equal((await within(gateway.ended, 'the end', 5000)).code, 0);
    await disconnected;
    assert.equal(await reply, 'none');
  });

test('who publishes without end does not hold up the end, and what it had sent before it was told is answered', async (t) => {
  const broker = await startBroker(t);
  const wire = await startSlowWire(t, broker.port, 15);
  const gateway = await startGateway(t, { broker: wire, env: { SHUTDOWN_TIMEOUT: '9s' } });
  await untilReady(gateway);
  const socket = await connect(t, gateway);
  const told = () => socket.statuses.at(-1).shuttingDown === true;
  const before = [];
  const talk = (async () => {
    for (let i = 0; socket.connected; ++i) {
      const reply = publish(socket, 'flight', i, { qos: 1 });
      reply.catch(() => {});
      if (!told()) before.push(reply);
      await sleep(10);
    }
  })();
  await sleep(300);
  const began = Date.now();
  gateway.child.kill('SIGTERM');
  assert.equal((await within(gateway.ended, 'the end', 20_000)).code, 0);
  assert.ok(Date.now() - began < 8000);
  await talk;
  await Promise.all(before);
});

test('a polling client gets its answers over the connection it has, however far it is, and no new session', async (t) => {
  const { proxy, gateway } = await startBehindProxy(t, { SHUTDOWN_TIMEOUT: '9s' });
  const wire = await startSlowWire(t, gateway.port, 100);
  const clients = [];
  for (let i = 0; i < 4; ++i)
    clients.push(
      await connect(t, wire, {
        transports: ['polling'], agent: new http.Agent({ keepAlive: true }), reconnection: true, reconnectionDelay: 100,
      }),
    );
  // Others, so that the end takes a while.
  for (let i = 0; i < 150; ++i) await connect(t, gateway);
  await sleep(600);
  let again = 0;
  for (const client of clients) client.on('connect', () => ++again);
  proxy.freeze();
  const replies = clients.map((client, i) => publish(client, 'flight', i, { qos: 1 }));
  await sleep(250);
  gateway.child.kill('SIGTERM');
  await sleep(50);
  proxy.thaw();
  await Promise.all(replies);
  for (const client of clients) await eventually(() => client.statuses.at(-1).shuttingDown, 'mqtt:status with shuttingDown');
  assert.equal((await within(gateway.ended, 'the end', 20_000)).code, 0);
  assert.equal(again, 0);
});

test('a message that has begun to arrive is waited for, over either transport', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { SHUTDOWN_TIMEOUT: '9s' } });
  const other = await brokerClient(t, broker);
  await other.subscribeAsync('flight', { qos: 1 });
  const event = (from) => `42/mqtt,1["mqtt:publish",{"topic":"flight","payload":"${from}${'x'.repeat(70_000)}","qos":1}]`;

  const raw = await rawClient(t, gateway);
  const head = Buffer.alloc(14);
  head.writeUInt16BE(0x81ff);
  head.writeBigUInt64BE(BigInt(event('websocket').length), 2);
  const frame = Buffer.concat([head, Buffer.from(event('websocket'))]);  // masked with zeroes
  raw.socket._socket.write(frame.subarray(0, 20_000));

  const ask = (method, query, body) =>
    fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling${query}`, { method, body }).then((response) => response.text());
  const { sid } = JSON.parse((await ask('GET', '')).slice(1));
  await ask('POST', `&sid=${sid}`, `40/mqtt,${JSON.stringify({ token: token(), recovery: false })}`);
  await eventually(async () => (await ask('GET', `&sid=${sid}`)).includes('mqtt:status'), 'its first status');
  const post = await rawHttp(t, gateway);
  const body = event('polling');
  post.send(`POST /socket.io/?EIO=4&transport=polling&sid=${sid} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 20_000)}`);

  await sleep(300);
  gateway.child.kill('SIGTERM');
  await sleep(300);
  raw.socket._socket.write(frame.subarray(20_000));
  post.send(body.slice(20_000));
  await raw.find(/^43\/mqtt,1\[\{"success":true/);
  await post.find(/200 OK/);
  assert.equal((await within(gateway.ended, 'the end', 20_000)).code, 0);
  await eventually(() => other.received.length === 2, 'both of them');
});

test('who comes to the namespace when it ends is sent elsewhere, not refused', async (t) => {
  const { gateway } = await startBoth(t, { env: { WORKERS: '1', SHUTDOWN_TIMEOUT: '9s' } });
  const raw = await rawClient(t, gateway, { auth: null });
  // Others, so that the end takes a while.
  for (let i = 0; i < 50; ++i) await connect(t, gateway);
  gateway.child.kill('SIGTERM');
  await gateway.logged('shutting down');
  await sleep(20);
  raw.send(`40/mqtt,${JSON.stringify({ token: token() })}`);
  await within(raw.closed, 'the close');
  assert.deepEqual(raw.texts.filter((text) => text.startsWith('4')), []);
  assert.equal((await within(gateway.ended, 'the end')).code, 0);
});

test('a new session is refused on a connection that is kept', async (t) => {
  const { gateway } = await startBoth(t, { env: { WORKERS: '1', SHUTDOWN_TIMEOUT: '9s' } });
  const slow = await rawHttp(t, gateway);
  slow.send(publishRequest('held').slice(0, -5));
  const kept = await rawHttp(t, gateway);
  kept.send('GET /mqtt/health HTTP/1.1\r\nHost: a\r\n\r\n');
  await kept.answers(1);
  await sleep(100);
  gateway.child.kill('SIGTERM');
  await gateway.logged('shutting down');
  await sleep(100);
  kept.send('GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n');
  await within(kept.closed, 'the close');
  assert.match(kept.text, /HTTP\/1.1 503 [^]*Connection: close[^]*"The server is shutting down"/i);
  slow.send(publishRequest('held').slice(-5));
  await slow.find(/^HTTP\/1.1 200 /);
  assert.equal((await within(gateway.ended, 'the end', 20_000)).code, 0);
});

test('a worker that is done takes nothing up while others are not', async (t) => {
  const { proxy, gateway } = await startBehindProxy(t, { WORKERS: '2', SHUTDOWN_TIMEOUT: '9s' });
  const slow = await rawHttp(t, gateway);
  slow.send(publishRequest('held').slice(0, -5));
  const kept = [];
  for (let i = 0; i < 12; ++i) {
    const raw = await rawHttp(t, gateway);
    raw.send('GET /mqtt/health HTTP/1.1\r\nHost: a\r\n\r\n');
    await raw.answers(1);
    raw.isClosed = false;
    raw.closed.then(() => (raw.isClosed = true));
    kept.push(raw);
  }
  gateway.child.kill('SIGTERM');
  // On one of the two workers nothing is under way.
  await eventually(() => kept.some((raw) => raw.isClosed), 'the close of those on the worker that is done');
  proxy.freeze();
  await sleep(100);
  const open = kept.filter((raw) => !raw.isClosed);
  for (const raw of open) raw.send(publishRequest('late'));
  await sleep(300);
  slow.send(publishRequest('held').slice(-5));
  await sleep(300);
  proxy.thaw();
  for (const raw of [...open, slow]) await raw.find(/HTTP\/1.1 200 OK[^]*flight/);
  assert.equal((await within(gateway.ended, 'the end', 20_000)).code, 0);
});

test('what a busy broker has yet to read reaches it', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const other = await brokerClient(t, broker);
  const flood = await brokerClient(t, broker);
  await other.subscribeAsync('down/#');
  const sockets = await Promise.all(Array.from({ length: 10 }, () => connect(t, gateway)));
  await subscribe(sockets[0], 'flood', 0);
  let over = false;
  const pump = (async () => {
    for (; !over; await sleep(4)) for (let i = 0; i < 40; ++i) flood.publish('flood', Buffer.alloc(2000, 97));
  })();
  const answered = new Set();
  let sent = 0;
  const talk = sockets.map(async (socket) => {
    while (!over && socket.connected) {
      const topic = `down/${sent++}`;
      await publish(socket, topic, 'y'.repeat(500)).then(() => answered.add(topic), () => {});
    }
  });
  await sleep(400);
  broker.child.kill('SIGSTOP');
  await sleep(20);
  gateway.child.kill('SIGTERM');
  await sleep(600);
  broker.child.kill('SIGCONT');
  assert.equal((await within(gateway.ended, 'the end', 20_000)).code, 0);
  over = true;
  await Promise.all([pump, ...talk]);
  const arrived = () => new Set(other.received.map((message) => message.topic));
  await eventually(() => [...answered].every((topic) => arrived().has(topic)), 'all that was answered').catch(() => {});
  const seen = arrived();
  assert.deepEqual([...answered].filter((topic) => !seen.has(topic)), [], `of ${answered.size}`);
});
