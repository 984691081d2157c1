// What a process costs, read from /proc, and what a series of such samples says.
import { readFileSync, readdirSync } from 'node:fs';

const tickMs = 10; // sysconf(_SC_CLK_TCK) is 100 on every Linux that Debian runs on.

export function sampleProcess(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'))[1]);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return {
    rssMb: field('VmRSS') / 1024, threads: field('Threads'), descriptors: readdirSync(`/proc/${pid}/fd`).length,
    cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs,
  };
}

/** Least squares: how much `value` grows in a minute. */
export function slopePerMinute(samples, value) {
  const mean = (numbers) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  const minutes = samples.map(({ seconds }) => seconds / 60);
  const values = samples.map(value);
  const [meanX, meanY] = [mean(minutes), mean(values)];
  const up = minutes.reduce((sum, x, i) => sum + (x - meanX) * (values[i] - meanY), 0);
  return up / minutes.reduce((sum, x) => sum + (x - meanX) ** 2, 0);
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
