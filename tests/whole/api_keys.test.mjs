// Keys for backends: how they are made, who may use them, and what becomes of them when their file changes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { connect, eventually, gatewayEnvironment, makeClient, program, rest, startBoth, startProgram, subscribe,
  temporaryDirectory, token, within } from './harness.mjs';

const noSecret = { SUPABASE_JWT_SECRET: undefined };

/** As an operator makes one: the key, and the line of the file. */
async function createKey(name, role) {
  const { stdout } = await promisify(execFile)(program, ['key', 'create', '--name', name, '--role', role], { env: {} });
  const [key, line, rest] = stdout.split('\n');
  assert.equal(rest, '');
  return { key, line };
}

const whoami = (gateway, bearer, headers = {}) => rest(gateway, 'GET', '/mqtt/status', undefined, { token: bearer, headers });
const known = async (gateway, bearer) => (await whoami(gateway, bearer)).status === 200;

test('key create prints a key, and a line that does not hold it', async () => {
  const { key, line } = await createKey('billing', 'service_role');
  assert.match(key, /^fmk_[\w-]{43}$/);
  assert.match(line, /^billing service_role sha256:[0-9a-f]{64}$/);
  assert.notEqual((await createKey('billing', 'service_role')).key, key);
});

test('API keys', async (t) => {
  const file = path.join(await temporaryDirectory(t), 'keys');
  const billing = await createKey('billing', 'service_role');
  const reader = await createKey('reader', 'authenticated');
  await writeFile(file, `# keys of the shop\n${billing.line}\n\n${reader.line}\n`);
  const { gateway } = await startBoth(t, { env: { ...noSecret, API_KEYS_FILE: file } });

  await t.test('a backend signs in by REST and by Socket.IO, as the user key:<name>', async (t) => {
    const socket = await connect(t, gateway, { auth: { token: billing.key } });
    assert.equal((await subscribe(socket, '#')).userId, 'key:billing');
    assert.equal((await whoami(gateway, reader.key)).status, 200);
  });

  await t.test('it has its role, and no other', async () => {
    assert.equal((await rest(gateway, 'GET', '/mqtt/subscriptions/all', undefined, { token: billing.key })).status, 200);
    assert.equal((await rest(gateway, 'GET', '/mqtt/subscriptions/all', undefined, { token: reader.key })).status, 403);
  });

  await t.test('a browser is refused', async (t) => {
    const origin = { origin: 'http://localhost:3000' };
    const answer = await whoami(gateway, billing.key, origin);
    assert.equal(answer.status, 401);
    assert.match(answer.body.message, /API key is for backends, not for requests with an Origin header/);
    for (const transports of [['polling'], ['websocket']]) {
      const socket = makeClient(t, gateway, { auth: { token: billing.key }, transports, extraHeaders: { Origin: origin.origin } });
      const error = await within(new Promise((resolve) => socket.once('connect_error', resolve)), 'connect_error');
      assert.match(error.message, /Origin/);
      assert.deepEqual(error.data, { statusCode: 401 });
    }
  });

  await t.test('an Origin that is there but empty is one', async (t) => {
    assert.equal((await whoami(gateway, billing.key, { origin: '' })).status, 401);
    const socket = makeClient(t, gateway, { auth: { token: billing.key }, transports: ['polling'], extraHeaders: { Origin: '' } });
    const error = await within(new Promise((resolve) => socket.once('connect_error', resolve)), 'connect_error');
    assert.match(error.message, /Origin/);
  });

  await t.test('nor a page of the same host, whose polls tell no origin but whose POSTs do', async () => {
    const base = `http://127.0.0.1:${gateway.port}/socket.io/?EIO=4&transport=polling`;
    const { sid } = JSON.parse((await (await fetch(base)).text()).slice(1));
    const post = (body, headers) => fetch(`${base}&sid=${sid}`, { method: 'POST', body, headers });
    await post(`40/mqtt,${JSON.stringify({ token: billing.key })}`, { Origin: `http://127.0.0.1:${gateway.port}` });
    assert.match(await (await fetch(`${base}&sid=${sid}`)).text(), /^44\/mqtt,.*not for requests with an Origin header/);
  });

  await t.test('what is no key of the file is refused', async () => {
    const digest = billing.line.split(':')[1];
    for (const bad of [(await createKey('billing', 'service_role')).key, `${billing.key}x`, billing.key.slice(0, -1),
      billing.key.toUpperCase(), 'fmk_', digest, `sha256:${digest}`, `fmk_${digest}`]) {
      const answer = await whoami(gateway, bad);
      assert.equal(answer.status, 401, bad);
      assert.match(answer.body.message, /^Token verification failed: /);
    }
    assert.match((await whoami(gateway, token())).body.message, /set SUPABASE_JWT_SECRET/);
  });

  await t.test('a key that is added while it runs counts', async () => {
    const late = await createKey('late', 'authenticated');
    await appendFile(file, `${late.line}\n`);
    await eventually(() => known(gateway, late.key), 'the new key is known');
  });

  await t.test('a bad file keeps the keys that there were, and the log says why', async () => {
    const good = await readFile(file, 'utf8');
    await writeFile(file, `${good}what is\n`);
    const { error } = await eventually(() => gateway.log.find(({ event, what }) => what === 'api keys' && /^reload failed/.test(event)), 'an error');
    assert.match(error, /line 6: a line is: name role sha256/);
    assert.ok(await known(gateway, billing.key));
    await rm(file);
    await eventually(() => gateway.log.some((line) => /No such file/.test(line.error)), 'a second error');
    assert.ok(await known(gateway, billing.key));
    await writeFile(`${file}.new`, good);
    await rename(`${file}.new`, file);
    const reads = () => gateway.log.filter(({ event }) => event === 'api keys read').length;
    await eventually(() => reads() >= 3, 'the good file is read');
  });

  await t.test('a key that is removed is refused, also where it was remembered; the others stay', async () => {
    assert.ok(await known(gateway, reader.key));
    await writeFile(file, `${billing.line}\n`);
    await eventually(async () => !(await known(gateway, reader.key)), 'the key is refused');
    assert.ok(await known(gateway, billing.key));
  });

  await t.test('SIGHUP reads the file at once', async () => {
    await writeFile(file, `${reader.line}\n`);
    gateway.child.kill('SIGHUP');
    await eventually(() => known(gateway, reader.key), 'the key counts');
    await eventually(async () => !(await known(gateway, billing.key)), 'the other is gone');
  });

  await t.test('no key is in the log', () => {
    for (const { key } of [billing, reader]) assert.ok(!gateway.text.includes(key.slice(4)));
  });
});

