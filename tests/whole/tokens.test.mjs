// Who gets in over Socket.IO, and who does not and what he is told.
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { connect, makeClient, once, rawClient, rest, startBoth, subscribe, token, within } from './harness.mjs';

const seconds = (offset) => Math.floor(Date.now() / 1000) + offset;
const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** The CONNECT_ERROR that a client gets. */
function refusal(t, gateway, options) {
  const socket = makeClient(t, gateway, options);
  return within(
    new Promise((resolve, reject) => {
      socket.once('connect_error', resolve);
      socket.once('connect', () => reject(new Error('it was let in')));
    }),
    'connect_error',
  );
}

test('tokens', async (t) => {
  const { gateway } = await startBoth(t);
  const refused = async (t, auth, reason, more = {}) => {
    const error = await refusal(t, gateway, { auth, ...more });
    assert.deepEqual(error.data, { statusCode: 401 });
    assert.match(error.message, reason);
    return error;
  };

  await t.test('a good one is let in and names the user', async (t) => {
    const socket = await connect(t, gateway, { auth: { token: token({ sub: 'carol' }) } });
    assert.equal((await subscribe(socket, 'tokens/a')).userId, 'carol');
  });

  await t.test('none: No token provided', async (t) => {
    for (const auth of [{}, { token: '' }, { token: null }]) {
      const error = await refused(t, auth, /./);
      assert.equal(error.message, 'No token provided');
    }
  });

  await t.test('one in the query is none', async (t) => {
    const error = await refused(t, {}, /./, { query: { token: token() } });
    assert.equal(error.message, 'No token provided');
  });

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rs256 = (() => {
    const signed = `${encode({ alg: 'RS256', typ: 'JWT', kid: 'k' })}.${encode({ sub: 'alice', aud: 'authenticated', exp: seconds(60) })}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
  })();
  const [head, body, signature] = token().split('.');
  const refusals = {
    'garbage': 'garbage',
    'two parts': `${head}.${body}`,
    'four parts': `${head}.${body}.${signature}.`,
    'no base64url': `${head}.${body}.***`,
    'a header that is no JSON': `${encode('{')}.${body}.${signature}`,
    'claims that are no object': `${head}.${encode('[]')}.${signature}`,
    'another secret': token({}, { key: 'another-secret-that-is-long-enough-too' }),
    'changed claims': `${head}.${encode({ sub: 'root', aud: 'authenticated', exp: seconds(60) })}.${signature}`,
    'alg none': `${encode({ alg: 'none', typ: 'JWT' })}.${body}.`,
    'alg None with the signature': token({}, { header: { alg: 'None' } }),
    'alg HS512': token({}, { header: { alg: 'HS512' } }),
    'RS256 without a JWKS': rs256,
    'expired': token({ exp: seconds(-60) }),
    'expired by a fraction beyond the leeway': token({ exp: Date.now() / 1000 - 10.5 }),
    'no exp': token({ exp: undefined }),
    'exp that is a string': token({ exp: String(seconds(60)) }),
    'not yet valid': token({ nbf: seconds(60) }),
    'issued in the future': token({ iat: seconds(60) }),
    'no sub': token({ sub: undefined }),
    'an empty sub': token({ sub: '' }),
    'sub that is a number': token({ sub: 7 }),
    'over 8 KiB': token({ filling: 'x'.repeat(9000) }),
  };
  for (const [name, bad] of Object.entries(refusals)) {
    await t.test(`refused: ${name}`, (t) => refused(t, { token: bad }, /^Token verification failed: ./));
  }

  await t.test('refused: another audience, naming the variable', (t) =>
    refused(t, { token: token({ aud: 'somebody-else' }) }, /^Token verification failed: .*JWT_AUDIENCE/));
  await t.test('refused: no audience', (t) =>
    refused(t, { token: token({ aud: undefined }) }, /^Token verification failed: .*JWT_AUDIENCE/));
  await t.test('refused: an anon key, by name', (t) =>
    refused(t, { token: token({ sub: undefined, aud: undefined, role: 'anon', iss: 'supabase' }) }, /anon/));
  await t.test('refused: a key of Supabase', async (t) => {
    const error = await refused(t, { token: 'sb_publishable_abcdefghijklmnopqrstuv' }, /./);
    assert.match(error.message, /This is a Supabase API key, not a user token/);
  });

  const accepted = {
    'an audience in an array': { aud: ['other', 'authenticated'] },
    'fractional times': { exp: Date.now() / 1000 + 60.25, iat: Date.now() / 1000 - 0.5, nbf: Date.now() / 1000 - 1.5 },
    'no iat': { iat: undefined },
    'expired within the leeway': { exp: seconds(-4) },
    'issued within the leeway': { iat: seconds(5), nbf: seconds(5) },
  };
  for (const [name, claims] of Object.entries(accepted)) {
    await t.test(`let in: ${name}`, async (t) => {
      const socket = makeClient(t, gateway, { auth: { token: token(claims) } });
      await once(socket, 'connect');
    });
  }
  await t.test('let in: HS256 with a kid, as Supabase stamps one', async (t) => {
    await connect(t, gateway, { auth: { token: token({}, { header: { kid: 'abc' } }) } });
  });

  await t.test('the legacy service key needs neither sub nor aud', async (t) => {
    const key = token({ sub: undefined, aud: undefined, role: 'service_role', iss: 'supabase' });
    const socket = await connect(t, gateway, { auth: { token: key } });
    assert.equal((await subscribe(socket, '#')).userId, 'service_role');
  });

  await t.test('the legacy service key is refused to a browser', async (t) => {
    const key = token({ sub: undefined, aud: undefined, role: 'service_role', iss: 'supabase' });
    await refused(t, { token: key }, /./, { extraHeaders: { Origin: 'http://localhost:3000' } });
    const ask = (headers) => rest(gateway, 'GET', '/mqtt/status', undefined, { token: key, headers });
    assert.equal((await ask({})).status, 200);
    for (const origin of ['http://localhost:3000', 'null', gateway.url]) {
      const answer = await ask({ origin });
      assert.equal(answer.status, 401, origin);
      assert.match(answer.body.message, /Origin header/);
    }
  });

  await t.test('the Authorization header of the handshake counts where auth has none', async (t) => {
    for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
      const socket = await connect(t, gateway, {
        auth: {},
        transports,
        extraHeaders: { Authorization: `Bearer ${token({ sub: 'header' })}` },
      });
      assert.equal((await subscribe(socket, 'tokens/a')).userId, 'header');
    }
  });

  await t.test('auth wins over the header', async (t) => {
    const socket = await connect(t, gateway, {
      auth: { token: token({ sub: 'auth' }) },
      extraHeaders: { Authorization: `Bearer ${token({ sub: 'header' })}` },
    });
    assert.equal((await subscribe(socket, 'tokens/a')).userId, 'auth');
  });

  await t.test('other namespaces are refused: Invalid namespace', async (t) => {
    for (const namespace of ['/', '/other', '/mqtt2']) {
      assert.equal((await refusal(t, gateway, { namespace })).message, 'Invalid namespace');
    }
  });

  await t.test('a refused client may try again on the same connection', async (t) => {
    const raw = await rawClient(t, gateway, { auth: null });
    raw.send('40/mqtt,{"token":"garbage"}');
    const error = await raw.find(/^44\/mqtt,/);
    const { message, data } = JSON.parse(error.slice('44/mqtt,'.length));
    assert.match(message, /^Token verification failed: /);
    assert.deepEqual(data, { statusCode: 401 });
    raw.send(`40/mqtt,${JSON.stringify({ token: token() })}`);
    await raw.find(/^40\/mqtt,\{"sid"/);
  });

  await t.test('health needs no token', async () => {
    const response = await fetch(`${gateway.url}/mqtt/health`);
    assert.equal(response.status, 200);
    const { timestamp, version, ...rest } = await response.json();
    assert.match(timestamp, /^\d{4}-.*Z$/);
    assert.equal(typeof version, 'string');
    assert.deepEqual(rest, { status: 'ok', service: 'mqtt', broker: 'connected' });
    assert.equal((await fetch(`${gateway.url}/mqtt/health/ready`)).status, 200);
  });
});
