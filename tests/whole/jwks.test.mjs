// Tokens that are signed by the keys of a JWKS: which get in, and what becomes of them when the keys change.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { makeAuthority } from './certificates.mjs';
import {
  connect, eventually, gatewayEnvironment, makeClient, rest, secret, sleep, startBoth, startBroker, startProgram, subscribe,
  temporaryDirectory, token, within,
} from './harness.mjs';
import { makeSigningKey, startIssuer } from './issuer.mjs';

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const noSecret = { SUPABASE_JWT_SECRET: undefined };

/** A gateway of this issuer's tokens alone. */
async function startWith(t, issuer, { env = {}, ...more } = {}) {
  const both = await startBoth(t, { env: { ...noSecret, SUPABASE_JWKS_URL: issuer.url, ...env }, ...more });
  return both.gateway;
}

const whoami = (gateway, bearer, headers = {}) => rest(gateway, 'GET', '/mqtt/status', undefined, { token: bearer, headers });

async function accepted(gateway, bearer, headers) {
  const answer = await whoami(gateway, bearer, headers);
  assert.equal(answer.status, 200, answer.text);
}

async function refused(gateway, bearer, reason, headers) {
  const answer = await whoami(gateway, bearer, headers);
  assert.equal(answer.status, 401, answer.text);
  assert.equal(answer.headers['www-authenticate'], 'Bearer');
  assert.match(answer.body.message, reason);
}

test('tokens of every algorithm', async (t) => {
  const keys = ['RS256', 'ES256', 'EdDSA'].map((alg) => makeSigningKey(alg, `kid-${alg}`));
  const [rs256, es256, eddsa] = keys;
  const issuer = await startIssuer(t, { keys });
  const { gateway } = await startBoth(t, { env: { SUPABASE_JWKS_URL: `${issuer.url}?apikey=not-for-logs`, LOG_LEVEL: 'trace' } });
  assert.ok(gateway.log.some(({ event, warning }) => event === 'configuration' && /old secret/.test(warning)), gateway.text);

  for (const key of keys) {
    await t.test(`${key.alg}: the official client is let in`, async (t) => {
      const socket = await connect(t, gateway, { auth: { token: key.token({ sub: `user-${key.alg}` }) } });
      assert.equal((await subscribe(socket, 'jwks/a')).userId, `user-${key.alg}`);
    });
  }
  await t.test('HS256 by the secret beside them, whatever kid it names', async () => {
    await accepted(gateway, token());
    await accepted(gateway, token({}, { header: { kid: rs256.kid } }));
  });

  const evil = makeSigningKey('RS256', rs256.kid);
  const hs256 = (key, header) => {
    const text = `${encode({ alg: 'HS256', typ: 'JWT', ...header })}.${encode({ sub: 'root', aud: 'authenticated', exp: Date.now() / 1000 + 60 })}`;
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  };
  const [head, body, signature] = rs256.token().split('.');
  const attacks = {
    'alg none': [`${encode({ alg: 'none', kid: rs256.kid })}.${body}.`, /unsigned/],
    'alg NONE with a signature': [`${encode({ alg: 'NONE', kid: rs256.kid })}.${body}.${signature}`, /unsigned/],
    'an empty signature': [`${head}.${body}.`, /signature is invalid/],
    'the public key as the secret': [hs256(rs256.pem, { kid: rs256.kid }), /signature is invalid/],
    'the JWK as the secret': [hs256(JSON.stringify(es256.jwk), { kid: es256.kid }), /signature is invalid/],
    'the secret for RS256': [
      (() => {
        const text = `${encode({ alg: 'RS256', kid: rs256.kid })}.${body}`;
        return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
      })(),
      /signature is invalid/,
    ],
    'an EC key for RS256': [rs256.token({}, { kid: es256.kid }), /not one for RS256/],
    'ES256 over an RSA key': [es256.token({}, { kid: rs256.kid }), /not one for ES256/],
    'PS256': [rs256.token({}, { alg: 'PS256' }), /not supported/],
    'another key under a good name': [evil.token(), /signature is invalid/],
    'a key of its own in the header': [evil.token({}, { jwk: evil.jwk }), /signature is invalid/],
    'a jku of its own': [evil.token({}, { jku: `${issuer.url}?evil=1`, kid: 'evil' }), /not in the JWKS/],
    'an x5u and x5c of its own': [evil.token({}, { x5u: issuer.url, x5c: ['AA'] }), /signature is invalid/],
    'a kid that is a path': [rs256.token({}, { kid: '../../../dev/null' }), /not in the JWKS/],
    'a kid that is a query': [rs256.token({}, { kid: "' OR '1'='1" }), /not in the JWKS/],
    'no kid': [rs256.token({}, { kid: undefined }), /must name their key/],
    'a kid that is no text': [rs256.token({}, { kid: [rs256.kid] }), /must name their key/],
    'a critical extension': [rs256.token({}, { crit: ['b64'], b64: false }), /crit/],
    'another type': [rs256.token({}, { typ: 'secevent+jwt' }), /typ/],
    'r and s of zero': [es256.token().replace(/[^.]*$/, Buffer.alloc(64).toString('base64url')), /signature is invalid/],
    'a signature with a byte more': [
      eddsa.token().replace(/[^.]*$/, (text) => Buffer.concat([Buffer.from(text, 'base64url'), Buffer.alloc(1)]).toString('base64url')),
      /signature is invalid/,
    ],
    'padding': [`${rs256.token()}==`, /base64url/],
    'a part more': [`${rs256.token()}.x`, /three parts/],
    'over 8 KiB': [rs256.token({ filling: 'x'.repeat(9000) }), /8 KiB/],
    'claims that stand twice': [
      (() => {
        const text = `${head}.${encode('{"sub":"a","sub":"root","aud":"authenticated","exp":9999999999}')}`;
        return `${text}.${signature}`;
      })(),
      /signature is invalid/,
    ],
    'exp that is text': [rs256.token({ exp: '9999999999' }), /exp must be a number/],
    'exp that is negative': [rs256.token({ exp: -1 }), /exp must not be negative/],
    'no exp': [rs256.token({ exp: undefined }), /exp is missing/],
    'sub that is no text': [rs256.token({ sub: 1 }), /sub must be/],
    'claims that are deep': [rs256.token({ x: JSON.parse('['.repeat(500) + ']'.repeat(500)) }), /not valid JSON/],
    'the legacy service role by a signing key': [
      rs256.token({ sub: undefined, aud: undefined, iss: 'supabase', role: 'service_role' }), /aud|sub/,
    ],
  };
  for (const [name, [bad, reason]] of Object.entries(attacks))
    await t.test(`refused: ${name}`, () => refused(gateway, bad, reason));
  await t.test('no token, key or secret of all that is in the log', () => {
    const said = [...Object.values(attacks).map(([bad]) => bad), signature, token()];
    for (const text of said.map((bad) => bad.split('.').at(-1)).filter(({ length }) => length > 20))
      assert.ok(!gateway.text.includes(text), text.slice(0, 100));
    for (const text of [secret, 'not-for-logs', rs256.jwk.n]) assert.ok(!gateway.text.includes(text), text);
  });
  await t.test('nothing of that made it ask anywhere else', () => {
    assert.equal(issuer.target, '/jwks.json?apikey=not-for-logs');
    assert.ok(issuer.requests <= 2, `${issuer.requests}`);
  });
});

