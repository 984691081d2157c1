// What must add up once everybody has left, and the figures of the run.
import { median, slopePerMinute } from './sampling.mjs';

const flatMbPerMinute = 0.5;
const nearWarm = 1.1;
const idleCpuMsMax = 150;
const round = (number, digits = 1) => Number(number.toFixed(digits));

function sumCounts(tables) {
  const sum = {};
  for (const table of tables.flat())
    for (const [key, value] of Object.entries(table ?? {})) {
      if (typeof value === 'number') sum[key] = (sum[key] ?? 0) + value;
      else sum[key] = sumCounts([sum[key] ?? {}, value]);
    }
  return sum;
}

function judgeMessages(results, { arrivals, fail }) {
  const totals = { received: 0, away: 0, acknowledged: 0, unanswered: 0, unansweredArrived: 0 };
  for (const { behind, clients } of results) {
    for (const text of behind) fail(text);
    for (const { up, sent, open, received, away } of clients) {
      const { acknowledged, openArrived } = arrivals.check(up, sent, open);
      totals.received += received;
      totals.away += away;
      totals.acknowledged += acknowledged;
      totals.unanswered += open.length;
      totals.unansweredArrived += openArrived;
    }
  }
  return totals;
}

function judgeProcess({ baseline, samples, last, idleCpuMs }) {
  const problems = [];
  const lastThird = samples.slice(Math.floor((samples.length * 2) / 3));
  const slope = lastThird.length > 2 ? slopePerMinute(lastThird, ({ rssMb }) => rssMb) : 0;
  // Warm is what the first minutes under full load came to.
  const warmMb = median(samples.slice(Math.floor(samples.length / 10), Math.floor(samples.length / 5) + 1).map(({ rssMb }) => rssMb));
  if (last.connectedClients !== 0) problems.push(`${last.connectedClients} clients are still connected`);
  if (last.totalSubscriptions !== 0) problems.push(`${last.totalSubscriptions} subscriptions are left`);
  if (last.descriptors > baseline.descriptors) problems.push(`${last.descriptors} descriptors are open, ${baseline.descriptors} at the start`);
  if (last.threads !== baseline.threads) problems.push(`${last.threads} threads, ${baseline.threads} at the start`);
  if (slope > flatMbPerMinute) problems.push(`memory grows by ${round(slope, 2)} MB a minute in the last third`);
  if (last.rssMb > warmMb * nearWarm) problems.push(`${round(last.rssMb)} MB when all have left, ${round(warmMb)} MB when warm and full`);
  if (idleCpuMs > idleCpuMsMax) problems.push(`${idleCpuMs} ms of CPU in 10 idle seconds`);
  if (last.messagesDropped !== 0) problems.push(`${last.messagesDropped} messages dropped`);
  const memory = {
    startMb: round(baseline.rssMb), warmMb: round(warmMb), mostMb: round(Math.max(...samples.map(({ rssMb }) => rssMb))),
    lastThirdMb: round(median(lastThird.map(({ rssMb }) => rssMb))), slopeMbPerMinute: round(slope, 3), endMb: round(last.rssMb),
  };
  const load = samples.at(-1);
  return {
    problems,
    figures: {
      memory, idleCpuMs, threads: last.threads,
      descriptors: { start: baseline.descriptors, most: Math.max(...samples.map(({ descriptors }) => descriptors)), end: last.descriptors },
      cpuPercent: round((100 * (load.cpuMs - samples[0].cpuMs)) / (1000 * (load.seconds - samples[0].seconds))),
      clientsMedian: median(samples.map(({ connectedClients }) => connectedClients)),
      subscriptionsMost: Math.max(...samples.map(({ totalSubscriptions }) => totalSubscriptions)),
      messagesIn: last.messagesIn, messagesOut: last.messagesOut, messagesDropped: last.messagesDropped, publishes: last.publishes,
    },
  };
}

export function judge(facts, { arrivals, publisher, proxy, participants, total, fail }) {
  const messages = judgeMessages(facts.results, { arrivals, fail });
  const { problems, figures } = judgeProcess(facts);
  if (publisher.answered !== publisher.sent) problems.push(`${publisher.sent - publisher.answered} publishes without PUBACK`);
  const named = (start) => participants.filter(({ name }) => name.startsWith(start)).map(({ statistics }) => statistics);
  return {
    problems,
    summary: {
      total, sent: publisher.sent, ...messages, ...figures, cuts: proxy.cuts, hangs: proxy.hangs,
      node: sumCounts(named('node')), python: sumCounts(named('python')), chromium: sumCounts(named('chromium')),
      churn: sumCounts(named('churn')),
    },
  };
}
