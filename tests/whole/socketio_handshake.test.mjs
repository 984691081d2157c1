// How an Engine.IO session is opened or refused: codes, bodies, headers, and what pages of other origins may see.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBoth, token } from './harness.mjs';
import { ask, connectPacket, polled, socket } from './wire.mjs';

const messages = [
  'Transport unknown', 'Session ID unknown', 'Bad handshake method', 'Bad request', 'Forbidden', 'Unsupported protocol version',
];
const unknownSid = 'AAAAAAAAAAAAAAAAAAAA';

for (const workers of [1, 2]) {
  test(`handshake with WORKERS=${workers}`, async (t) => {
    const { gateway } = await startBoth(t, { env: { WORKERS: String(workers), CORS_ORIGINS: 'https://page.example' } });

    await t.test('polling opens with exactly five keys, as text that no cache keeps', async () => {
      const { status, headers, text } = await ask(gateway, 'GET', 'EIO=4&transport=polling');
      assert.equal(status, 200);
      assert.equal(headers['content-type'].toLowerCase(), 'text/plain; charset=utf-8');
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
      assert.equal(text[0], '0');
      const { sid, ...rest } = JSON.parse(text.slice(1));
      assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
      assert.deepEqual(rest, { upgrades: ['websocket'], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1_000_000 });
    });

    await t.test('a WebSocket opens with the same packet, and nothing to upgrade to', async (t) => {
      const wire = await socket(t, gateway);
      const { sid, ...rest } = JSON.parse((await wire.find(/^0/)).slice(1));
      assert.match(sid, /^[A-Za-z0-9_-]{20}$/);
      assert.deepEqual(rest, { upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1_000_000 });
    });

    await t.test('the order of parameters, and unknown ones, do not matter', async () => {
      for (const query of ['transport=polling&EIO=4', 'EIO=4&transport=polling&t=abc123', 'b64=1&x=%20&transport=polling&&EIO=4&j'])
        assert.equal((await ask(gateway, 'GET', query)).status, 200, query);
    });

    await t.test('the Socket.IO id is not the secret that Engine.IO goes by', async () => {
      const session = await polled(gateway);
      assert.match(session.socketId, /^[A-Za-z0-9_-]{20}$/);
      assert.notEqual(session.socketId, session.sid);
      assert.equal((await ask(gateway, 'GET', `EIO=4&transport=polling&sid=${session.socketId}`)).body.code, 1);
    });

    await t.test('sids are not used twice', async () => {
      const sids = new Set();
      for (let i = 0; i < 50; ++i) sids.add((await polled(gateway, { join: false })).sid);
      assert.equal(sids.size, 50);
    });

    const session = await polled(gateway);
    const rows = [
      ['GET', 'EIO=4', 0, 'no transport'],
      ['GET', 'EIO=4&transport=tape', 0, 'an unknown transport'],
      ['GET', 'EIO=4&transport=tape&sid=' + unknownSid, 0, 'the transport is looked at first'],
      ['POST', 'EIO=3&transport=tape', 0, 'the transport is looked at first, always'],
      ['GET', `EIO=4&transport=polling&sid=${unknownSid}`, 1, 'an unknown sid'],
      ['GET', 'EIO=4&transport=polling&sid=short', 1, 'no sid at all'],
      ['POST', `EIO=4&transport=polling&sid=${unknownSid}`, 1, 'an unknown sid in a POST'],
      ['POST', 'EIO=4&transport=polling', 2, 'a POST without sid'],
      ['PUT', 'EIO=4&transport=polling', 2, 'a PUT without sid'],
      ['DELETE', 'EIO=4&transport=polling', 2, 'a DELETE without sid'],
      ['GET', 'EIO=4&transport=websocket', 3, 'a WebSocket without Upgrade'],
      ['GET', `EIO=4&transport=websocket&sid=${session.sid}`, 3, 'a transport that is not the session\'s'],
      ['GET', `EIO=3&transport=polling&sid=${session.sid}`, 3, 'a version that is not the session\'s'],
      ['PUT', `EIO=4&transport=polling&sid=${session.sid}`, 3, 'a method that polling does not have'],
      ['DELETE', `EIO=4&transport=polling&sid=${session.sid}`, 3, 'another'],
      ['GET', 'EIO=3&transport=polling', 5, 'version 3'],
      ['GET', 'EIO=5&transport=polling', 5, 'version 5'],
      ['GET', 'transport=polling', 5, 'no version'],
    ];
    for (const [method, query, code, name] of rows) {
      await t.test(`code ${code}: ${name}`, async () => {
        const { status, headers, text } = await ask(gateway, method, query);
        assert.equal(status, 400);
        assert.match(headers['content-type'], /^application\/json\b/);
        assert.equal(text, `{"code":${code},"message":"${messages[code]}"}`);
        assert.equal(headers['content-length'], String(text.length));
      });
    }
    await t.test('none of these has harmed the session', async () => assert.ok(await session.lives()));

    const upgrades = [
      ['EIO=4&transport=tape', 0],
      [`EIO=4&transport=websocket&sid=${unknownSid}`, 1],
      [`EIO=3&transport=websocket&sid=${session.sid}`, 3],
      ['EIO=3&transport=websocket', 5],
      ['transport=websocket', 5],
    ];
    for (const [query, code] of upgrades) {
      await t.test(`code ${code} for an upgrade, in place of the 101: ${query.slice(0, 40)}`, async (t) => {
        const { refused } = await socket(t, gateway, query);
        assert.equal(refused.status, 400);
        assert.equal(refused.text, `{"code":${code},"message":"${messages[code]}"}`);
      });
    }
    await t.test('code 3 for an upgrade without a key', async () => {
      const { status, body } = await ask(gateway, 'GET', 'EIO=4&transport=websocket', undefined, {
        connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13',
      });
      assert.deepEqual([status, body], [400, { code: 3, message: 'Bad request' }]);
    });

    await t.test('a WebSocket that says transport=polling is one', async (t) => {
      const wire = await socket(t, gateway, 'EIO=4&transport=polling');
      await wire.find(/^0\{/);
      wire.send(connectPacket());
      await wire.find(/^40\/mqtt,\{"sid"/);
    });

    const origin = 'https://page.example';
    await t.test('OPTIONS is a preflight', async () => {
      for (const query of ['EIO=4&transport=polling', session.query]) {
        const { status, headers, text } = await ask(gateway, 'OPTIONS', query, undefined, {
          origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization',
        });
        assert.equal(status, 204);
        assert.equal(text, '');
        assert.equal(headers['access-control-allow-origin'], origin);
        assert.match(headers['access-control-allow-methods'], /\bPOST\b/);
        assert.match(headers['access-control-allow-headers'], /authorization/);
      }
      assert.ok(await session.lives());
    });

    await t.test('an origin on the list is told so by every answer', async (t) => {
      const answers = [
        (await ask(gateway, 'GET', 'EIO=4&transport=polling', undefined, { origin })).headers,
        (await ask(gateway, 'GET', 'EIO=4&transport=tape', undefined, { origin })).headers,
        (await session.post('6', { origin })).headers,
        (await socket(t, gateway, 'EIO=4&transport=websocket', { origin })).headers,
        (await socket(t, gateway, 'EIO=3&transport=websocket', { origin })).refused.headers,
      ];
      for (const headers of answers) {
        assert.equal(headers['access-control-allow-origin'], origin);
        assert.match(headers.vary ?? '', /Origin/);
      }
    });

    await t.test('one that is not on it is told nothing', async (t) => {
      const stranger = { origin: 'https://elsewhere.example' };
      const answers = [
        (await ask(gateway, 'GET', 'EIO=4&transport=polling', undefined, stranger)).headers,
        (await ask(gateway, 'OPTIONS', 'EIO=4&transport=polling', undefined, stranger)).headers,
      ];
      for (const headers of answers) {
        assert.equal(headers['access-control-allow-origin'], undefined);
        assert.match(headers.vary ?? '', /Origin/);
      }
    });

    await t.test('a refusal of the gateway is a CONNECT_ERROR that leaves the connection', async (t) => {
      const wire = await socket(t, gateway);
      await wire.find(/^0\{/);
      wire.send(connectPacket({ token: token({}, { key: 'another key that nobody has told the gateway' }) }));
      const refusal = JSON.parse((await wire.next(/^44\/mqtt,/)).slice(8));
      assert.equal(typeof refusal.message, 'string');
      assert.equal(refusal.data.statusCode, 401);
      wire.send(connectPacket());
      await wire.find(/^40\/mqtt,\{"sid"/);
    });
  });
}
