// What the program makes of flags, environment and files, without opening a port.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { connect, gatewayEnvironment, program, secret, startBroker, startProgram, subscribe, temporaryDirectory } from './harness.mjs';

/** Runs to its end, which must be soon. */
async function run(t, args, { env = {}, files = {} } = {}) {
  const cwd = await temporaryDirectory(t);
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(cwd, name), text);
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env: gatewayEnvironment({ env }), timeout: 10_000 }, (error, stdout, stderr) => {
      resolve({ status: error ? (error.code ?? error.signal) : 0, stdout, stderr });
    });
  });
}
const good = { MQTT_HOST: 'localhost' };

test('refusals: exit status 2 and a text that names the setting', async (t) => {
  const refusals = {
    'no broker': [{}, [], /MQTT_HOST/],
    'no secret': [{ ...good, SUPABASE_JWT_SECRET: undefined }, [], /SUPABASE_JWT_SECRET/],
    'a short secret': [{ ...good, SUPABASE_JWT_SECRET: 'short' }, [], /SUPABASE_JWT_SECRET.*32/s],
    'a bad port': [{ ...good, PORT: '70000' }, [], /PORT.*70000/s],
    'a port that is no number': [{ ...good, MQTT_PORT: 'abc' }, [], /MQTT_PORT.*abc/s],
    'what Kubernetes makes of a service named mqtt': [
      { ...good, MQTT_PORT: 'tcp://10.0.0.5:1883' }, [], /MQTT_PORT.*tcp:\/\/10\.0\.0\.5:1883.*(Kubernetes|container)/is,
    ],
    'a bad protocol': [{ ...good, MQTT_PROTOCOL: 'amqp' }, [], /MQTT_PROTOCOL.*amqp.*mqtts/s],
    'a bad version': [{ ...good, MQTT_VERSION: '4' }, [], /MQTT_VERSION.*4.*3\.1\.1/s],
    'a bad duration': [{ ...good, JWT_LEEWAY: '10x' }, [], /JWT_LEEWAY.*10x/s],
    'a bad size': [{ ...good, MAX_PAYLOAD: '1MiBB' }, [], /MAX_PAYLOAD.*1MiBB/s],
    'a bad level': [{ ...good, LOG_LEVEL: 'loud' }, [], /LOG_LEVEL.*loud.*debug/s],
    'no workers': [{ ...good, WORKERS: '0' }, [], /WORKERS.*0/s],
    'a fence topic that is a shared subscription': [{ ...good, MQTT_FENCE_TOPIC: '$share/g/x' }, [], /MQTT_FENCE_TOPIC="\$share\/g\/x".*not \$share/s],
    'a fence topic of 201 levels': [{ ...good, MQTT_FENCE_TOPIC: `a${'/a'.repeat(200)}` }, [], /MQTT_FENCE_TOPIC.*128 levels/s],
    'a user name that CONNECT has no room for': [{ ...good, MQTT_USERNAME: 'u'.repeat(65_536) }, [], /MQTT_USERNAME.*65535 bytes/s],
    'a password that CONNECT has no room for': [{ ...good, MQTT_PASSWORD: 'p'.repeat(65_536) }, [], /MQTT_PASSWORD="\*\*\*".*65535 bytes/s],
    'a client id that CONNECT has no room for': [{ ...good, MQTT_CLIENT_ID: 'c'.repeat(65_534) }, [], /MQTT_CLIENT_ID.*65533 bytes/s],
    'an unknown flag': [good, ['--mqtt-hots', 'x'], /mqtt-hots/],
    'a bad value of a flag': [good, ['--mqtt-port', '0x10'], /(MQTT_PORT|mqtt-port).*0x10/s],
    'a configuration file that is missing': [good, ['--config', 'missing.yaml'], /missing\.yaml/],
    'an environment file that is missing': [good, ['--env-file', 'missing.env'], /missing\.env/],
    'user_metadata as a source of roles': [{ ...good, JWT_ROLE_CLAIMS: 'role,user_metadata.role' }, [], /JWT_ROLE_CLAIMS.*user_metadata/s],
    'the published secret of local stacks beyond loopback': [
      { ...good, SUPABASE_JWT_SECRET: 'super-secret-jwt-token-with-at-least-32-characters-long', HOST: '0.0.0.0' }, [],
      /SUPABASE_JWT_SECRET/,
    ],
  };
  for (const [name, [env, args, pattern]] of Object.entries(refusals)) {
    for (const extra of [[], ['--check-config']]) {
      await t.test([name, ...extra].join(' '), async (t) => {
        const { status, stderr } = await run(t, [...args, ...extra], { env });
        assert.equal(status, 2, stderr);
        assert.match(stderr, pattern);
      });
    }
  }

  const files = {
    'an unknown key': ['mqtt_hots: x\n', /mqtt_hots/],
    'brokers, which are reserved': ['brokers: []\n', /brokers/],
    'sinks, which are reserved': ['sinks: []\n', /sinks/],
    'what is no YAML': ['a: [\n', /config\.yaml/],
    'a bad value': ['client_queue: many\n', /client_queue.*many/is],
  };
  for (const [name, [text, pattern]] of Object.entries(files)) {
    await t.test(`a configuration file with ${name}`, async (t) => {
      const { status, stderr } = await run(t, ['--config', 'config.yaml'], { env: good, files: { 'config.yaml': text } });
      assert.equal(status, 2, stderr);
      assert.match(stderr, pattern);
    });
  }
});

