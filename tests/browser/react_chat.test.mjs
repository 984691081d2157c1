// The React example in a real browser: two people and two plain MQTT programs in one room.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { startGateway } from '../dev_gateway.mjs';

const example = new URL('../../examples/react-chat/', import.meta.url).pathname;
const pictures = process.env.FAMEMELY_PICTURES ?? tmpdir();
const browserProgram = process.env.CHROMIUM ?? '/usr/bin/chromium';
const contentTypes = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

let pageFolder, gateway, pageServer, pageUrl, browser;
const errors = [];

before(async () => {
  pageFolder = mkdtempSync(join(tmpdir(), 'react-chat-'));
  const vite = join(example, 'node_modules/vite/bin/vite.js');
  execFileSync(process.execPath, [vite, 'build', '--logLevel', 'warn', '--outDir', pageFolder, '--emptyOutDir'], { cwd: example });
  gateway = await startGateway();
  pageServer = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const file = join(pageFolder, pathname === '/' ? 'index.html' : pathname);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': contentTypes[extname(file)] }).end(readFileSync(file));
  }).listen(0, '127.0.0.1');
  await once(pageServer, 'listening');
  const gatewayUrl = encodeURIComponent(`http://127.0.0.1:${gateway.port}/mqtt`);
  pageUrl = `http://127.0.0.1:${pageServer.address().port}/?url=${gatewayUrl}`;
  browser = await chromium.launch({
    executablePath: browserProgram,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
});

after(async () => {
  await browser?.close();
  pageServer?.close();
  await gateway?.stop();
  if (pageFolder) rmSync(pageFolder, { recursive: true, force: true });
});

/** A tab with a storage of its own, as another person's browser has. */
async function openPage() {
  const context = await browser.newContext({ viewport: { width: 720, height: 640 } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(pageUrl);
  return page;
}

async function enter(page, token) {
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Enter' }).click();
}

async function joinRoom(user) {
  const page = await openPage();
  await enter(page, gateway.token(user));
  await page.getByText('Status: connected').waitFor();
  await page.getByPlaceholder(`Say something as ${user}`).waitFor();
  return page;
}

async function say(page, text) {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

const hears = (page, text) => page.getByLabel('Messages').getByText(text, { exact: true }).waitFor();

test('two tabs and MQTT programs chat with each other', async () => {
  const [alice, bob] = [await joinRoom('alice'), await joinRoom('bob')];

  const listener = spawn('mosquitto_sub', ['-h', '127.0.0.1', '-p', gateway.brokerPort, '-t', 'chat/#', '-q', '1', '-W', '30']);
  const heardOutside = new EventEmitter();
  createInterface({ input: listener.stdout }).on('line', (line) => {
    const message = line.startsWith('{') ? JSON.parse(line) : {};
    heardOutside.emit(message.user, message);
  });
  const publish = (topic, payload) =>
    promisify(execFile)('mosquitto_pub', ['-h', '127.0.0.1', '-p', gateway.brokerPort, '-t', topic, '-q', '1', '-m', payload]);
  // mosquitto_sub does not say when it listens: ask until it has heard.
  let listening = false;
  heardOutside.once('probe', () => (listening = true));
  while (!listening && listener.exitCode === null) await publish('chat/probe', '{"user":"probe"}');
  const aliceOutside = once(heardOutside, 'alice', { signal: AbortSignal.timeout(15_000) });

  await say(alice, 'Hello, Bob!');
  await hears(alice, 'Hello, Bob!');
  await hears(bob, 'Hello, Bob!');
  await say(bob, 'Grüße, Alice 👋');
  await hears(alice, 'Grüße, Alice 👋');
  await publish('chat/room1', JSON.stringify({ text: 'a word from the boiler room', user: 'boiler' }));
  await hears(alice, 'a word from the boiler room');
  await hears(bob, 'a word from the boiler room');
  await publish('chat/room1', 'no JSON at all');
  await hears(bob, 'no JSON at all');

  const [heard] = await aliceOutside;
  listener.kill();
  assert.equal(heard.text, 'Hello, Bob!');
  assert.match(heard.timestamp, /^\d{4}-\d\d-\d\dT/);

  assert.equal(await alice.getByLabel('Messages').getByText('Hello, Bob!', { exact: true }).count(), 1, 'once each');
  await alice.screenshot({ path: join(pictures, 'react-chat-alice.png') });
  await bob.screenshot({ path: join(pictures, 'react-chat-bob.png') });
  assert.deepEqual(errors, []);
});

test('a refused token is said and can be replaced', async () => {
  const page = await openPage();
  await enter(page, 'not-a-token');
  await page.getByRole('alert').getByText('Token verification failed').waitFor();
  await page.getByText('Status: refused').waitFor();
  await page.screenshot({ path: join(pictures, 'react-chat-refused.png') });
  await page.getByRole('button', { name: 'Leave' }).click();
  await enter(page, gateway.token('carol'));
  await page.getByText('Status: connected').waitFor();
});

test('the token is found again after a reload', async () => {
  const page = await joinRoom('dave');
  await page.reload();
  await page.getByPlaceholder('Say something as dave').waitFor();
});
