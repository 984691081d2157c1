// Many real clients of every kind at one gateway, pulled about for minutes, with every message accounted for:
//   FAMEMELY_MQTT=build/release/famemely-mqtt node tests/soak/soak.mjs --minutes 20
// docs/hacking.md says what it checks. Exit status 1 and a list, if anything does not add up.
import { spawn } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { adminToken, brokerClient, rest, sleep, startBroker, startGateway, untilReady } from '../whole/harness.mjs';
import { Arrivals } from './accounting.mjs';
import { openPages, reserveOrigin } from './browser.mjs';
import { Publisher, makePlans } from './plan.mjs';
import { startCuttingProxy } from './proxy.mjs';
import { judge } from './report.mjs';
import { sampleProcess } from './sampling.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    clients: { type: 'string', default: '500' },
    pages: { type: 'string', default: '4' },
    out: { type: 'string', default: 'soak.jsonl' },
    python: { type: 'string', default: '/usr/bin/python3' },
    'window-seconds': { type: 'string', default: '30' },
  },
});
const [minutes, clients, pages] = [options.minutes, options.clients, options.pages].map(Number);
const windowMs = Number(options['window-seconds']) * 1000;
const here = path.dirname(fileURLToPath(import.meta.url));
const rampMs = clients * 80;
let phase = 'ramp';
const began = Date.now();
const seconds = () => (Date.now() - began) / 1000;

// ---- what is said, and what is wrong

writeFileSync(options.out, '');
const cleanups = [];
const scope = { after: (work) => cleanups.push(work) };
const failures = [];
function note(line) {
  const text = JSON.stringify({ seconds: Math.round(seconds()), ...line });
  appendFileSync(options.out, `${text}\n`);
  if (line.kind !== 'statistics') console.log(text.slice(0, 1500));
}
function fail(text) {
  failures.push(text);
  if (failures.length <= 200) note({ kind: 'failure', text });
}

// ---- the parts

const site = await reserveOrigin();
cleanups.push(() => site.close());
const broker = await startBroker(scope);
const gateway = await startGateway(scope, {
  broker,
  env: {
    WORKERS: '2', RECOVERY_WINDOW: `${windowMs}ms`, WEBSOCKET_COMPRESSION: 'true', CORS_ORIGINS: site.origin,
  },
});
await untilReady(gateway);
gateway.ended.then(({ code, signal }) => {
  if (phase === 'over') return;
  fail(`the gateway ended: ${signal ?? code}\n${gateway.text.slice(-2000)}`);
});
const proxy = await startCuttingProxy(gateway.port);
cleanups.push(() => proxy.close());

const arrivals = new Arrivals(fail);
const monitor = await brokerClient(scope, broker);
monitor.removeAllListeners('message');
monitor.on('message', (topic, payload) => arrivals.message(topic, JSON.parse(payload).n));
await monitor.subscribeAsync('soak/up/#', { qos: 1 });

const plans = makePlans({ clients, pages, minutes });
const everyPlan = [...Object.values(plans.node), ...Object.values(plans.python), plans.pages].flat();
const publisher = new Publisher(await brokerClient(scope, broker), everyPlan.map(({ own }) => own), {
  ownEveryMs: 10_000, sharedEveryMs: 4000, fail,
});
const total = everyPlan.length;
const settings = {
  url: gateway.url, proxyUrl: proxy.url, windowMs, rampMs, publishEveryMs: 20_000, lifeSeconds: 240,
  token: adminToken({ exp: Math.floor(Date.now() / 1000) + Math.ceil(minutes * 60) + 7200 }),
};

// ---- participants: processes and pages that take the same commands

const participants = [];

function participant(name) {
  const waiting = { started: [], finished: [], left: [] };
  const self = {
    name,
    report(message) {
      if (message.kind === 'failure') return fail(message.text);
      if (message.kind === 'statistics' || message.kind === 'finished') self.statistics = message.statistics;
      if (message.kind === 'statistics') return note({ ...message, name });
      return waiting[message.kind].forEach((resolve) => resolve(message));
    },
    until: (kind, ms) =>
      new Promise((resolve) => {
        const late = setTimeout(() => {
          fail(`${name} is not ${kind} within ${ms} ms`);
          resolve({ behind: [], clients: [] });
        }, ms);
        waiting[kind].push((message) => {
          clearTimeout(late);
          resolve(message);
        });
      }),
  };
  participants.push(self);
  return self;
}

function startProcess(name, command, args, startWith) {
  const self = participant(name);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: here, env: { ...process.env, PYTHONUNBUFFERED: '1' } });
  cleanups.push(() => child.kill('SIGKILL'));
  child.on('exit', (code, signal) => {
    if (phase !== 'leaving' && phase !== 'over') fail(`${name} ended: ${signal ?? code}`);
  });
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => self.report(JSON.parse(line)));
  self.send = (message) => child.stdin.write(`${JSON.stringify(message)}\n`);
  self.send({ command: 'start', ...startWith });
}

