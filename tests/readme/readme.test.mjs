// Runs the client that the README shows against a server started as the README says, on another port.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { startGateway } from '../dev_gateway.mjs';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
let gateway, folder;

before(async () => {
  // The folder of a user who has installed socket.io-client.
  folder = mkdtempSync(join(tmpdir(), 'readme-'));
  symlinkSync(new URL('../node_modules', import.meta.url).pathname, join(folder, 'node_modules'));
  gateway = await startGateway();
});
after(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('the client in the README says hello to itself', async () => {
  const [, code] = readme.match(/```js\n(.*?)```/s);
  assert.ok(code.includes('http://localhost:3001/mqtt'), 'the README names the default address');
  const file = join(folder, 'client.mjs');
  writeFileSync(file, code.replace('localhost:3001', `localhost:${gateway.port}`));

  const env = { ...process.env, TOKEN: gateway.token('alice') };
  const client = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: client.stdout }), 'line', { signal: AbortSignal.timeout(20_000) });
  client.kill();
  assert.equal(line, 'chat/room1: Hello!');
});
