// Runs in a Chromium page: one client, with the bundle that the gateway itself serves.
import { SoakClient, newStatistics, settle } from './client.mjs';

const acts = ['close', 'close', 'leave', 'long', 'replace', 'hop', 'resubscribe'];
const failures = [];
let client;
let acting;

globalThis.soak = {
  start({ plan, url, windowMs, publishEveryMs, actEveryMs }) {
    client = new SoakClient(globalThis.io, plan, {
      url, windowMs, statistics: newStatistics(), fail: (text) => failures.push(text), cut: (engine) => engine.close(),
    });
    client.start();
    setInterval(() => client.publish(), publishEveryMs);
    acting = setInterval(() => client.act(acts[Math.floor(Math.random() * acts.length)]), actEveryMs);
  },
  takeFailures: () => failures.splice(0),
  statistics: () => client.statistics,
  quiet: () => clearInterval(acting),
  async finish(lasts, ms) {
    return { behind: await settle([client], lasts, ms), statistics: client.statistics, clients: [client.summary()] };
  },
  leave: () => client.leave(),
};