async function sample(kind) {
  const { body } = await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: settings.token });
  const { connectedClients, totalSubscriptions, activeSubscriptions, messagesIn, messagesOut, messagesDropped, publishes } = body;
  const line = {
    kind, phase, seconds: seconds(), ...sampleProcess(gateway.pid), connectedClients, totalSubscriptions, activeSubscriptions,
    messagesIn, messagesOut, messagesDropped, publishes, sent: publisher.sent, arrived: arrivals.count, cuts: proxy.cuts,
    failures: failures.length, driverCpuMs: Math.round(process.cpuUsage().user / 1000),
  };
  note(line);
  return line;
}

async function run() {
  await sleep(3000);
  const baseline = await sample('baseline');
  publisher.start();
  const nodeSettings = { ...settings, actEveryMs: (1000 * 500) / clients };
  for (const [mode, group] of Object.entries(plans.node))
    startProcess(`node ${mode}`, process.execPath, ['node_clients.mjs'], { ...nodeSettings, plans: group });
  for (const [name, group] of Object.entries(plans.python))
    startProcess(`python ${name}`, options.python, [name === 'sync' ? 'python_sync.py' : 'python_async.py'], { ...settings, plans: group });
  const started = participants.map((each) => each.until('started', rampMs * 3 + 60_000));
  startProcess('churn', process.execPath, ['churn.mjs'], { ...settings, churnEveryMs: 250 });
  if (plans.pages.length > 0) {
    const browser = participant('chromium');
    const pageSettings = { ...settings, actEveryMs: 15_000 };
    Object.assign(browser, await openPages(site, plans.pages, pageSettings, browser.report));
    cleanups.push(() => browser.kill());
  }
  await Promise.all(started);
  const cutting = setInterval(() => proxy.cutOne(), (400 * 500) / clients);
  phase = 'load';

  const samples = [];
  for (const end = Date.now() + minutes * 60_000; Date.now() < end && gateway.child.exitCode === null; ) {
    samples.push(await sample('sample'));
    await sleep(Math.min(10_000, Math.max(0, end - Date.now())));
  }

  // First nobody is disturbed any more, so that all are back; then nothing is sent any more, so that all have everything.
  phase = 'calm';
  clearInterval(cutting);
  for (const each of participants) each.send({ command: 'quiet' });
  await sleep(windowMs + 15_000);
  publisher.stop();
  await sleep(1000);
  await sample('all sent');
  const finished = participants.map((each) => each.until('finished', 90_000));
  for (const each of participants) each.send({ command: 'finish', lasts: publisher.lasts, ms: 45_000 });
  const results = await Promise.all(finished);
  const full = await sample('all received');

  phase = 'leaving';
  const gone = participants.map((each) => each.until('left', 60_000));
  for (const each of participants) each.send({ command: 'leave' });
  await Promise.all(gone);
  proxy.close();
  let last;
  for (const end = Date.now() + windowMs + 90_000; Date.now() < end; await sleep(2000)) {
    last = await sample('leaving');
    if (last.connectedClients === 0 && last.totalSubscriptions === 0 && last.descriptors <= baseline.descriptors) break;
  }
  const before = sampleProcess(gateway.pid);
  await sleep(10_000);
  const idleCpuMs = sampleProcess(gateway.pid).cpuMs - before.cpuMs;
  last = await sample('idle');
  phase = 'over';
  return { baseline, samples, full, last, idleCpuMs, results };
}

let outcome = 1;
try {
  const facts = await run();
  const { summary, problems } = judge(facts, { arrivals, publisher, proxy, participants, total, windowMs, fail });
  for (const text of problems) fail(text);
  note({ kind: 'summary', ...summary, failures: failures.length });
  outcome = failures.length === 0 ? 0 : 1;
  console.log(outcome === 0 ? 'Everything adds up.' : `${failures.length} things do not add up:\n${failures.slice(0, 200).join('\n')}`);
  const kinds = {};
  for (const { level, event, reason = '' } of gateway.log) {
    const name = `${level} ${event} ${reason}`.trim();
    kinds[name] = (kinds[name] ?? 0) + 1;
  }
  note({ kind: 'gateway log', kinds });
} catch (error) {
  console.log(error.stack);
} finally {
  phase = 'over';
  writeFileSync(`${options.out}.gateway.log`, gateway.text);
  for (const work of cleanups.reverse()) await Promise.resolve(work()).catch(() => {});
}
process.exit(outcome);
