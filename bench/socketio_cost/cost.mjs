// What our Socket.IO server costs beside the official one, in one run: scenario by scenario the servers take turns.
//   node cost.mjs --server PATH/socketio_cost_server [--runs 5] [--only TEXT] [--null] [--json FILE]
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { scenarios } from "./scenarios.mjs";

const { values: options } = parseArgs({
  options: {
    server: { type: "string" },
    runs: { type: "string", default: "5" },
    only: { type: "string", default: "" },
    null: { type: "boolean", default: false },
    json: { type: "string" },
  },
});
if (!options.server && !options.null) throw new Error("--server PATH/socketio_cost_server, or --null, please");
const runs = Number(options.runs);

const official = fileURLToPath(new URL("official.mjs", import.meta.url));
const runOfficial = (port) => [process.execPath, official, port];
const ours = [
  { name: "ours", command: (port) => [options.server, port, "1"] },
  { name: "ours, 2 workers", command: (port) => [options.server, port, "2"] },
];
const peers = [
  { name: "official", command: runOfficial },
  ...(options.null ? [{ name: "official again", command: runOfficial }] : ours),
];

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.on("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function accepts(port) {
  return new Promise((resolve) => {
    const probe = net.connect(port, "127.0.0.1");
    probe.on("error", () => resolve(false));
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
  });
}

/// Also those are ended whose scenario fails in the middle of a callback.
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

async function start(peer) {
  const port = await freePort();
  const [program, ...args] = peer.command(String(port));
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  running.add(child);
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", (code) => reject(new Error(`${peer.name} ended with ${code}`)));
  });
  // Ours says "ready" just before it listens.
  while (!(await accepts(port))) await sleep(20);
  return { child, port, pid: child.pid };
}

async function stop({ child }) {
  child.removeAllListeners("exit");
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
  running.delete(child);
}

/// Time on a processor of all threads: what utime and stime are made of, but in nanoseconds.
function cpuNs(pid) {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`))
    sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1").split(" ")[0]);
  return sum;
}

const residentBytes = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]) * 1024;

async function measure(scenario, server) {
  const read = scenario.what === "cpu" ? cpuNs : residentBytes;
  let before;
  let each;
  const meter = {
    start: async () => void (before = read(server.pid)),
    stop: async (operations) => void (each = (read(server.pid) - before) / operations),
  };
  await scenario.run(server.port, meter, scenario.shape);
  return each;
}

function summary(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1) };
}

const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
function cell({ median, min, max }) {
  return `${digits(median)} (${digits(min)}–${digits(max)})`;
}

const lasting = new Map();
const report = [];
const load = [loadavg()[0]];
try {
  for (const peer of peers) lasting.set(peer, await start(peer));
  const wanted = scenarios.filter((scenario) => scenario.name.includes(options.only));
  for (const scenario of wanted) {
    const figures = new Map(peers.map((peer) => [peer, []]));
    const warmUps = scenario.what === "cpu" ? (scenario.warmUps ?? 1) : 0;
    for (let run = -warmUps; run < runs; ++run) {
      for (let turn = 0; turn < peers.length; ++turn) {
        const peer = peers[(turn + run + warmUps) % peers.length];
        const fresh = scenario.what === "memory";
        const server = fresh ? await start(peer) : lasting.get(peer);
        const each = await measure(scenario, server).catch((error) => {
          throw new Error(`${scenario.name}, ${peer.name}: ${error.message}`, { cause: error });
        });
        if (fresh) await stop(server);
        if (run >= 0) figures.get(peer).push(each / 1_000);  // µs, or kB
      }
    }
    const line = { scenario: scenario.name, unit: scenario.what === "cpu" ? "µs" : "kB" };
    for (const peer of peers) line[peer.name] = { ...summary(figures.get(peer)), figures: figures.get(peer) };
    report.push(line);
    load.push(loadavg()[0]);
    process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${scenario.name}\n`);
  }
} finally {
  for (const server of lasting.values()) await stop(server);
}

const [first, ...others] = peers.map((peer) => peer.name);
const row = (cells) => console.log(`| ${cells.join(" | ")} |`);
row(["", first, ...others, ...others.map((name) => `official : ${name}`)]);
row(Array(2 + 2 * others.length).fill("---"));
for (const line of report) {
  const ratios = others.map((name) => digits(line[first].median / line[name].median));
  row([`${line.scenario}, ${line.unit}`, ...[first, ...others].map((name) => cell(line[name])), ...ratios]);
}
console.log(`\nNode ${process.versions.node}; load of the machine ${Math.min(...load)} to ${Math.max(...load)}`);
if (options.json) writeFileSync(options.json, JSON.stringify({ when: new Date().toISOString(), runs, report }, null, 1));
