// Chromium pages as one more kind of participant: the same commands and reports as a process of clients.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const browserProgram = process.env.CHROMIUM ?? '/usr/bin/chromium';
const modules = ['accounting.mjs', 'client.mjs', 'page.mjs'];

function servePage(gatewayUrl) {
  const html = `<!doctype html><title>soak</title>
    <script src="${gatewayUrl}/socket.io/socket.io.min.js"></script><script type="module" src="page.mjs"></script>`;
  return createServer((request, response) => {
    const name = new URL(request.url, 'http://localhost').pathname.slice(1);
    if (name === '') return response.writeHead(200, { 'Content-Type': 'text/html' }).end(html);
    if (!modules.includes(name)) return response.writeHead(404).end();
    const text = readFileSync(new URL(name, import.meta.url));
    return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(text);
  });
}

/** The origin that CORS_ORIGINS must name is known before the gateway starts, so the page's server comes first. */
export async function reserveOrigin() {
  const holder = { handler: undefined };
  const server = createServer((request, response) => holder.handler(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    serve: (gatewayUrl) => {
      const inner = servePage(gatewayUrl);
      holder.handler = (request, response) => inner.emit('request', request, response);
    },
    close: () => server.close(),
  };
}

export async function openPages(site, plans, settings, report) {
  site.serve(settings.url);
  const browser = await chromium.launch({
    executablePath: browserProgram,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-background-timer-throttling',
      '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows'],
  });
  const pages = [];
  for (const plan of plans) {
    const page = await (await browser.newContext()).newPage();
    page.on('pageerror', (error) => report({ kind: 'failure', text: `${plan.id}: ${error}` }));
    await page.goto(site.origin);
    await page.waitForFunction(() => globalThis.soak && globalThis.io);
    const { url, proxyUrl } = settings;
    await page.evaluate((values) => globalThis.soak.start(values), { ...settings, plan, url: plan.proxied ? proxyUrl : url });
    pages.push(page);
  }
  const each = (work, value) => Promise.all(pages.map((page) => page.evaluate(work, value)));
  const tell = async () => {
    for (const text of (await each(() => globalThis.soak.takeFailures())).flat()) report({ kind: 'failure', text });
  };
  const telling = setInterval(() => tell().catch((error) => report({ kind: 'failure', text: `pages: ${error.message}` })), 5000);
  report({ kind: 'started' });
  const commands = {
    quiet: () => each(() => globalThis.soak.quiet()),
    async finish({ lasts, ms }) {
      const results = await each(({ lasts, ms }) => globalThis.soak.finish(lasts, ms), { lasts, ms });
      clearInterval(telling);
      await tell();
      report({
        kind: 'finished', behind: results.flatMap(({ behind }) => behind), clients: results.flatMap(({ clients }) => clients),
        statistics: results.map(({ statistics }) => statistics),
      });
    },
    async leave() {
      await each(() => globalThis.soak.leave());
      await browser.close();
      report({ kind: 'left' });
    },
  };
  return { send: ({ command, ...values }) => commands[command](values), kill: () => browser.close() };
}
