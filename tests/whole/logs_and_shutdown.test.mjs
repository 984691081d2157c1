// What is written about the life of the gateway, in both forms, what never is, and how it ends.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import {
  ask, brokerClient, connect, eventually, freePort, gatewayEnvironment, isoTime, makeClient, publish, rawHttp, rest,
  secret, sleep, startBoth, startBroker, startGateway, startProgram, startProxy, subscribe, succeed, token, untilMessages,
  untilReady, within,
} from './harness.mjs';

/** Waits for a line of the log that has all these members; a regular expression has to match. */
const logged = (gateway, wanted) =>
  eventually(
    () =>
      gateway.log.find((line) =>
        Object.entries(wanted).every(([name, value]) =>
          value instanceof RegExp ? value.test(line[name] ?? '') : line[name] === value,
        ),
      ),
    `a log line like ${JSON.stringify(wanted, (_, v) => (v instanceof RegExp ? String(v) : v))}`,
  );

test('the log as JSON, at debug', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { LOG_LEVEL: 'debug', WORKERS: '2' } });
  const other = await brokerClient(t, broker);
  const socket = await connect(t, gateway);
  const id = socket.id;
  const post = (target, body, requestId, options = {}) =>
    rest(gateway, 'POST', target, body, { ...options, headers: { 'x-request-id': requestId } });

  await t.test('connections carry the socket, the user and the reason', async (t) => {
    const line = await logged(gateway, { event: 'client connected', socket: id });
    assert.deepEqual([line.level, line.user], ['info', 'alice']);
    const guest = await connect(t, gateway, { auth: { token: token({ sub: 'guest' }) } });
    const guestId = guest.id;
    guest.disconnect();
    const gone = await logged(gateway, { event: 'client disconnected', socket: guestId });
    assert.deepEqual([gone.level, gone.user], ['info', 'guest']);
    assert.ok(gone.reason);
    const refused = makeClient(t, gateway, { auth: { token: 'nonsense' } });
    await within(new Promise((resolve) => refused.once('connect_error', resolve)), 'connect_error');
    assert.match((await logged(gateway, { event: 'connection refused' })).reason, /^Token verification failed/);
  });

  await t.test('what a socket does', async () => {
    await subscribe(socket, 'log/socket', 1);
    await publish(socket, 'log/socket', 1, { qos: 1 });
    await untilMessages(socket, 1);
    await succeed(socket, 'mqtt:unsubscribe', { topic: 'log/socket' });
    for (const event of ['subscribe', 'publish', 'unsubscribe']) {
      const line = await logged(gateway, { event, socket: id, topic: 'log/socket' });
      assert.deepEqual([line.level, line.user], [event === 'subscribe' ? 'info' : 'debug', 'alice'], event);
    }
    await logged(gateway, { event: 'message', level: 'debug', topic: 'log/socket' });
    await ask(socket, 'mqtt:publish', { topic: 'users/bob/x', payload: 1 });
    const denied = await logged(gateway, { event: 'denied', level: 'info', socket: id, topic: 'users/bob/x' });
    assert.deepEqual(
      [denied.user, denied.remote, denied.operation, denied.reason],
      ['alice', '127.0.0.1', 'mqtt:publish', 'rule 4 of the built-in policy'],
    );
    const failed = await logged(gateway, { event: 'request failed', socket: id, topic: 'users/bob/x' });
    assert.match(JSON.stringify(failed), /Not authorized to publish to users\/bob\/x/);
  });

  await t.test('what a request does, under the id that it brought', async () => {
    const answers = [
      [await post('/mqtt/subscribe', { topic: 'log/rest' }, 'id-subscribe'), 201, 'subscribe'],
      [await post('/mqtt/publish', { topic: 'log/rest', payload: 1, qos: 1 }, 'id-publish'), 200, 'publish'],
      [await post('/mqtt/publish', { topic: 'users/bob/y', payload: 1 }, 'id-denied'), 403, 'request failed'],
    ];
    for (const [answer, status, event] of answers) {
      assert.equal(answer.status, status, answer.text);
      const request = answer.headers['x-request-id'];
      assert.match(request, /^id-/);
      const operation = await logged(gateway, { event, request });
      assert.equal(operation.level, event === 'subscribe' ? 'info' : 'debug');
      assert.match(operation.topic, /^(log\/rest|users\/bob\/y)$/);
      const line = await logged(gateway, { event: 'request', request });
      assert.deepEqual([line.level, line.method, line.status, line.user], ['debug', 'POST', status, 'alice']);
      assert.match(line.path, /^\/mqtt\/(publish|subscribe)$/);
      assert.match(line.time, isoTime);
    }
    const headers = { 'x-request-id': 'id-unsubscribe' };
    const ended = await rest(gateway, 'DELETE', '/mqtt/unsubscribe/log%2Frest', undefined, { headers });
    assert.equal(ended.headers['x-request-id'], 'id-unsubscribe');
    await logged(gateway, { event: 'unsubscribe', request: 'id-unsubscribe', topic: 'log/rest', user: 'alice' });
    await logged(gateway, { event: 'request', request: 'id-unsubscribe', method: 'DELETE', status: 200 });
  });

  await t.test('without one the gateway makes one, on failures too', async () => {
    const seen = new Set();
    for (const [method, target, bearer, status] of [
      ['GET', '/mqtt/status', token(), 200], ['GET', '/mqtt/status', token(), 200], ['GET', '/mqtt/status', null, 401],
      ['GET', '/nope', token(), 404], ['POST', '/mqtt/publish', token(), 400], ['GET', '/mqtt/health', null, 200],
    ]) {
      const answer = await rest(gateway, method, target, undefined, { token: bearer });
      assert.equal(answer.status, status);
      const request = answer.headers['x-request-id'];
      assert.ok(request, `${method} ${target}`);
      const line = await logged(gateway, { event: 'request', request });
      assert.deepEqual([line.method, line.path, line.status], [method, target, status]);
      seen.add(request);
    }
    assert.equal(seen.size, 6);
  });

  await t.test('nothing that a client sends breaks a line', async (t) => {
    for (const wild of ['"},{"level":"error"', 'a\\"b', 'x'.repeat(5000), '\u00e4\u00ff']) {
      const answer = await rest(gateway, 'GET', '/mqtt/status', undefined, { headers: { 'x-request-id': wild } });
      assert.ok([200, 400, 431].includes(answer.status));
      if (answer.status === 200) assert.ok(answer.headers['x-request-id']);
    }
    await connect(t, gateway, { auth: { token: token({ sub: 'eve\n{"level":"error","event":"forged"}' }) } });
    await logged(gateway, { event: 'client connected', user: /^eve/ });
    await sleep(50);
    assert.equal(gateway.text.trimEnd().split('\n').length, gateway.log.length, 'every line is JSON');
    for (const { time, level, event } of gateway.log) {
      assert.match(time, isoTime);
      assert.ok(['debug', 'info', 'warn', 'warning', 'error'].includes(level) && event, event);
    }
    assert.ok(!gateway.log.some((line) => line.event === 'forged'));
  });

  await t.test('the broker that goes and comes', async () => {
    await logged(gateway, { event: 'broker connected', level: 'info' });
    await other.endAsync(true);
    await broker.kill();
    const line = await logged(gateway, { event: 'broker disconnected' });
    assert.match(line.level, /^warn/);
    assert.ok(line.reason);
    await broker.restart();
    await eventually(() => gateway.log.filter((l) => l.event === 'broker connected').length > 1, 'connected again');
  });
});

