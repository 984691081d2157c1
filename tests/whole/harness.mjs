// What every test of the whole program needs: a broker, a gateway, tokens, clients, and a wire that can be cut or frozen.
// Everything that is started belongs to a test's context and ends with it, by its process id.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once as onceEmitted } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { carry, startTcpProxy } from './tcp_proxy.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

async function load(name) {
  try {
    return await import(name);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(`${name} is not installed: run scripts/setup test, or npm ci in tests/whole`);
  }
}
const { io } = await load('socket.io-client');
export const { default: mqtt } = await load('mqtt');
export const { default: WebSocket } = await load('ws');

export const program = process.env.FAMEMELY_MQTT ?? path.join(here, '../../build/dev/famemely-mqtt');
if (!existsSync(program)) throw new Error(`${program} is not built: set FAMEMELY_MQTT to the program under test`);

export const secret = 'the-tests-sign-their-tokens-with-this-secret';
/** Milliseconds until something that must come is given up: many, because a machine that builds beside it is slow. */
export const patience = 20_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Fails with what was waited for, instead of a test that hangs. */
export function within(promise, what, ms = patience) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function eventually(condition, what, ms = patience) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(10);
  }
}

export const once = (emitter, event, ms = patience) =>
  within(new Promise((resolve) => emitter.once(event, (...values) => resolve(values[0]))), `event ${event}`, ms);

// ---- tokens

const base64url = (text) => Buffer.from(text).toString('base64url');

