// Sockets whose key is withdrawn while they are connected: they are treated as expired after 30 s, and nobody else is.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { connect, eventually, program, publish, rest, startBoth, subscribe, temporaryDirectory, token, untilMessages,
  within } from './harness.mjs';
import { makeSigningKey, startIssuer } from './issuer.mjs';

async function createKey(name) {
  const { stdout } = await promisify(execFile)(program, ['key', 'create', '--name', name, '--role', 'authenticated'], { env: {} });
  const [key, line] = stdout.split('\n');
  return { key, line };
}

/** When it was told and when it was closed, and why. */
function watch(socket) {
  const seen = {};
  socket.on('mqtt:auth:expired', () => (seen.toldAt = Date.now()));
  seen.closed = new Promise((resolve) => {
    socket.once('disconnect', (reason) => {
      Object.assign(seen, { closedAt: Date.now(), reason });
      resolve(seen);
    });
  });
  return seen;
}

test('sockets of withdrawn keys are closed after 30 s, those of others stay', async (t) => {
  const [old, fresh] = ['old', 'fresh'].map((kid) => makeSigningKey('ES256', kid));
  const issuer = await startIssuer(t, { keys: [old, fresh] });
  const [gone, kept] = await Promise.all(['gone', 'kept'].map(createKey));
  const file = path.join(await temporaryDirectory(t), 'keys');
  await writeFile(file, `${gone.line}\n${kept.line}\n`);
  const { gateway } = await startBoth(t, { env: { WORKERS: '2', SUPABASE_JWKS_URL: issuer.url, API_KEYS_FILE: file } });

  let signer = old;
  const returning = await connect(t, gateway, {
    auth: (give) => give({ token: signer.token({ sub: 'returning' }) }),
    reconnection: true,
    reconnectionDelay: 10,
    reconnectionDelayMax: 50,
  });
  await subscribe(returning, 'withdrawn/a', 1);
  const withdrawn = {
    'of a JWKS key': returning,
    'of a JWKS key, polling': await connect(t, gateway, { auth: { token: old.token({ sub: 'polling' }) }, transports: ['polling'] }),
    'of an API key': await connect(t, gateway, { auth: { token: gone.key } }),
  };
  const others = {
    'of the other JWKS key': await connect(t, gateway, { auth: { token: fresh.token({ sub: 'fresh' }) } }),
    'of the other API key': await connect(t, gateway, { auth: { token: kept.key } }),
    'of the secret': await connect(t, gateway, { auth: { token: token() } }),
  };
  const watches = Object.fromEntries(Object.entries({ ...withdrawn, ...others }).map(([name, socket]) => [name, watch(socket)]));

  const before = Date.now();
  issuer.keys = [fresh];
  signer = fresh;
  await writeFile(file, `${kept.line}\n`);
  gateway.child.kill('SIGHUP');
  await eventually(async () => (await rest(gateway, 'GET', '/mqtt/status', undefined, { token: gone.key })).status === 401, 'refused');
  await eventually(async () => (await rest(gateway, 'GET', '/mqtt/status', undefined, { token: old.token() })).status === 401, 'refused');
  const since = Date.now();

  for (const name of Object.keys(withdrawn)) {
    const { reason, toldAt, closedAt } = await within(watches[name].closed, `${name} is closed`, 60_000);
    assert.ok(closedAt - before > 29_000 && closedAt - since < 45_000, `${name}: ${closedAt - since} ms`);
    assert.ok(toldAt, `${name} was told`);
    // No DISCONNECT packet, after which the official client would not come back.
    assert.notEqual(reason, 'io server disconnect', name);
  }
  await eventually(() => returning.connected, 'it comes back with a token of the key that is in force');
  const publisher = others['of the secret'];
  await publish(publisher, 'withdrawn/a', 'after', { qos: 1 });
  await untilMessages(returning, 1);
  for (const [name, socket] of Object.entries(others)) {
    assert.ok(socket.connected, name);
    assert.equal(watches[name].closedAt, undefined, name);
  }
});