test('an empty JWKS and no secret: HS256 tokens are told what to set', async (t) => {
  const gateway = await startWith(t, await startIssuer(t));
  await refused(gateway, token(), /set SUPABASE_JWT_SECRET/);
});

test('rotation: a new key counts as soon as it is asked for, a withdrawn one no more', async (t) => {
  const [old, fresh] = ['old', 'new'].map((kid) => makeSigningKey('ES256', kid));
  const issuer = await startIssuer(t, { keys: [old], headers: { 'cache-control': 'max-age=10' } });
  const gateway = await startWith(t, issuer);
  await accepted(gateway, old.token());

  issuer.keys = [old, fresh];
  await eventually(async () => (await whoami(gateway, fresh.token())).status === 200, 'the new key is known', 15_000);
  await accepted(gateway, old.token());

  const remembered = old.token();
  await accepted(gateway, remembered);
  issuer.keys = [fresh];
  await eventually(async () => (await whoami(gateway, remembered)).status === 401, 'the old key is withdrawn', 15_000);
  await refused(gateway, remembered, /not in the JWKS/);
  await accepted(gateway, fresh.token());
});

test('a storm of unknown keys costs one fetch', async (t) => {
  const key = makeSigningKey('EdDSA', 'good');
  const issuer = await startIssuer(t, { keys: [key] });
  const gateway = await startWith(t, issuer, { env: { WORKERS: '2' } });
  assert.equal(issuer.requests, 1);
  const stranger = makeSigningKey('EdDSA', 'stranger');
  const began = Date.now();
  for (let round = 0; round < 20; ++round) {
    const kids = Array.from({ length: 50 }, (_, i) => `stranger-${round}-${i}`);
    const answers = await Promise.all(kids.map((kid) => whoami(gateway, stranger.token({}, { kid }))));
    assert.ok(answers.every(({ status }) => status === 401));
  }
  if (Date.now() - began < 25_000) assert.equal(issuer.requests, 1, 'the start was less than 30 s ago');
  await eventually(() => issuer.requests === 2, 'the one fetch', 40_000);
  await sleep(1000);
  assert.equal(issuer.requests, 2);
  await accepted(gateway, key.token());
});

