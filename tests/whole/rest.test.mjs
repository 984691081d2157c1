// HTTP itself: routes, statuses, the shape of errors, who is let in, and what a connection carries.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import {
  adminToken, assertError, connect, eventually, isoTime, rawHttp, rest, sleep, startBoth, startGateway, token,
} from './harness.mjs';

const protectedRoutes = [
  ['GET', '/mqtt/status'], ['POST', '/mqtt/publish', { topic: 'a', payload: 1 }],
  ['POST', '/mqtt/publish/batch', { messages: [{ topic: 'a', payload: 1 }] }],
  ['POST', '/mqtt/subscribe', { topic: 'a' }], ['DELETE', '/mqtt/unsubscribe/a'], ['GET', '/mqtt/subscriptions'],
  ['GET', '/mqtt/subscriptions/all'], ['GET', '/mqtt/stats'],
  ['POST', '/mqtt/broadcast', { topic: 'a', message: { b: 1 } }],
];
const origin = { origin: 'http://localhost:3000' };
const authorization = () => `Authorization: Bearer ${token()}\r\n`;
const post = (body, fields = '') =>
  `POST /mqtt/publish HTTP/1.1\r\nHost: x\r\n${authorization()}Content-Type: application/json\r\n${fields}` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const get = (target, fields = '') => `GET ${target} HTTP/1.1\r\nHost: x\r\n${authorization()}${fields}\r\n`;