/** A token signed as Supabase's legacy secret does; members set to undefined are left out. */
export function token(claims = {}, { key = secret, header = {} } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const body = { sub: 'alice', aud: 'authenticated', role: 'authenticated', iat: now, exp: now + 3600, ...claims };
  const signed = `${base64url(JSON.stringify({ alg: 'HS256', typ: 'JWT', ...header }))}.${base64url(JSON.stringify(body))}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

export const adminToken = (claims = {}) => token({ sub: 'root', user_role: 'admin', ...claims });

// ---- processes

const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** A child process that dies with this one; `ended` tells how it ended. */
export function start(command, args, options) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  children.add(child);
  child.ended = new Promise((resolve) => {
    child.once('error', (error) => resolve({ error }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  }).then((outcome) => {
    children.delete(child);
    return outcome;
  });
  return child;
}

export async function stop(child, signal = 'SIGTERM') {
  child.kill(signal);
  if (signal !== 'SIGKILL') {
    const killer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await child.ended;
    clearTimeout(killer);
  }
  return child.ended;
}

/** True while the process runs; a zombie does not. */
export function runs(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await onceEmitted(server, 'listening');
  const { port } = server.address();
  server.close();
  await onceEmitted(server, 'close');
  return port;
}

export async function accepts(port) {
  const socket = net.connect(port, '127.0.0.1');
  const connected = await Promise.race([
    onceEmitted(socket, 'connect').then(() => true),
    onceEmitted(socket, 'error').then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return connected;
}

export async function temporaryDirectory(t) {
  const directory = await mkdtemp(path.join(tmpdir(), 'famemely-whole-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export const mosquittoProgram = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/usr/bin/mosquitto'].find((file) =>
  existsSync(file),
);

const dynamicSecurityPlugin = ['x86_64-linux-gnu', 'aarch64-linux-gnu', '.']
  .map((folder) => path.join('/usr/lib', folder, 'mosquitto_dynamic_security.so'))
  .find((file) => existsSync(file));

/**
 * A mosquitto on a loopback port; `kill`, `stop` and `restart` keep the port, and what it has stored where it is
 * `persistent`. `dynamicSecurity` are the settings of its plugin: mosquitto's ACL files let every subscription pass and
 * only hold back its messages.
 */
export async function startBroker(t, { dynamicSecurity, persistent = false, settings = [] } = {}) {
  const directory = await temporaryDirectory(t);
  await chmod(directory, 0o755);
  const port = await freePort();
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    ...(persistent ? ['persistence true', `persistence_location ${directory}/`] : ['persistence false']),
    'max_queued_messages 0',
    'max_inflight_messages 0',
    'set_tcp_nodelay true',
    'log_type error',
    `user ${process.getuid() === 0 ? 'root' : 'mosquitto'}`,
    ...settings,
  ];
  if (dynamicSecurity) {
    const rules = path.join(directory, 'rules.json');
    await writeFile(rules, JSON.stringify(dynamicSecurity), { mode: 0o644 });
    lines.push(`plugin ${dynamicSecurityPlugin}`, `plugin_opt_config_file ${rules}`);
  }
  const file = path.join(directory, 'mosquitto.conf');
  await writeFile(file, `${lines.join('\n')}\n`);

  const broker = {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    async restart() {
      broker.child = start(mosquittoProgram, ['-c', file]);
      await eventually(() => {
        if (broker.child.exitCode !== null) throw new Error(`mosquitto ended with status ${broker.child.exitCode}`);
        return accepts(port);
      }, 'mosquitto accepts connections');
    },
    kill: () => stop(broker.child, 'SIGKILL'),
    stop: () => stop(broker.child),
  };
  await broker.restart();
  t.after(() => stop(broker.child, 'SIGKILL'));
  return broker;
}

/** An MQTT client of the broker that is not our gateway. */
export async function brokerClient(t, broker, options = {}) {
  const client = await within(
    mqtt.connectAsync(broker.url, { protocolVersion: 5, clientId: `test-${Math.random().toString(36).slice(2)}`, ...options }),
    'the test connects to the broker',
  );
  client.on('error', () => {});
  t.after(() => client.endAsync(true));
  client.received = [];
  client.on('message', (topic, payload, packet) => client.received.push({ topic, payload, packet }));
  return client;
}

export function gatewayEnvironment({ broker, env = {} } = {}) {
  const own = Object.fromEntries(
    Object.entries({
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TMPDIR: process.env.TMPDIR,
      LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH,
      ASAN_OPTIONS: process.env.ASAN_OPTIONS,
      TSAN_OPTIONS: process.env.TSAN_OPTIONS,
      HOST: '127.0.0.1',
      PORT: '0',
      MQTT_HOST: broker ? '127.0.0.1' : undefined,
      MQTT_PORT: broker ? String(broker.port) : undefined,
      SUPABASE_JWT_SECRET: secret,
      FAMEMELY_DATABASE_URL: 'sqlite::memory:',
      MQTT_RECONNECT_MIN: '50ms',
      MQTT_RECONNECT_MAX: '500ms',
      LOG_FORMAT: 'json',
      ...env,
    }).filter(([, value]) => value !== undefined),
  );
  return own;
}

/** Starts the program and collects its log; `listening` is awaited unless told otherwise. */
export async function startProgram(t, { args = [], env, cwd, awaitListening = true }) {
  cwd ??= await temporaryDirectory(t);
  const child = start(program, args, { env, cwd });
  const gateway = { child, pid: child.pid, log: [], text: '', output: '', ended: child.ended, cwd };
  createInterface({ input: child.stderr }).on('line', (line) => {
    gateway.text += `${line}\n`;
    try {
      gateway.log.push(JSON.parse(line));
    } catch {
      // Not every line has to be JSON: --dev prints for people.
    }
  });
  child.stdout.setEncoding('utf8').on('data', (text) => (gateway.output += text));
  gateway.stop = (signal) => stop(child, signal);
  gateway.logged = (event, ms) =>
    eventually(() => gateway.log.find((line) => line.event === event), `log event ${event}`, ms);
  t.after(async () => {
    await stop(child, 'SIGKILL');
    if (t.passed === false) t.diagnostic(`the last the gateway said:\n${gateway.text.split('\n').slice(-30).join('\n')}`);
  });
  if (!awaitListening) return gateway;
  const early = child.ended.then(({ code, signal, error }) => {
    throw new Error(`the gateway ended (${error ?? signal ?? code}) before it listened:\n${gateway.text}`);
  });
  early.catch(() => {});
  const line = await within(Promise.race([gateway.logged('listening', 20_000), early]), 'listening', 20_000);
  gateway.port = Number(line.port);
  gateway.url = `http://127.0.0.1:${gateway.port}`;
  return gateway;
}

export const startGateway = (t, { broker, env, args, cwd } = {}) =>
  startProgram(t, { args, cwd, env: gatewayEnvironment({ broker, env }) });

