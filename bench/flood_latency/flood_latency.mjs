// What a flood of bad handshakes does to the messages of those who are in: README.md.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    gateway: { type: 'string', default: process.env.FAMEMELY_MQTT ?? 'build/release/famemely-mqtt' },
    clients: { type: 'string', default: 'build/release/bench/flood_latency/flood_latency_clients' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '10' },
    sockets: { type: 'string', default: '500' },
    rate: { type: 'string', default: '2000' },
    'gateway-core': { type: 'string', default: '0' },
    'other-core': { type: 'string', default: '1' },
  },
});

const secret = 'the-bench-signs-its-tokens-with-this-secret';
const base64url = (text) => Buffer.from(text).toString('base64url');
function token() {
  const body = { sub: 'bench', aud: 'authenticated', role: 'authenticated', exp: Math.floor(Date.now() / 1000) + 36_000 };
  const signed = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${base64url(JSON.stringify(body))}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const directory = mkdtempSync(path.join(tmpdir(), 'flood-latency-'));
chmodSync(directory, 0o755); // mosquitto gives up its rights before it is done with its files
const children = [];
const pinned = (core, command, args, more) => {
  const child = spawn('taskset', ['-c', core, command, ...args], { stdio: 'ignore', ...more });
  children.push(child);
  return child;
};
process.on('exit', () => {
  children.forEach((child) => child.kill('SIGKILL'));
  rmSync(directory, { recursive: true, force: true });
});

const brokerPort = await freePort();
const brokerFile = path.join(directory, 'mosquitto.conf');
writeFileSync(brokerFile, `listener ${brokerPort} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_type error\n`);
pinned(options['other-core'], '/usr/sbin/mosquitto', ['-c', brokerFile]);

// Into a file: whoever reads a pipe too slowly holds the gateway up.
const log = path.join(directory, 'gateway.log');
const gateway = pinned(options['gateway-core'], path.resolve(options.gateway), [], {
  cwd: directory,
  stdio: ['ignore', 'ignore', openSync(log, 'w')],
  env: {
    PATH: process.env.PATH, HOST: '127.0.0.1', PORT: '0', WORKERS: '1', MQTT_HOST: '127.0.0.1', MQTT_PORT: String(brokerPort),
    SUPABASE_JWT_SECRET: secret, FAMEMELY_DATABASE_URL: 'sqlite::memory:', LOG_FORMAT: 'json', LOG_LEVEL: 'info',
  },
});
async function eventually(look, what) {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within 20 s: ${what}\n${readFileSync(log, 'utf8')}`);
}
const port = await eventually(() => {
  const line = readFileSync(log, 'utf8').split('\n').find((text) => text.includes('"listening"') && text.endsWith('}'));
  return line && JSON.parse(line).port;
}, 'the gateway listens');
await eventually(
  async () => (await fetch(`http://127.0.0.1:${port}/mqtt/health/ready`).catch(() => undefined))?.status === 200,
  'the gateway is connected to its broker',
);

/** Seconds of processor time that the gateway has used. */
function cpuSeconds() {
  const fields = readFileSync(`/proc/${gateway.pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function run(rate) {
  const before = cpuSeconds();
  const text = execFileSync(
    'taskset',
    ['-c', options['other-core'], path.resolve(options.clients), String(port), token(), options.sockets, options.seconds, String(rate)],
    { encoding: 'utf8' },
  );
  const result = { ...JSON.parse(text), gateway_cpu_s: Number((cpuSeconds() - before).toFixed(2)) };
  console.log(JSON.stringify(result));
  return result;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
run(0); // the first is thrown away
const pairs = [];
for (let round = 0; round < Number(options.rounds); ++round) {
  // Whoever comes first alternates, so that a drift of the machine favours nobody.
  const order = round % 2 ? ['flood', 'quiet'] : ['quiet', 'flood'];
  const pair = {};
  for (const name of order) pair[name] = run(name === 'flood' ? Number(options.rate) : 0);
  pairs.push(pair);
}
const ratios = pairs.map(({ quiet, flood }) => flood.p99_us / quiet.p99_us);
const p99 = (name) => pairs.map((pair) => pair[name].p99_us);
const summary = {
  quiet_p99_us: { median: median(p99('quiet')), min: Math.min(...p99('quiet')), max: Math.max(...p99('quiet')) },
  flood_p99_us: { median: median(p99('flood')), min: Math.min(...p99('flood')), max: Math.max(...p99('flood')) },
  ratio: { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
  cpu_us_per_handshake: median(
    pairs.map(({ quiet, flood }) => Math.round(((flood.gateway_cpu_s - quiet.gateway_cpu_s) / flood.handshakes) * 1e6)),
  ),
  handshakes_per_second: median(pairs.map(({ flood }) => flood.handshakes_per_second)),
  answered: pairs.reduce((sum, { flood }) => sum + flood.answered, 0),
  left_out: pairs.reduce((sum, { flood }) => sum + flood.left_out, 0),
};
console.log(JSON.stringify(summary));
assert.ok(gateway.exitCode === null, 'the gateway lives');
process.exit(summary.ratio.median <= 2 ? 0 : 1);
