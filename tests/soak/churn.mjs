// What badly behaved or unlucky clients leave behind, by hand and all the time: half-done upgrades, aborted polls, bodies
// that never end, sessions nobody joins, refused tokens, garbage. Runs as a process of its own.
import http from 'node:http';
import { createInterface } from 'node:readline';
import { WebSocket } from '../whole/harness.mjs';

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const fail = (text) => say({ kind: 'failure', text: `churn: ${text}` });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const patience = 30_000;
const statistics = {};
let settings;

function request(method, query, { body, declared } = {}) {
  const headers = declared ? { 'content-length': declared } : {};
  const target = `${settings.url}/socket.io/?EIO=4&transport=polling${query}`;
  const sent = http.request(target, { method, agent: false, headers });
  const answer = new Promise((resolve, reject) => {
    sent.on('response', async (response) => {
      const text = Buffer.concat(await response.toArray().catch(() => [])).toString();
      resolve({ status: response.statusCode, text });
    });
    sent.on('error', reject);
    sent.setTimeout(patience, () => sent.destroy(new Error(`no answer to ${method} ${query}`)));
  });
  answer.catch(() => {});
  if (body) sent.write(body);
  if (declared) sent.flushHeaders();
  else sent.end();
  return { sent, answer };
}

async function openSession() {
  const { text } = await request('GET', '').answer;
  return `&sid=${JSON.parse(text.slice(1)).sid}`;
}

async function joined(query) {
  const posted = await request('POST', query, { body: `40/mqtt,${JSON.stringify({ token: settings.token })}` }).answer;
  if (posted.text !== 'ok') fail(`CONNECT is answered ${posted.status} ${posted.text}`);
  const { text } = await request('GET', query).answer;
  if (!text.startsWith('40/mqtt,{"sid"')) fail(`CONNECT brought ${text.slice(0, 100)}`);
}

/** A WebSocket with its texts in order; `next` fails when none comes. */
async function openWebSocket(query = '') {
  const socket = new WebSocket(`${settings.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket${query}`);
  const texts = [];
  socket.on('message', (data) => texts.push(data.toString()));
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const next = async (pattern) => {
    for (const deadline = Date.now() + patience; Date.now() < deadline; await sleep(20)) {
      const found = texts.findIndex((text) => pattern.test(text));
      if (found >= 0) return texts.splice(0, found + 1).at(-1);
      if (socket.readyState === WebSocket.CLOSED) break;
    }
    throw new Error(`no frame like ${pattern}`);
  };
  await new Promise((resolve) => {
    socket.on('open', resolve);
    socket.on('close', resolve);
  });
  return { socket, next, closed };
}

async function closes(closed, ms, what) {
  const late = setTimeout(() => fail(`${what} stays open`), ms);
  await closed;
  clearTimeout(late);
}

const deeds = {
  async probeThenGone() {
    const query = await openSession();
    await joined(query);
    const { socket, next } = await openWebSocket(query);
    socket.send('2probe');
    await next(/^3probe$/);
    socket.terminate();
    // The session itself goes on by polling.
    const posted = await request('POST', query, { body: '42/mqtt,7["mqtt:subscriptions"]' }).answer;
    if (posted.text !== 'ok') fail(`after a half-done upgrade: ${posted.status} ${posted.text}`);
    await request('POST', query, { body: '1' }).answer;
  },
  async webSocketThatNeverProbes() {
    const query = await openSession();
    const { closed } = await openWebSocket(query);
    await closes(closed, 20_000, 'a WebSocket that never probes');
  },
  async secondWebSocket() {
    const { socket, next } = await openWebSocket();
    const { sid } = JSON.parse((await next(/^0\{/)).slice(1));
    const second = await openWebSocket(`&sid=${sid}`);
    await closes(second.closed, 20_000, 'a second WebSocket');
    if (socket.readyState !== WebSocket.OPEN) fail('a second WebSocket closed the first');
    socket.close();
  },
  async abortedPoll() {
    const query = await openSession();
    await joined(query);
    const { sent } = request('GET', query);
    await sleep(Math.random() * 200);
    sent.destroy();
  },
  async bodyThatNeverEnds() {
    const query = await openSession();
    const { sent } = request('POST', query, { body: '42', declared: 5000 });
    await sleep(Math.random() * 500);
    sent.destroy();
  },
  async twoPolls() {
    const query = await openSession();
    await joined(query);
    // What is queued may answer the first one before the second comes: both are then legal.
    await Promise.allSettled([request('GET', query).answer, request('GET', query).answer]);
  },
  async neverJoined() {
    await openSession();
  },
  async webSocketNeverJoined() {
    const { closed } = await openWebSocket();
    await closes(closed, 70_000, 'a connection that joins nothing');
  },
  async joinedTwiceInTurn() {
    const { socket, next } = await openWebSocket();
    for (let turn = 0; turn < 3; ++turn) {
      socket.send(`40/mqtt,${JSON.stringify({ token: settings.token })}`);
      await next(/^40\/mqtt,\{"sid"/);
      socket.send('42/mqtt,1["mqtt:subscriptions"]');
      const reply = await next(/^43\/mqtt,1\[/);
      if (!reply.includes('"total":0')) fail(`subscriptions outlive their namespace: ${reply}`);
      socket.send('42/mqtt,2["mqtt:subscribe",{"topic":"soak/churn/#"}]');
      await next(/^43\/mqtt,2\[\{"success":true/);
      socket.send('41/mqtt,');
    }
    socket.close();
  },
  async refusedToken() {
    const { socket, next } = await openWebSocket();
    socket.send('40/mqtt,{"token":"x"}');
    await next(/^44\/mqtt,\{"message"/);
    socket.close();
  },
  async garbage() {
    const { socket, closed } = await openWebSocket();
    socket.send('42["before any CONNECT"]');
    await closes(closed, 20_000, 'a connection that brought garbage');
  },
  async connectionsWithoutWords() {
    const { host, hostname, port } = new URL(settings.url);
    const { connect } = await import('node:net');
    const sockets = Array.from({ length: 3 }, () => connect(Number(port), hostname));
    for (const socket of sockets) socket.on('error', () => {});
    sockets[1].write(`GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: ${host}\r\n`);
    await sleep(1000);
    for (const socket of sockets) socket.destroy();
  },
};

let running;
async function once() {
  const names = Object.keys(deeds);
  const name = names[Math.floor(Math.random() * names.length)];
  statistics[name] = (statistics[name] ?? 0) + 1;
  try {
    await deeds[name]();
  } catch (error) {
    fail(`${name}: ${error.message}`);
  }
}

const commands = {
  start(values) {
    settings = values;
    running = setInterval(once, settings.churnEveryMs);
    say({ kind: 'started' });
  },
  quiet: () => clearInterval(running),
  finish: () => say({ kind: 'finished', behind: [], clients: [], statistics }),
  leave() {
    say({ kind: 'left' });
    process.exit(0);
  },
};
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { command, ...values } = JSON.parse(line);
    commands[command](values);
  })
  .on('close', () => process.exit(1));