test('at info nothing is said of single messages and requests that went well', async (t) => {
  const { gateway } = await startBoth(t, { env: { LOG_LEVEL: 'info' } });
  const socket = await connect(t, gateway);
  await subscribe(socket, 'log/quiet', 1);
  await publish(socket, 'log/quiet', 1, { qos: 1 });
  await rest(gateway, 'POST', '/mqtt/publish', { topic: 'log/quiet', payload: 1, qos: 1 });
  await rest(gateway, 'POST', '/mqtt/publish', { topic: 'users/bob/x', payload: 1 });
  await logged(gateway, { event: 'client connected' });
  await logged(gateway, { event: 'denied' });
  await sleep(50);
  assert.deepEqual(
    gateway.log.filter((line) => line.topic).map(({ event, topic }) => [event, topic]),
    [['subscribe', 'log/quiet'], ['denied', 'users/bob/x']],
  );
  assert.deepEqual(gateway.log.filter((line) => line.level === 'debug' || line.event === 'request'), []);
});

test('the log as text', async (t) => {
  const broker = await startBroker(t);
  const port = await freePort();
  const env = gatewayEnvironment({ broker, env: { LOG_FORMAT: 'text', LOG_LEVEL: 'debug', PORT: String(port) } });
  const gateway = await startProgram(t, { env, awaitListening: false });
  Object.assign(gateway, { port, url: `http://127.0.0.1:${port}` });
  await untilReady(gateway);
  const socket = await connect(t, gateway, { auth: { token: token({ sub: 'eve\nERROR forged' }) } });
  await publish(socket, 'log/text', 1);
  await rest(gateway, 'GET', '/mqtt/status', undefined, { headers: { 'x-request-id': 'id-of-text' } });
  const line = (pattern) => eventually(() => gateway.text.split('\n').find((l) => pattern.test(l)), `${pattern}`);
  await line(new RegExp(`INFO +client connected .*socket="?${socket.id}`));
  await line(new RegExp(`DEBUG +publish .*socket="?${socket.id}.*topic="?log/text`));
  await line(/DEBUG +request .*request="?id-of-text.*path="?\/mqtt\/status.*status=200/);
  for (const each of gateway.text.trimEnd().split('\n')) {
    assert.match(each, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARN|ERROR) +[a-z]/);
    assert.ok(!each.includes('\x1b'), 'no colours but on a terminal');
  }
});

