// A process of official clients in Node. Commands come as JSON lines on standard input, reports go out the same way.
import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';
import { reset } from '../whole/tcp_proxy.mjs';
import { SoakClient, newStatistics, settle } from './client.mjs';

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const fail = (text) => say({ kind: 'failure', text });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const statistics = newStatistics();
const acts = ['cut', 'cut', 'cut', 'close', 'close', 'leave', 'leave', 'long', 'replace', 'hop', 'resubscribe', 'resubscribe'];

/** Breaks the TCP connection under a client, whatever goes on there; an aborted poll where it polls. */
function cut(engine) {
  const { transport } = engine;
  if (transport.ws?._socket) return reset(transport.ws._socket);
  transport.pollXhr?.abort();
  // The client does not hear of its own abort: as after a network error it gives the session up.
  return transport.onError('xhr poll error', new Error('aborted'));
}

let clients = [];
let acting;

async function start({ plans, url, proxyUrl, windowMs, publishEveryMs, actEveryMs, rampMs }) {
  clients = plans.map((plan) =>
    new SoakClient(io, plan, { url: plan.proxied ? proxyUrl : url, windowMs, statistics, fail, cut }));
  for (const client of clients) {
    client.start();
    await sleep(rampMs / clients.length);
  }
  say({ kind: 'started' });
  let next = 0;
  setInterval(() => clients[next++ % clients.length].publish(), publishEveryMs / clients.length);
  acting = setInterval(() => {
    const client = clients[Math.floor(Math.random() * clients.length)];
    client.act(acts[Math.floor(Math.random() * acts.length)]);
  }, actEveryMs);
  setInterval(() => say({ kind: 'statistics', statistics }), 10_000);
}

const commands = {
  start,
  quiet: () => clearInterval(acting),
  finish: async ({ lasts, ms }) => {
    const behind = await settle(clients, lasts, ms);
    say({ kind: 'finished', behind, statistics, clients: clients.map((client) => client.summary()) });
  },
  leave: async () => {
    for (const client of clients) client.leave();
    await sleep(2000);
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