test('--check-config says that all is well and opens no port', async (t) => {
  const { status } = await run(t, ['--check-config'], { env: good });
  assert.equal(status, 0);
});

test('--print-config', async (t) => {
  await t.test('masks secrets', async (t) => {
    const { status, stdout } = await run(t, ['--print-config'], { env: { ...good, MQTT_USERNAME: 'u', MQTT_PASSWORD: 'pass-word-1' } });
    assert.equal(status, 0);
    assert.ok(!stdout.includes(secret) && !stdout.includes('pass-word-1'), stdout);
    assert.match(stdout, /localhost/);
    assert.match(stdout, /supabase_jwt_secret/i);
  });

  await t.test('masks the password inside MQTT_URL', async (t) => {
    const env = { MQTT_URL: 'mqtt://u:pass-word-1@broker.example:8884' };
    const { status, stdout } = await run(t, ['--print-config'], { env });
    assert.equal(status, 0);
    assert.ok(!stdout.includes('pass-word-1'), stdout);
    assert.match(stdout, /broker\.example/);
  });

  const shows = async (t, options, args, pattern) => {
    const { status, stdout, stderr } = await run(t, [...args, '--print-config'], options);
    assert.equal(status, 0, stderr);
    assert.match(stdout, pattern);
  };
  await t.test('the environment wins over .env', (t) =>
    shows(t, { env: { ...good, MQTT_HOST: 'from-environment' }, files: { '.env': 'MQTT_HOST=from-file\n' } }, [], /from-environment/));
  await t.test('.env is read as dotenv does', (t) =>
    shows(t, { files: { '.env': 'export MQTT_HOST="from-file" # which\nMQTT_USERNAME=   # Optional\nFOREIGN=1\n' } }, [], /from-file/));
  await t.test('a flag wins over the environment', (t) =>
    shows(t, { env: { ...good, MQTT_HOST: 'from-environment' } }, ['--mqtt-host', 'from-flag'], /from-flag/));
  await t.test('--env-file names another file', (t) =>
    shows(t, { files: { 'other.env': 'MQTT_HOST=from-other\n' } }, ['--env-file', 'other.env'], /from-other/));
  await t.test('--config has a place for every variable', (t) =>
    shows(t, { files: { 'c.yaml': 'mqtt_host: from-yaml\n' } }, ['--config', 'c.yaml'], /from-yaml/));
});

