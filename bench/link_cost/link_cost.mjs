// What a message costs our link beside libmosquitto, as clients of the same mosquitto, in one run: they take turns.
//   node link_cost.mjs --program PATH/link_cost [--runs 7] [--scale 1] [--json FILE]
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";

const { values: options } = parseArgs({
  options: {
    program: { type: "string" },
    runs: { type: "string", default: "7" },
    scale: { type: "string", default: "1" },
    json: { type: "string" },
  },
});
if (!options.program) throw new Error("--program PATH/link_cost, please");
const runs = Number(options.runs);
const clients = ["link", "libmosquitto"];
const scenarios = [
  { name: "received, QoS 0", args: ["receive", 0, 0], messages: 200_000 },
  { name: "published, QoS 0", args: ["publish", 0, 1_000], messages: 300_000 },
  { name: "published, QoS 1, 20 in flight", args: ["publish", 1, 20], messages: 200_000 },
  { name: "published, QoS 1, 1,000 in flight", args: ["publish", 1, 1_000], messages: 200_000 },
  { name: "published, QoS 1, 20,000 in flight", args: ["publish", 1, 20_000], messages: 200_000 },
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

/// As the managed broker is: nothing is kept on disk, nothing is dropped.
async function startMosquitto() {
  const folder = mkdtempSync(join(tmpdir(), "link-cost-"));
  const port = await freePort();
  writeFileSync(
    join(folder, "mosquitto.conf"),
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n` +
      "max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\n",
  );
  const child = spawn("mosquitto", ["-c", join(folder, "mosquitto.conf")], {
    stdio: "inherit",
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  child.on("error", (error) => {
    throw error;
  });
  process.on("exit", () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  while (!(await accepts(port))) await sleep(20);
  return { child, port };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const spread = (values) => `${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)}`;

const broker = await startMosquitto();
const results = [];
console.log(`load ${loadavg()[0].toFixed(1)} at the start; CPU µs per message, median of ${runs} (from–to)`);
for (const { name, args, messages } of scenarios) {
  const count = Math.round(messages * Number(options.scale));
  const figures = Object.fromEntries(clients.map((client) => [client, []]));
  for (let run = 0; run < runs; ++run)
    for (const client of run % 2 ? clients.toReversed() : clients) {
      const { stdout } = await promisify(execFile)(options.program, [broker.port, client, ...args, count].map(String));
      figures[client].push(JSON.parse(stdout));
    }
  const cpu = Object.fromEntries(clients.map((client) => [client, figures[client].map((one) => one.cpuUs)]));
  const ratios = cpu.link.map((ours, run) => ours / cpu.libmosquitto[run]);
  results.push({ name, figures, ratio: median(ratios) });
  console.log(
    `${name.padEnd(36)} ` +
      clients.map((client) => `${client} ${median(cpu[client]).toFixed(2)} (${spread(cpu[client])})`).join("   ") +
      `   ratio ${median(ratios).toFixed(2)} (${spread(ratios)})`,
  );
}
broker.child.kill("SIGTERM");
await new Promise((resolve) => broker.child.once("exit", resolve));
if (options.json) writeFileSync(options.json, JSON.stringify(results, null, 1));