/** A broker and a gateway that is connected to it. */
export async function startBoth(t, { env, args, ...brokerOptions } = {}) {
  const broker = await startBroker(t, brokerOptions);
  const gateway = await startGateway(t, { broker, env, args });
  // Polling until then would count as requests of this address.
  await gateway.logged('broker connected');
  await untilReady(gateway);
  return { broker, gateway };
}

export async function untilReady(gateway) {
  await eventually(
    async () => (await fetch(`${gateway.url}/mqtt/health/ready`).catch(() => undefined))?.status === 200,
    'the gateway is connected to its broker',
  );
}

// ---- clients

/** An official client, not connected yet. `messages` collects what `mqtt:message` brings. */
export function makeClient(t, gateway, { auth, namespace = '/mqtt', ...options } = {}) {
  const socket = io(`${gateway.url}${namespace}`, {
    auth: auth ?? { token: token() },
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    ...options,
  });
  t.after(() => socket.disconnect());
  socket.messages = [];
  socket.on('mqtt:message', (message) => socket.messages.push(message));
  socket.statuses = [];
  socket.on('mqtt:status', (status) => socket.statuses.push(status));
  return socket;
}

/** Connected, and past the status that greets it. */
export async function connect(t, gateway, options = {}) {
  const socket = makeClient(t, gateway, options);
  await within(
    new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    }),
    'connect',
  );
  await eventually(() => socket.statuses.length > 0, 'the first mqtt:status');
  return socket;
}

export const ask = (socket, event, ...args) =>
  within(socket.timeout(patience + 30_000).emitWithAck(event, ...args), `reply to ${event}`, patience + 30_000);

/** The acknowledgement of a request that must succeed. */
export async function succeed(socket, event, ...args) {
  const reply = await ask(socket, event, ...args);
  if (reply?.success !== true) throw new Error(`${event} failed: ${JSON.stringify(reply)}`);
  return reply;
}

export const subscribe = (socket, topic, qos = 0) => succeed(socket, 'mqtt:subscribe', { topic, qos });
export const publish = (socket, topic, payload, more = {}) => succeed(socket, 'mqtt:publish', { topic, payload, ...more });

export async function untilMessages(socket, count, ms = patience) {
  try {
    await eventually(() => socket.messages.length >= count, '', ms);
  } catch {
    throw new Error(`${socket.messages.length} of ${count} messages within ${ms} ms`);
  }
  return socket.messages;
}

/**
 * Engine.IO by hand over a WebSocket, for what the official client hides: texts as they are on the wire. It answers
 * pings, and collects frames.
 */