test('tokens and passwords are never written', async (t) => {
  const broker = await startBroker(t);
  const password = 'hush-the-password-of-the-broker';
  const gateway = await startGateway(t, {
    env: { LOG_LEVEL: 'debug', MQTT_URL: `mqtt://user:${password}@127.0.0.1:${broker.port}` },
  });
  await untilReady(gateway);
  const good = token();
  const bad = token({}, { key: 'not the secret that the gateway knows' });
  const old = token({ exp: 1 });
  await connect(t, gateway, { auth: { token: good } });
  await connect(t, gateway, { auth: {}, extraHeaders: { authorization: `Bearer ${good}` } });
  for (const refused of [bad, old]) {
    const socket = makeClient(t, gateway, { auth: { token: refused } });
    await within(new Promise((resolve) => socket.once('connect_error', resolve)), 'connect_error');
  }
  for (const bearer of [good, bad, old, 'sb_secret_hush', 'fmk_hush']) {
    await rest(gateway, 'GET', '/mqtt/status', undefined, { token: bearer });
    await rest(gateway, 'GET', `/mqtt/status?token=${bearer}&ticket=${bearer}`, undefined, { token: null });
    await rest(gateway, 'GET', `/nope?access_token=${bearer}`, undefined, { token: bearer });
  }
  await broker.kill();
  await gateway.logged('broker disconnected');
  await gateway.stop();
  for (const hidden of [good, bad, old].map((each) => each.split('.')[2])) assert.ok(!gateway.text.includes(hidden));
  for (const hidden of [password, secret, 'sb_secret_hush', 'fmk_hush']) assert.ok(!gateway.text.includes(hidden), hidden);
});

/** A broker that tells who said goodbye, behind a proxy, and a gateway. */
async function drained(t, env = {}) {
  const broker = await startBroker(t, { settings: ['log_type all'] });
  let said = '';
  broker.child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  const proxy = await startProxy(t, broker.port);
  const gateway = await startGateway(t, { broker: { port: proxy.port }, env: { MQTT_CLIENT_ID: 'the-gateway', ...env } });
  await untilReady(gateway);
  return { broker, proxy, gateway, said: () => said };
}
const terminate = (gateway) => process.kill(gateway.pid, 'SIGTERM');
const refusedAt = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(false)).on('error', (error) => resolve(error.code === 'ECONNREFUSED'));
    socket.on('close', () => socket.destroy());
  });