test('rest', async (t) => {
  const { gateway } = await startBoth(t);
  const ask = (...args) => rest(gateway, ...args);
  const publish = (body, options) => ask('POST', '/mqtt/publish', body, options);

  await t.test('health and readiness need no token', async () => {
    for (const target of ['/mqtt/health', '/mqtt/health/ready']) {
      const { status, body } = await ask('GET', target, undefined, { token: null });
      assert.equal(status, 200);
      const { timestamp, version, ...others } = body;
      assert.deepEqual(others, { status: 'ok', service: 'mqtt', broker: 'connected' });
      assert.match(timestamp, isoTime);
      assert.match(version, /\d/);
    }
  });

  await t.test('status', async () => {
    const { status, body } = await ask('GET', '/mqtt/status');
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body).sort(), ['clientId', 'connectedAt', 'isConnected', 'reconnectAttempts']);
    assert.equal(body.isConnected, true);
    assert.match(body.clientId, /^famemely_\d+/);
    assert.match(body.connectedAt, isoTime);
    assert.equal(body.reconnectAttempts, 0);
  });

  await t.test('stats', async (t) => {
    const before = (await ask('GET', '/mqtt/stats')).body;
    const socket = await connect(t, gateway);
    await publish({ topic: 'rest/stats', payload: 1, qos: 1 });
    const { body } = await ask('GET', '/mqtt/stats');
    for (const name of [
      'totalSubscriptions', 'activeSubscriptions', 'reconnectAttempts', 'connectedClients', 'messagesIn', 'messagesOut',
      'messagesDropped', 'publishes', 'uptimeSeconds',
    ]) {
      assert.equal(typeof body[name], 'number', name);
    }
    assert.equal(body.isConnected, true);
    assert.match(body.clientId, /^famemely_\d+/);
    assert.match(body.connectedAt, isoTime);
    assert.ok(!('lastError' in body));
    assert.equal(body.connectedClients, before.connectedClients + 1);
    assert.equal(body.publishes, before.publishes + 1);
    socket.disconnect();
    await eventually(
      async () => (await ask('GET', '/mqtt/stats')).body.connectedClients === before.connectedClients, 'one client less');
  });

  await t.test('who is let in', async (t) => {
    for (const [method, target, body] of protectedRoutes) {
      await t.test(`${method} ${target}`, async () => {
        const without = await ask(method, target, body, { token: null });
        assertError(without, 401, 'No token provided');
        assert.match(without.headers['www-authenticate'], /^Bearer/);
        for (const bad of ['nonsense', token({ exp: 1 }), token({}, { key: 'another secret that is long enough, too' })]) {
          const refused = await ask(method, target, body, { token: bad });
          assertError(refused, 401, /^Token verification failed: ./);
          assert.match(refused.headers['www-authenticate'], /^Bearer/);
        }
      });
    }
    await t.test('a token in the query is none', async () => {
      assertError(await ask('GET', `/mqtt/status?token=${token()}`, undefined, { token: null }), 401, 'No token provided');
    });
    await t.test('the service key, but not from a browser', async () => {
      const key = token({ sub: undefined, aud: undefined, role: 'service_role', iss: 'supabase' });
      assert.equal((await ask('GET', '/mqtt/subscriptions/all', undefined, { token: key })).status, 200);
      assertError(await ask('GET', '/mqtt/subscriptions/all', undefined, { token: key, headers: origin }), 401);
    });
  });

  await t.test('404 for routes and methods that are not there', async () => {
    for (const [method, target] of [
      ['GET', '/nope'], ['GET', '/'], ['GET', '/mqtt'], ['GET', '/mqtt/publish'], ['POST', '/mqtt/status'],
      ['DELETE', '/mqtt/status'], ['PUT', '/mqtt/publish'], ['PATCH', '/mqtt/subscribe'], ['DELETE', '/mqtt/unsubscribe'],
      ['GET', '/mqtt/unsubscribe/a'], ['GET', '/mqtt/health/readyy'],
    ]) {
      assertError(await ask(method, target), 404, `Cannot ${method} ${target}`);
      assertError(await ask(method, target, undefined, { token: null }), 404, `Cannot ${method} ${target}`);
    }
  });

  await t.test('HEAD is GET without a body', async (t) => {
    const raw = await rawHttp(t, gateway);
    for (const [target, status] of [['/mqtt/health', 200], ['/mqtt/status', 200], ['/nope', 404]]) {
      const whole = await ask('GET', target);
      const head = await ask('HEAD', target);
      assert.equal(head.status, status);
      assert.equal(head.text, '');
      if (target !== '/nope') assert.equal(head.headers['content-length'], String(whole.bytes.length));
    }
    raw.send(`HEAD /mqtt/health HTTP/1.1\r\nHost: x\r\n\r\n${get('/mqtt/status', 'Connection: close\r\n')}`);
    await raw.closed;
    assert.match(raw.text, /^HTTP\/1\.1 200 [^{]*\r\n\r\nHTTP\/1\.1 200 [^{]*\r\n\r\n\{"isConnected":true/);
  });

  await t.test('400 says what is wrong, in an array', async (t) => {
    const qos = 'qos must be one of the following values: 0, 1, 2';
    const cases = [
      ['/mqtt/publish', { payload: 1 }, ['topic must be a string']],
      ['/mqtt/publish', { topic: 7, payload: 1 }, ['topic must be a string']],
      ['/mqtt/publish', { topic: 'a', payload: 1, qos: 3 }, [qos]],
      ['/mqtt/publish', { topic: 'a', payload: 1, qos: '1' }, [qos]],
      ['/mqtt/publish', { topic: 'a', payload: 1, qos: 1.5 }, [qos]],
      ['/mqtt/publish', { topic: 'a', payload: 1, x: 1 }, ['property x should not exist']],
      ['/mqtt/subscribe', {}, ['topic must be a string']],
      ['/mqtt/subscribe', { topic: 'a', qos: -1 }, [qos]],
      ['/mqtt/subscribe', { topic: 'a', payload: 1 }, ['property payload should not exist']],
      ['/mqtt/publish', { topic: 'a' }], ['/mqtt/publish', { topic: 'a', payload: 1, retain: 'yes' }],
      ['/mqtt/publish', { topic: 'a', payload: 'x', encoding: 'hex' }], ['/mqtt/broadcast', { topic: 'a' }],
      ['/mqtt/publish', { topic: 'a', payload: 1, encoding: 'text' }], ['/mqtt/publish/batch', {}],
      ['/mqtt/publish', { topic: 'a', payload: '%', encoding: 'base64' }], ['/mqtt/publish/batch', { messages: {} }],
      ['/mqtt/broadcast', { topic: 'a', message: [1] }], ['/mqtt/broadcast', { topic: 'a', message: 'x' }],
      ['/mqtt/broadcast', { topic: 'a', message: {}, includeTimestamp: 1 }],
      ['/mqtt/broadcast', { topic: 'a', message: {}, qos: 1 }, ['property qos should not exist']],
    ];
    for (const [target, body, message] of cases) {
      await t.test(`${target} ${JSON.stringify(body)}`, async () => {
        const answer = await ask('POST', target, body);
        assertError(answer, 400, message);
        assert.ok(Array.isArray(answer.body.message), answer.text);
      });
    }
    await t.test('several faults at once', async () => {
      const answer = await publish({ payload: 1, qos: 9, x: 1 });
      assertError(answer, 400);
      const expected = [qos, 'property x should not exist', 'topic must be a string'];
      assert.deepEqual([...answer.body.message].sort(), expected.sort());
    });
    await t.test('what is no object', async () => {
      for (const body of ['[]', '"a"', '7', 'null', 'true', '']) assertError(await publish(body), 400);
    });
  });

  await t.test('400 for malformed JSON says where', async () => {
    for (const body of ['{"topic":"a",}', '{"topic":"a" "payload":1}', '{', '{"topic":"a","payload":01}', "{'topic':1}", '{}x']) {
      assertError(await publish(body), 400, /\d/);
    }
    const broken = Buffer.concat([Buffer.from('{"topic":"a'), Buffer.from([0xff]), Buffer.from('","payload":1}')]);
    assertError(await publish(broken), 400);
  });

  await t.test('400 for topics that brokers drop the connection on, which stays', async () => {
    const { connectedAt } = (await ask('GET', '/mqtt/status')).body;
    const bad = [
      '', 'a/#', '#', 'a/+/b', 'a\0b', 'a\x01', '\x1f', 'a\x7f', 'a\x80', 'a\u0085b', '\x9f', 'a\uffffb', 'a\ufffe',
      'a\ufdd0', 'a\u{1ffff}', 'ä'.repeat(32768), 'a/'.repeat(128) + 'a',
    ].map((topic) => JSON.stringify(topic));
    for (const topic of [...bad, '"\\ud800"', '"a\\udc00"']) {
      assertError(await publish(`{"topic":${topic},"payload":1,"qos":1}`), 400);
    }
    for (const topic of ['', 'a/#/b', 'a/b#', 'a/b+', 'a\0', 'a\x1f', '+/'.repeat(128) + '+', '$share/g/a']) {
      assertError(await ask('POST', '/mqtt/subscribe', { topic }), 400);
    }
    assertError(await ask('POST', '/mqtt/broadcast', { topic: 'a/+', message: { a: 1 } }), 400);
    for (const topic of ['a/'.repeat(127) + 'a', 'b'.repeat(65535), 'ä/ö €𝄞', '/', ' ']) {
      assert.equal((await publish({ topic, payload: 1, qos: 1 })).status, 200, topic.slice(0, 20));
    }
    assert.equal((await ask('GET', '/mqtt/status')).body.connectedAt, connectedAt);
  });

  await t.test('JSON nested over 512 deep', async () => {
    const nested = (depth) => `{"topic":"rest/deep","payload":${'['.repeat(depth)}${']'.repeat(depth)},"qos":1}`;
    assert.equal((await publish(nested(500))).status, 200);
    assertError(await publish(nested(520)), 400);
    assertError(await publish(nested(400_000)), 400);
  });

  await t.test('403 names what is not allowed', async () => {
    assertError(await publish({ topic: 'users/bob/x', payload: 1 }), 403, 'Not authorized to publish to users/bob/x');
    assertError(await ask('POST', '/mqtt/subscribe', { topic: '#' }), 403, 'Not authorized to subscribe to #');
    assertError(await ask('POST', '/mqtt/broadcast', { topic: 'app/broadcast/x', message: { a: 1 } }), 403,
      'Not authorized to publish to app/broadcast/x');
    assertError(await ask('GET', '/mqtt/subscriptions/all'), 403);
    assert.equal((await ask('GET', '/mqtt/subscriptions/all', undefined, { token: adminToken() })).status, 200);
  });

  await t.test('415 for a body that is not JSON', async () => {
    const body = '{"topic":"rest/type","payload":1}';
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/json5']) {
      assertError(await publish(body, { headers: { 'content-type': type } }), 415);
    }
    for (const type of ['application/json; charset=utf-8', 'Application/JSON']) {
      assert.equal((await publish(body, { headers: { 'content-type': type } })).status, 200, type);
    }
  });

  await t.test('413 for a body over MAX_PAYLOAD', async (t) => {
    const [before, after] = ['{"topic":"rest/large","encoding":"text","payload":"', '"}'];
    const sized = (bytes) => before + 'x'.repeat(bytes - before.length - after.length) + after;
    assert.equal((await publish(sized(1_000_000))).status, 200);
    assertError(await publish(sized(1_000_001)), 413);
    assertError(await publish(sized(3_000_000)), 413);
    const raw = await rawHttp(t, gateway);
    const head = post('').split('Content-Length')[0];
    raw.send(`${head}Content-Length: 1000001\r\nExpect: 100-continue\r\n\r\n`);
    await raw.find(/^HTTP\/1\.1 413 /);
    const chunked = await rawHttp(t, gateway);
    chunked.send(`${head}Transfer-Encoding: chunked\r\n\r\n${`10000\r\n${'x'.repeat(65536)}\r\n`.repeat(16)}`);
    await chunked.find(/^HTTP\/1\.1 413 /);
  });

  await t.test('percent-encoding that is none, or no UTF-8, is 400', async () => {
    for (const part of ['%zz', '%', '%ff', 'a%2', '%ED%A0%80']) assertError(await ask('DELETE', `/mqtt/unsubscribe/${part}`), 400);
  });

  await t.test('CORS', async (t) => {
    await t.test('an allowed origin is echoed, on errors too', async () => {
      for (const from of ['http://localhost:3000', 'http://localhost:19006', gateway.url]) {
        const headers = { origin: from, host: `127.0.0.1:${gateway.port}` };
        for (const [method, target, options] of [
          ['GET', '/mqtt/status', {}], ['GET', '/mqtt/health', { token: null }], ['GET', '/mqtt/status', { token: null }],
          ['GET', '/nope', {}], ['POST', '/mqtt/publish', {}],
        ]) {
          const answer = await ask(method, target, undefined, { headers, ...options });
          assert.equal(answer.headers['access-control-allow-origin'], from);
          assert.equal(answer.headers['access-control-allow-credentials'], 'true');
          assert.match(answer.headers.vary, /\borigin\b/i);
        }
      }
    });
    await t.test('another is not', async () => {
      for (const from of ['http://localhost:3001', 'https://localhost:3000', 'http://localhost:3000.evil.example', 'null']) {
        const answer = await ask('GET', '/mqtt/status', undefined, { headers: { origin: from } });
        assert.ok(!('access-control-allow-origin' in answer.headers), from);
        assert.ok(!('access-control-allow-credentials' in answer.headers), from);
      }
    });
    await t.test('a preflight is answered 204, without a token', async () => {
      for (const [target, method] of [['/mqtt/publish', 'POST'], ['/mqtt/unsubscribe/a%2Fb', 'DELETE'], ['/mqtt/status', 'GET']]) {
        const asked = { 'access-control-request-method': method, 'access-control-request-headers': 'authorization,content-type' };
        const preflight = (from) => ask('OPTIONS', target, undefined, { token: null, headers: { origin: from, ...asked } });
        const { status, text, headers } = await preflight(origin.origin);
        assert.equal(status, 204);
        assert.equal(text, '');
        assert.equal(headers['access-control-allow-origin'], origin.origin);
        assert.equal(headers['access-control-allow-credentials'], 'true');
        assert.ok(headers['access-control-allow-methods'].includes(method));
        assert.match(headers['access-control-allow-headers'], /authorization/i);
        assert.match(headers['access-control-allow-headers'], /content-type/i);
        assert.ok(!('access-control-allow-origin' in (await preflight('http://evil.example')).headers));
      }
    });
    await t.test('CORS_ORIGINS=* lets everybody in, without credentials', async (t) => {
      const open = await startGateway(t, { env: { MQTT_HOST: '127.0.0.1', MQTT_PORT: '1', CORS_ORIGINS: '*' } });
      const { headers } = await rest(open, 'GET', '/mqtt/health', undefined, { headers: { origin: 'http://any.example' } });
      assert.equal(headers['access-control-allow-origin'], '*');
      assert.ok(!('access-control-allow-credentials' in headers));
    });
  });

  await t.test('gzip for large answers to those who take it', async () => {
    const messages = Array.from({ length: 50 }, (_, i) => ({ topic: `rest/zip/${i}`, payload: i }));
    const batch = (accepted) => ask('POST', '/mqtt/publish/batch', { messages }, { headers: { 'accept-encoding': accepted } });
    const zipped = await batch('gzip, deflate, br');
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    assert.match(zipped.headers.vary, /accept-encoding/i);
    assert.equal(JSON.parse(gunzipSync(zipped.bytes)).results.length, 50);
    for (const accepted of ['identity', 'gzip;q=0', 'br']) {
      const plain = await batch(accepted);
      assert.ok(!('content-encoding' in plain.headers), accepted);
      assert.equal(plain.body.results.length, 50);
    }
    const small = await ask('GET', '/mqtt/status', undefined, { headers: { 'accept-encoding': 'gzip' } });
    assert.ok(!('content-encoding' in small.headers));
  });

  await t.test('a connection is kept, and closed when asked', async (t) => {
    const raw = await rawHttp(t, gateway);
    for (const count of [1, 2, 3]) {
      raw.send(get('/mqtt/status'));
      await raw.answers(count);
    }
    raw.send(get('/mqtt/status', 'Connection: close\r\n'));
    await raw.closed;
    const got = await raw.answers(4);
    assert.deepEqual(got.map((a) => a.status), [200, 200, 200, 200]);
    assert.match(got[3].head, /connection: close/i);
  });

  await t.test('pipelined requests are answered in order', async (t) => {
    const raw = await rawHttp(t, gateway);
    let requests = '';
    const expected = [];
    for (let i = 0; i < 40; ++i) {
      requests += post(`{"topic":"rest/pipe/${i}","payload":${i},"qos":${i % 3}}`) + get(`/nope/${i}`);
      expected.push([200, `rest/pipe/${i}`], [404, `Cannot GET /nope/${i}`]);
    }
    for (let at = 0; at < requests.length; at += 777) {
      raw.send(requests.slice(at, at + 777));
      await sleep(1);
    }
    const got = (await raw.answers(80)).map((a) => [a.status, JSON.parse(a.body).topic ?? JSON.parse(a.body).message]);
    assert.deepEqual(got, expected);
  });

  await t.test('Expect: 100-continue', async (t) => {
    const raw = await rawHttp(t, gateway);
    const body = '{"topic":"rest/expect","payload":1}';
    raw.send(post(body, 'Expect: 100-continue\r\n').slice(0, -body.length));
    await raw.find(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    raw.send(body);
    await raw.find(/\r\n\r\nHTTP\/1\.1 200 [\s\S]*"topic":"rest\/expect"/);
  });

  await t.test('chunked bodies', async (t) => {
    const raw = await rawHttp(t, gateway);
    const head = `${post('').split('Content-Length')[0]}Transfer-Encoding: chunked\r\n`;
    const body = '{"topic":"rest/chunked","payload":"ä€"}';
    const chunks = [...Buffer.from(body)].map((byte) => Buffer.from([0x31, 0x0d, 0x0a, byte, 0x0d, 0x0a]));
    raw.send(`${head}\r\n`);
    raw.send(Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]));
    await raw.answers(1);
    const size = Buffer.byteLength(body).toString(16).toUpperCase();
    raw.send(`${head}Trailer: X-Sum\r\n\r\n${size};name="value"\r\n${body}\r\n0\r\nX-Sum: 1\r\n\r\n`);
    raw.send(get('/mqtt/status'));
    assert.deepEqual((await raw.answers(3)).map((a) => a.status), [200, 200, 200]);
    const bad = await rawHttp(t, gateway);
    bad.send(`${head}\r\nxyz\r\n`);
    await bad.find(/^HTTP\/1\.1 400 /);
    await bad.closed;
  });
});
