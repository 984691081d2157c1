// Starts the server as a newcomer would, with --dev, on free ports and in a folder of its own.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const program = process.env.FAMEMELY_MQTT;
if (!program) throw new Error('FAMEMELY_MQTT must name the server to test');

const startTimeout = 30_000;

/** Resolves once the server listens: its port, its broker's port, tokens, and how to stop it. */
export async function startGateway() {
  const folder = mkdtempSync(join(tmpdir(), 'famemely-'));
  const server = spawn(program, ['--dev', '--port', '0', '--log-format', 'json', '--famemely-database-url', 'sqlite::memory:'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => server.once('exit', (code, signal) => resolve(signal ?? code)));
  const log = [];
  const ports = await new Promise((resolve, reject) => {
    const found = {};
    const failWith = (why) => reject(new Error(`${why}; its log:\n${log.join('\n')}`));
    const timer = setTimeout(() => failWith('the server does not listen'), startTimeout);
    server.once('error', reject);
    ended.then((how) => failWith(`the server ended with ${how}`));
    createInterface({ input: server.stderr }).on('line', (line) => {
      log.push(line);
      if (!line.startsWith('{')) return;
      const { event, port } = JSON.parse(line);
      if (event === 'managed broker listening') found.broker = port;
      if (event === 'listening') found.gateway = port;
      if (found.broker && found.gateway) {
        clearTimeout(timer);
        resolve(found);
      }
    });
  });

  return {
    port: ports.gateway,
    brokerPort: ports.broker,
    folder,
    log,
    token: (user) => execFileSync(program, ['token', '--dev', '--sub', user], { cwd: folder, encoding: 'utf8' }).trim(),
    /** Ends the server; resolves to its exit status, or to the signal that ended it. */
    async stop() {
      server.kill('SIGTERM');
      const timer = setTimeout(() => server.kill('SIGKILL'), 20_000);
      const how = await ended;
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true });
      return how;
    },
  };
}
