// Runs the client that the README shows against a server started as the README says, on another port.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { startGateway } from '../dev_gateway.mjs';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
// Beside this file, so that it finds the Socket.IO client that the tests have installed.
const clientFile = new URL('./readme_client.tmp.mjs', import.meta.url);
let gateway;

before(async () => (gateway = await startGateway()));
after(async () => {
  rmSync(clientFile, { force: true });
  await gateway?.stop();
});

test('the client in the README says hello to itself', async () => {
  const [, code] = readme.match(/```js\n(.*?)```/s);
  assert.ok(code.includes('http://localhost:3001/mqtt'), 'the README names the default address');
  writeFileSync(clientFile, code.replace('localhost:3001', `localhost:${gateway.port}`));

  const environment = { ...process.env, TOKEN: gateway.token('alice') };
  const client = spawn(process.execPath, [clientFile.pathname], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: client.stdout }), 'line', { signal: AbortSignal.timeout(20_000) });
  client.kill();
  assert.equal(line, 'chat/room1: Hello!');
});