export async function rawClient(t, gateway, { auth = { token: token(), recovery: false }, headers } = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket.io/?EIO=4&transport=websocket`, { headers });
  t.after(() => socket.terminate());
  const raw = { socket, texts: [], binaries: [] };
  raw.closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => {
    if (isBinary) raw.binaries.push(data);
    else if (data.toString() === '2') socket.send('3');
    else raw.texts.push(data.toString());
  });
  raw.send = (text) => socket.send(text);
  raw.find = (pattern) => eventually(() => raw.texts.find((text) => pattern.test(text)), `a frame like ${pattern}`);
  await raw.find(/^0\{/);
  if (auth) {
    raw.send(`40/mqtt,${JSON.stringify(auth)}`);
    await raw.find(/^40\/mqtt,\{/);
  }
  return raw;
}

// ---- HTTP

/**
 * One request on a connection of its own. A string or Buffer as body goes out as it is, anything else as its JSON text.
 * The token is alice's unless told otherwise; `null` sends none. `body` of the answer is its JSON, if it is JSON.
 */
export function rest(gateway, method, target, body, { token: bearer = token(), headers = {}, ms = patience } = {}) {
  const raw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const text = raw ? body : JSON.stringify(body);
  const answered = new Promise((resolve, reject) => {
    const request = http.request({
      host: '127.0.0.1',
      port: gateway.port,
      method,
      path: target,
      agent: false,
      headers: {
        ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...headers,
      },
    });
    let response;
    request.on('response', async (incoming) => {
      response = incoming;
      try {
        const bytes = Buffer.concat(await incoming.toArray());
        const answer = { status: incoming.statusCode, headers: incoming.headers, bytes, text: bytes.toString() };
        try {
          answer.body = JSON.parse(answer.text);
        } catch {
          // Not every answer has a body, and not every body is JSON.
        }
        resolve(answer);
      } catch (error) {
        reject(error);
      }
    });
    // Whoever is told 413 early may find the wire closed while still sending.
    request.on('error', (error) => response ?? reject(error));
    request.end(text);
  });
  return within(answered, `answer to ${method} ${target.slice(0, 100)}`, ms);
}

export const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const reasons = {
  400: /^Bad Request$/,
  401: /^Unauthorized$/,
  403: /^Forbidden$/,
  404: /^Not Found$/,
  413: /^(Payload|Content) Too Large$/,
  415: /^Unsupported Media Type$/,
  429: /^Too Many Requests$/,
  502: /^Bad Gateway$/,
  503: /^Service Unavailable$/,
  504: /^Gateway Timeout$/,
};

/** The answer of `rest` has NestJS's shape of an error and nothing else; a regular expression finds one of its texts. */
export function assertError(answer, status, message) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.deepEqual(Object.keys(answer.body).sort(), ['error', 'message', 'statusCode']);
  assert.equal(answer.body.statusCode, status);
  assert.match(answer.body.error, reasons[status]);
  const texts = [answer.body.message].flat();
  assert.ok(texts.length > 0 && texts.every((text) => typeof text === 'string' && text.length > 0), answer.text);
  if (message instanceof RegExp) assert.match(texts.join('; '), message);
  else if (message !== undefined) assert.deepEqual(answer.body.message, message);
}

/** The whole answers in a connection's bytes, by Content-Length. */
function answersIn(text) {
  const answers = [];
  for (;;) {
    const head = text.match(/^HTTP\/1\.1 (\d{3}) [^\r]*\r\n([\s\S]*?)\r\n\r\n/);
    if (!head) return answers;
    const end = head[0].length + Number(head[2].match(/^content-length: (\d+)/im)?.[1] ?? 0);
    if (text.length < end) return answers;
    answers.push({ status: Number(head[1]), head: head[2], body: text.slice(head[0].length, end) });
    text = text.slice(end);
  }
}

/** HTTP by hand: what the server sends gathers in `text`, as latin1, so that lengths are those of bytes. */
export async function rawHttp(t, gateway) {
  const socket = net.connect(gateway.port, '127.0.0.1');
  t.after(() => socket.destroy());
  const raw = { socket, text: '' };
  raw.closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => {});
  socket.on('data', (data) => (raw.text += data.toString('latin1')));
  raw.send = (text) => socket.write(text);
  raw.find = (pattern, ms) =>
    eventually(() => raw.text.match(pattern), `an answer like ${pattern}`, ms).catch((error) => {
      throw new Error(`${error.message}; got ${JSON.stringify(raw.text.slice(-500))}`);
    });
  raw.answers = async (count) => {
    await eventually(() => answersIn(raw.text).length >= count, `${count} answers`).catch((error) => {
      throw new Error(`${error.message}; got ${JSON.stringify(raw.text.slice(-500))}`);
    });
    return answersIn(raw.text);
  };
  await onceEmitted(socket, 'connect');
  return raw;
}

// ---- the wire

/** A TCP proxy to `port` of this machine that can cut every connection, refuse new ones, and stop carrying bytes. */
export async function startProxy(t, port) {
  let frozen = false;
  let refusing = false;
  const pause = ({ inner, outer }) => [inner, outer].forEach((end) => end.pause());
  const tcp = await startTcpProxy(port, {
    mayOpen: () => !refusing,
    mayResume: () => !frozen,
    onPair(pair) {
      if (frozen) pause(pair);
    },
    onData(_, from, to, data) {
      proxy.bytes += data.length;
      carry(from, to, data);
    },
  });
  const proxy = {
    port: tcp.port,
    url: `http://127.0.0.1:${tcp.port}`,
    bytes: 0,
    connections: () => tcp.pairs.size,
    cut: () => tcp.pairs.forEach(tcp.reset),
    refuse: (value = true) => (refusing = value),
    freeze() {
      frozen = true;
      tcp.pairs.forEach(pause);
    },
    thaw() {
      frozen = false;
      for (const { inner, outer } of tcp.pairs) for (const end of [inner, outer]) end.resume();
    },
  };
  t.after(tcp.close);
  return proxy;
}