test('max-age is kept, and the set renewed before it is over', async (t) => {
  const issuer = await startIssuer(t, { keys: [makeSigningKey('EdDSA', 'k')], headers: { 'cache-control': 'public, max-age=10' } });
  await startWith(t, issuer);
  await sleep(4000);
  assert.equal(issuer.requests, 1);
  await eventually(() => issuer.requests === 2, 'a second fetch', 8000);
});

test('the endpoint is down at the start, and comes', async (t) => {
  const key = makeSigningKey('RS256', 'k');
  const issuer = await startIssuer(t, { keys: [key] });
  await issuer.stop();
  const gateway = await startWith(t, issuer, { env: { SUPABASE_JWT_SECRET: secret } });
  const { error, keys_of: keysOf } = await gateway.logged('jwks not fetched');
  assert.match(error, /Connection refused/);
  assert.match(keysOf, /none/);
  await refused(gateway, key.token(), /could not be fetched yet/);
  await accepted(gateway, token());
  await issuer.start();
  await eventually(async () => (await whoami(gateway, key.token())).status === 200, 'the key is known', 15_000);
});

test('the endpoint goes: the last set serves on, for JWKS_MAX_STALE', async (t) => {
  const key = makeSigningKey('ES256', 'k');
  const issuer = await startIssuer(t, { keys: [key], headers: { 'cache-control': 'max-age=0' } });
  const gateway = await startWith(t, issuer, { env: { JWKS_MAX_STALE: '5s' } });
  for (const fault of [{ status: 500 }, { status: 200, body: '<html>' }, { status: 302, headers: { location: '/other' } }]) {
    Object.assign(issuer, { body: undefined, headers: {} }, fault);
    gateway.child.kill('SIGHUP');
    const before = gateway.log.length;
    await eventually(() => gateway.log.slice(before).some(({ event }) => event === 'jwks not fetched'), 'a failure');
    await accepted(gateway, key.token());
  }
  await issuer.stop();
  await accepted(gateway, key.token());
  await gateway.logged('jwks too old', 25_000);
  await refused(gateway, key.token(), /JWKS_MAX_STALE/);
  Object.assign(issuer, { status: 200, body: undefined, headers: {} });
  await issuer.start();
  gateway.child.kill('SIGHUP');
  await eventually(async () => (await whoami(gateway, key.token())).status === 200, 'the key is back', 15_000);
});

test('a silent endpoint holds up neither the start nor anybody', async (t) => {
  const issuer = await startIssuer(t);
  issuer.silent = true;
  const gateway = await startWith(t, issuer, { env: { SUPABASE_JWT_SECRET: secret } });
  // A start that waits for the keys would go on once the fetch is given up.
  const events = gateway.log.map(({ event }) => event);
  assert.ok(!events.slice(0, events.indexOf('listening')).includes('jwks not fetched'), events.join());
  for (let i = 0; i < 20; ++i) {
    const asked = Date.now();
    await accepted(gateway, token({ n: i }));
    assert.ok(Date.now() - asked < 4_000, `${Date.now() - asked} ms`); // a fetch is given up after 10 s
  }
});

test('a signal that comes while the start waits for keys is obeyed once it has started', async (t) => {
  const broker = await startBroker(t);
  await Promise.all(['SIGHUP', 'SIGTERM'].map(async (signal) => {
    const issuer = await startIssuer(t);
    issuer.silent = true;
    const env = gatewayEnvironment({ broker, env: { ...noSecret, SUPABASE_JWKS_URL: issuer.url } });
    const gateway = await startProgram(t, { env, awaitListening: false });
    await eventually(() => issuer.requests > 0, 'the keys are asked for');
    gateway.child.kill(signal);
    if (signal === 'SIGHUP') {
      await gateway.logged('reloaded');
      gateway.child.kill('SIGTERM');
    }
    assert.deepEqual(await within(gateway.ended, 'the end'), { code: 0, signal: null });
    assert.ok(gateway.log.some(({ event }) => event === 'stopped'), gateway.text);
  }));
});