test('an unknown MQTT_ variable is a warning with the nearest name', async (t) => {
  const { status, stderr } = await run(t, ['--check-config'], { env: { ...good, MQTT_HOTS: 'x', UNRELATED: 'y' } });
  assert.equal(status, 0);
  assert.match(stderr, /MQTT_HOTS.*MQTT_HOST/s);
  assert.ok(!stderr.includes('UNRELATED'));
});

test('the token subcommand', async (t) => {
  const claimsOf = (text) => {
    const [head, body, signature] = text.trim().split('.');
    assert.equal(createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url'), signature);
    return JSON.parse(Buffer.from(body, 'base64url'));
  };

  await t.test('prints a token that is signed with the secret', async (t) => {
    const args = ['token', '--sub', 'zoe', '--role', 'admin', '--expires', '2h', '--claim', 'aal="aal2"', '--claim', 'n={"a":[1]}'];
    const { status, stdout } = await run(t, args, { env: good });
    assert.equal(status, 0);
    const claims = claimsOf(stdout);
    assert.equal(claims.sub, 'zoe');
    assert.equal(claims.role, 'admin');
    assert.equal(claims.aud, 'authenticated');
    assert.equal(claims.aal, 'aal2');
    assert.deepEqual(claims.n, { a: [1] });
    assert.ok(Math.abs(claims.exp - Date.now() / 1000 - 7200) < 10);
  });

  await t.test('lasts an hour unless told otherwise', async (t) => {
    const { stdout } = await run(t, ['token', '--sub', 'zoe'], { env: good });
    assert.ok(Math.abs(claimsOf(stdout).exp - Date.now() / 1000 - 3600) < 10);
  });

  for (const [name, args] of Object.entries({
    'without a user': ['token'],
    'with a claim that is no JSON': ['token', '--sub', 'a', '--claim', 'x={'],
    'with a bad duration': ['token', '--sub', 'a', '--expires', 'soon'],
  })) {
    await t.test(`${name}: status 2`, async (t) => assert.equal((await run(t, args, { env: good })).status, 2));
  }

  await t.test('without a secret: status 2', async (t) => {
    const { status, stderr } = await run(t, ['token', '--sub', 'a'], { env: { SUPABASE_JWT_SECRET: undefined } });
    assert.equal(status, 2);
    assert.match(stderr, /SUPABASE_JWT_SECRET/);
  });
});

test('--version and --help', async (t) => {
  const version = await run(t, ['--version']);
  assert.equal(version.status, 0);
  assert.match(version.stdout, /\d+\.\d+\.\d+/);
  const help = await run(t, ['--help']);
  assert.equal(help.status, 0);
  assert.match(help.stdout, /--mqtt-host/);
});

test('a running gateway with its settings from .env alone', async (t) => {
  const broker = await startBroker(t);
  const cwd = await temporaryDirectory(t);
  const lines = ['HOST=127.0.0.1', 'PORT=0', 'MQTT_HOST=127.0.0.1', `MQTT_PORT=${broker.port}`, 'MQTT_USERNAME=          # Optional', `SUPABASE_JWT_SECRET=${secret}`];
  await writeFile(path.join(cwd, '.env'), `${lines.join('\n')}\n`);
  const env = Object.fromEntries(Object.entries(gatewayEnvironment()).filter(([name]) => !['HOST', 'PORT', 'SUPABASE_JWT_SECRET'].includes(name)));
  const gateway = await startProgram(t, { cwd, env });
  const socket = await connect(t, gateway);
  await subscribe(socket, 'a');
});

test('a port that is taken: the error names it', async (t) => {
  const broker = await startBroker(t);
  const env = gatewayEnvironment({ broker, env: { PORT: String(broker.port) } });
  const gateway = await startProgram(t, { env, awaitListening: false });
  const { code } = await gateway.ended;
  assert.notEqual(code, 0);
  assert.match(gateway.text, new RegExp(`${broker.port}`));
});
