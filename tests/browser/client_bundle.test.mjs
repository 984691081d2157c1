// A page with nothing of its own: the gateway gives it the client too.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { startGateway } from '../dev_gateway.mjs';

let gateway, pageServer, browser;

const pageOf = (script) => `<!doctype html><title>bundle</title><ol></ol>${script}`;
const listen = (token) => `
  const show = (text) => { document.querySelector('ol').appendChild(document.createElement('li')).textContent = text; };
  const socket = io('http://127.0.0.1:${gateway.port}/mqtt', { auth: { token: '${token}' } });
  socket.on('mqtt:message', ({ topic, payload }) => show(topic + ' says ' + payload.text));
  socket.on('connect_error', (error) => show(error.message));
  socket.on('connect', async () => {
    await socket.emitWithAck('mqtt:subscribe', { topic: 'chat/bundle', qos: 1 });
    socket.emit('mqtt:publish', { topic: 'chat/bundle', payload: { text: 'hello' }, qos: 1 });
  });`;

before(async () => {
  gateway = await startGateway();
  const bundle = `http://127.0.0.1:${gateway.port}/socket.io`;
  const pages = {
    '/script': (token) => pageOf(`<script src="${bundle}/socket.io.min.js"></script><script>${listen(token)}</script>`),
    '/module': (token) =>
      pageOf(`<script type="module">import { io } from '${bundle}/socket.io.esm.min.js';${listen(token)}</script>`),
  };
  pageServer = createServer((request, response) => {
    const make = pages[request.url];
    if (!make) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(make(gateway.token('alice')));
  }).listen(0, '127.0.0.1');
  await once(pageServer, 'listening');
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
});

after(async () => {
  await browser?.close();
  pageServer?.close();
  await gateway?.stop();
});

for (const path of ['/script', '/module'])
  test(`a page that loads the client from the gateway by ${path.slice(1)} hears MQTT`, async () => {
    const page = await browser.newPage();
    page.setDefaultTimeout(15_000);
    const errors = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    const bundles = [];
    page.on('response', (response) => {
      if (response.url().includes('/socket.io.')) bundles.push(response);
    });
    await page.goto(`http://127.0.0.1:${pageServer.address().port}${path}`);
    await page.getByText('chat/bundle says hello').waitFor();
    assert.equal(bundles.length, 1);
    assert.equal(bundles[0].status(), 200);
    assert.match(bundles[0].headers()['content-encoding'], /^(br|gzip)$/);
    assert.deepEqual(errors, []);
    await page.close();
  });