test('over HTTPS the certificate and the name are verified', async (t) => {
  const directory = await temporaryDirectory(t);
  const authority = makeAuthority(directory);
  const key = makeSigningKey('ES256', 'k');
  const read = ({ cert, key: file }) => ({ cert: readFileSync(cert), key: readFileSync(file) });
  const cases = {
    'a good certificate': [authority.issue('good'), authority.cert, undefined],
    'an authority that nobody knows': [authority.issue('unknown'), undefined, /unknown CA/],
    'another name': [authority.issue('other', { names: 'DNS:elsewhere.example' }), authority.cert, /host name mismatch/],
    'an expired one': [authority.issue('old', { expired: true }), authority.cert, /expired/],
    'one that is self-signed': [authority.selfSigned('self'), authority.cert, /self-signed/],
  };
  for (const [name, [files, trusted, error]] of Object.entries(cases)) {
    await t.test(name, async (t) => {
      const issuer = await startIssuer(t, { keys: [key], ...read(files) });
      const gateway = await startWith(t, issuer, { env: { SSL_CERT_FILE: trusted ?? '/dev/null', SSL_CERT_DIR: '/nonexistent' } });
      if (!error) return accepted(gateway, key.token());
      assert.match((await gateway.logged('jwks not fetched')).error, error);
      await refused(gateway, key.token(), /could not be fetched yet/);
      assert.equal(issuer.requests, 0, 'nothing was asked of whoever answered');
    });
  }
});

test('a JWKS in a file is read again when it changes', async (t) => {
  const directory = await temporaryDirectory(t);
  const file = path.join(directory, 'jwks.json');
  const [one, two] = ['one', 'two'].map((kid) => makeSigningKey('EdDSA', kid));
  const save = (keys) => writeFile(file, JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  await save([one]);
  const gateway = await startWith(t, { url: `file://${file}` });
  await accepted(gateway, one.token());
  await save([two]);
  await eventually(async () => (await whoami(gateway, two.token())).status === 200, 'the new key');
  await refused(gateway, one.token(), /not in the JWKS/);
  await writeFile(file, 'nonsense');
  await gateway.logged('jwks not fetched');
  await accepted(gateway, two.token());
});

test('keys that can not be used are left out, and the log says why', async (t) => {
  const weak = { kid: 'weak', jwk: { kty: 'RSA', kid: 'weak', e: 'AQAB', n: Buffer.alloc(128, 0xff).toString('base64url') } };
  const shared = { kid: 'shared', jwk: { kty: 'oct', kid: 'shared', k: 'c2VjcmV0LXZhbHVl' } };
  const good = makeSigningKey('ES256', 'good');
  const gateway = await startWith(t, await startIssuer(t, { keys: [weak, shared, good] }));
  await accepted(gateway, good.token());
  const lines = gateway.log.filter(({ event }) => event === 'jwks key left out').map(({ why }) => why);
  assert.equal(lines.length, 2);
  assert.match(lines[0], /key 1 \(kid weak\).*1024 bits/);
  assert.match(lines[1], /shared secret/);
  assert.ok(!gateway.text.includes('c2VjcmV0'));
});

test('the project of Supabase: its path, its issuer', async (t) => {
  const key = makeSigningKey('ES256', 'k');
  const issuer = await startIssuer(t, { keys: [key] });
  const project = `http://127.0.0.1:${issuer.port}`;
  const { gateway } = await startBoth(t, { env: { ...noSecret, SUPABASE_URL: project } });
  assert.equal(issuer.target, '/auth/v1/.well-known/jwks.json');
  await accepted(gateway, key.token({ iss: `${project}/auth/v1` }));
  await refused(gateway, key.token(), /SUPABASE_URL/);
  await refused(gateway, key.token({ iss: 'https://evil.example/auth/v1' }), /SUPABASE_URL/);
});

test('a reconnect storm with one token costs one verification a worker', async (t) => {
  const key = makeSigningKey('RS256', 'k');
  const gateway = await startWith(t, await startIssuer(t, { keys: [key] }), { env: { WORKERS: '1' } });
  const bearer = key.token();
  await Promise.all(
    Array.from({ length: 100 }, () => {
      const socket = makeClient(t, gateway, { auth: { token: bearer } });
      return within(new Promise((resolve) => socket.once('connect', resolve)), 'connect');
    }),
  );
  const { body } = await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: bearer });
  assert.equal(body.keys.verified, 1, JSON.stringify(body.keys));
  assert.ok(body.keys.remembered >= 100);
  assert.equal(body.keys.jwks.keys, 1);
});
