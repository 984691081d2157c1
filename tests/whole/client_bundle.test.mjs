// The official client's browser builds, served from within the program.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { rest, startGateway } from './harness.mjs';

const dist = new URL('./node_modules/socket.io-client/dist/', import.meta.url);
const names = ['socket.io.js', 'socket.io.min.js', 'socket.io.esm.min.js', 'socket.io.msgpack.min.js'];
const files = names.flatMap((name) => [name, `${name}.map`]);
const origin = 'https://app.example.com';

/** It needs no broker to serve files. */
const startAlone = (t, env = {}) => startGateway(t, { env: { MQTT_HOST: '127.0.0.1', MQTT_PORT: '1', ...env } });

const get = (gateway, file, headers = {}, method = 'GET') =>
  rest(gateway, method, `/socket.io/${file}`, undefined, { token: null, headers });

test('every file has the bytes of the npm package, plain and compressed', async (t) => {
  const gateway = await startAlone(t);
  for (const file of files) {
    const bytes = readFileSync(new URL(file, dist));
    const plain = await get(gateway, file);
    assert.equal(plain.status, 200);
    assert.ok(plain.bytes.equals(bytes), file);
    assert.equal(plain.headers['content-length'], String(bytes.length));
    const type = file.endsWith('.map') ? 'application/json' : 'application/javascript';
    assert.equal(plain.headers['content-type'], `${type}; charset=utf-8`);
    assert.equal(plain.headers['cache-control'], 'public, max-age=0');
    assert.equal(plain.headers['content-encoding'], undefined);

    const gzip = await get(gateway, file, { 'accept-encoding': 'gzip, deflate' });
    assert.equal(gzip.headers['content-encoding'], 'gzip');
    assert.ok(gunzipSync(gzip.bytes).equals(bytes), file);
    assert.ok(gzip.bytes.length < bytes.length / 2);

    const brotli = await get(gateway, file, { 'accept-encoding': 'gzip, deflate, br' });
    assert.equal(brotli.headers['content-encoding'], 'br');
    assert.ok(brotliDecompressSync(brotli.bytes).equals(bytes), file);
    assert.ok(brotli.bytes.length < gzip.bytes.length);

    for (const answer of [plain, gzip, brotli]) assert.match(answer.headers.vary, /Accept-Encoding/);
    const tags = new Set([plain, gzip, brotli].map((answer) => answer.headers.etag));
    assert.equal(tags.size, 3, 'a strong tag names one form');
    for (const tag of tags) assert.match(tag, /^"[\w-]+"$/);
  }
});

test('who has the file is told so, and nobody else', async (t) => {
  const gateway = await startAlone(t);
  for (const encoding of ['identity', 'gzip', 'br']) {
    const headers = { 'accept-encoding': encoding };
    const { headers: { etag } } = await get(gateway, 'socket.io.min.js', headers);
    for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await get(gateway, 'socket.io.min.js', { ...headers, 'if-none-match': tags, origin: gateway.url });
      assert.equal(again.status, 304, tags);
      assert.equal(again.bytes.length, 0);
      assert.equal(again.headers.etag, etag);
      assert.equal(again.headers['content-length'], undefined);
      assert.equal(again.headers['access-control-allow-origin'], gateway.url);
    }
    const other = await get(gateway, 'socket.io.min.js', { ...headers, 'if-none-match': '"other"' });
    assert.equal(other.status, 200);
    const another = await get(gateway, 'socket.io.js', { ...headers, 'if-none-match': etag });
    assert.equal(another.status, 200, 'the tag of one file is not that of another');
  }
});

test('HEAD has the headers of GET and no body, and the connection goes on', async (t) => {
  const gateway = await startAlone(t);
  const whole = await get(gateway, 'socket.io.js');
  const head = await get(gateway, 'socket.io.js', {}, 'HEAD');
  assert.equal(head.status, 200);
  assert.equal(head.bytes.length, 0);
  for (const name of ['content-length', 'content-type', 'etag', 'cache-control', 'vary'])
    assert.equal(head.headers[name], whole.headers[name], name);
});

test('pages of listed origins may read it', async (t) => {
  const gateway = await startAlone(t, { CORS_ORIGINS: origin });
  const listed = await get(gateway, 'socket.io.esm.min.js', { origin });
  assert.equal(listed.headers['access-control-allow-origin'], origin);
  assert.match(listed.headers.vary, /Origin/);
  const foreign = await get(gateway, 'socket.io.esm.min.js', { origin: 'https://evil.example.com' });
  assert.equal(foreign.headers['access-control-allow-origin'], undefined);
});

test('other names and methods are not the bundle', async (t) => {
  const gateway = await startAlone(t);
  for (const file of ['socket.io.esm.js', 'socket.io.min.js.gz', 'index.html', '%2e%2e/etc/passwd'])
    assert.equal((await get(gateway, file)).status, 404, file);
  assert.equal((await get(gateway, 'socket.io.js', {}, 'POST')).status, 404);
  assert.equal((await get(gateway, 'socket.io.js', { origin: gateway.url }, 'OPTIONS')).status, 204);
  const machine = await get(gateway, '?transport=polling&EIO=4');
  assert.match(machine.text, /^0\{"sid"/);
});

test('SERVE_CLIENT=false serves none of it, and says why', async (t) => {
  const gateway = await startAlone(t, { SERVE_CLIENT: 'false' });
  const answer = await get(gateway, 'socket.io.min.js');
  assert.equal(answer.status, 404);
  assert.match(answer.body.message, /SERVE_CLIENT/);
  assert.match((await get(gateway, '?transport=polling&EIO=4')).text, /^0\{"sid"/);
});