test('refused at the start: a file that is missing or bad, with status 2', async (t) => {
  const directory = await temporaryDirectory(t);
  const { key, line } = await createKey('a', 'b');
  const cases = [['missing', undefined, /API_KEYS_FILE.*No such file/], ['bad', 'x\n', /line 1/], ['leaky', `a b ${key}\n`, /line 1: an API key itself/],
    ['twice', `${line}\n${line}\n`, /line 2: the name a stands in an earlier line/]];
  for (const [name, text, pattern] of cases) {
    const file = path.join(directory, name);
    if (text) await writeFile(file, text);
    const env = gatewayEnvironment({ env: { ...noSecret, MQTT_HOST: 'localhost', API_KEYS_FILE: file } });
    const gateway = await startProgram(t, { env, awaitListening: false });
    assert.equal((await gateway.ended).code, 2);
    assert.match(gateway.text, pattern);
    assert.ok(!gateway.text.includes(key));
  }
});

test('without anything to verify tokens with it does not start, and makes no secret', async (t) => {
  const gateway = await startProgram(t, { env: gatewayEnvironment({ env: { ...noSecret, MQTT_HOST: 'localhost' } }), awaitListening: false });
  assert.equal((await gateway.ended).code, 2);
  assert.match(gateway.text, /set SUPABASE_URL, SUPABASE_JWKS_URL, SUPABASE_JWT_SECRET or API_KEYS_FILE/);
  await assert.rejects(readFile(path.join(gateway.cwd, '.famemely-mqtt-dev-secret')), /ENOENT/);
});