test('SIGTERM finishes what is in flight', async (t) => {
  const { broker, proxy, gateway, said } = await drained(t);
  const other = await brokerClient(t, broker);
  await other.subscribeAsync('down/#', { qos: 2 });
  const sockets = await Promise.all([1, 2, 3].map(() => connect(t, gateway)));
  const polling = await connect(t, gateway, { transports: ['polling'] });
  const idle = await rawHttp(t, gateway);
  idle.send('GET /mqtt/health HTTP/1.1\r\nHost: x\r\n\r\n');
  await idle.answers(1);

  proxy.freeze();
  const byRest = [1, 2].map((qos) =>
    rest(gateway, 'POST', '/mqtt/publish', { topic: `down/${qos}`, payload: qos, qos }, { ms: 15_000 }));
  const bySocket = ask(sockets[0], 'mqtt:publish', { topic: 'down/socket', payload: 1, qos: 1 });
  await sleep(300);
  terminate(gateway);
  await Promise.all([...sockets, polling].map((socket) =>
    eventually(() => socket.statuses.some((status) => status.shuttingDown === true), 'shuttingDown')));
  await eventually(() => refusedAt(gateway.port), 'new connections are refused');
  assert.equal(gateway.child.exitCode, null, 'it still waits for the broker');
  await sleep(300);
  proxy.thaw();
  for (const answer of await Promise.all(byRest)) assert.equal(answer.status, 200, answer.text);
  assert.equal((await bySocket).success, true);
  const { code, signal } = await within(gateway.ended, 'the end', 12_000);
  assert.deepEqual([code, signal], [0, null]);
  await eventually(() => other.received.length >= 3, 'all of it at the broker');
  assert.deepEqual(other.received.map((m) => m.topic).sort(), ['down/1', 'down/2', 'down/socket']);
  await eventually(() => /Received DISCONNECT from the-gateway/.test(said()), 'MQTT DISCONNECT');
  assert.ok(!/the-gateway closed its connection|the-gateway has exceeded timeout/.test(said()), 'no other end than that');
  assert.ok(gateway.log.some((line) => line.event === 'shutting down'));
  await Promise.all([...sockets, polling].map((socket) => eventually(() => !socket.connected, 'every socket is closed')));
});

test('SIGTERM waits for SHUTDOWN_TIMEOUT at most, and asks no socket to stay away', async (t) => {
  const { proxy, gateway } = await drained(t, { SHUTDOWN_TIMEOUT: '1s' });
  const socket = await connect(t, gateway);
  const reasons = [];
  socket.on('disconnect', (reason) => reasons.push(reason));
  proxy.freeze();
  const stuck = rest(gateway, 'POST', '/mqtt/publish', { topic: 'down/stuck', payload: 1, qos: 1 }).catch((error) => error);
  await sleep(200);
  const began = Date.now();
  terminate(gateway);
  const { code, signal } = await within(gateway.ended, 'the end');
  assert.deepEqual([code, signal], [0, null]);
  assert.ok(Date.now() - began < 3500, `${Date.now() - began} ms`);
  const outcome = await stuck;
  if (!(outcome instanceof Error)) assert.ok([503, 504].includes(outcome.status), outcome.text);
  await eventually(() => reasons.length > 0, 'the socket is closed');
  assert.ok(['transport close', 'transport error'].includes(reasons[0]), reasons[0]);
});

test('SIGINT without anything in flight ends soon, idle connections or not', async (t) => {
  const { gateway, said } = await drained(t);
  const idle = await rawHttp(t, gateway);
  idle.send('GET /mqtt/health HTTP/1.1\r\nHost: x\r\n\r\n');
  await idle.answers(1);
  const half = await rawHttp(t, gateway);
  half.send('POST /mqtt/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{');
  const began = Date.now();
  process.kill(gateway.pid, 'SIGINT');
  assert.equal((await within(gateway.ended, 'the end', 12_000)).code, 0);
  assert.ok(Date.now() - began < 11_000);
  await idle.closed;
  await eventually(() => /Received DISCONNECT from the-gateway/.test(said()), 'MQTT DISCONNECT');
});

test('while it shuts down a request on a connection that is there is answered, and the connection closed', async (t) => {
  const { proxy, gateway } = await drained(t);
  const raw = await rawHttp(t, gateway);
  const body = '{"topic":"down/kept","payload":1,"qos":1}';
  proxy.freeze();
  raw.send(`POST /mqtt/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token()}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await sleep(200);
  terminate(gateway);
  await sleep(200);
  proxy.thaw();
  await raw.closed;
  const [answer, ...others] = await raw.answers(1);
  assert.equal(answer.status, 200, answer.body);
  assert.match(answer.head, /connection: close/i);
  assert.deepEqual(others, []);
  assert.equal((await within(gateway.ended, 'the end', 12_000)).code, 0);
});
