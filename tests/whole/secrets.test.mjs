// What must stay secret is planted wherever it may stand, and the program is made to talk as much as it can: none of it
// comes out.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import {
  adminToken, brokerClient, connect, eventually, gatewayEnvironment, makeClient, once, program, publish, rawClient, rest,
  sleep, startBoth, startProgram, subscribe, temporaryDirectory, token,
} from './harness.mjs';

const planted = {
  jwtSecret: 'planted-jwt-secret-of-more-than-32-bytes',
  password: 'planted-mqtt-password',
  urlPassword: 'planted-url-password',
  header: 'planted-websocket-header',
  queryToken: 'planted-query-token',
  metrics: 'planted-metrics-token',
  sbKey: 'sb_secret_planted0123456789',
};

function assertSecret(text, secrets, where) {
  for (const [name, secret] of Object.entries(secrets))
    assert.ok(!text.includes(secret), `${name} came out in ${where}: …${text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 20)}`);
}

const run = (t, args, env) =>
  temporaryDirectory(t).then(
    (cwd) =>
      new Promise((resolve) => {
        execFile(program, args, { cwd, env: gatewayEnvironment({ env }), timeout: 10_000 }, (error, stdout, stderr) =>
          resolve({ status: error ? error.code : 0, text: stdout + stderr }));
      }),
  );

test('what a session logs and answers', async (t) => {
  const { broker, gateway } = await startBoth(t, {
    env: { LOG_LEVEL: 'trace', SUPABASE_JWT_SECRET: planted.jwtSecret, MQTT_USERNAME: 'gateway', MQTT_PASSWORD: planted.password },
  });
  // One byte: no core file, and nothing for a collector either.
  assert.match(readFileSync(`/proc/${gateway.pid}/limits`, 'utf8'), /^Max core file size +[01] /m);
  const key = planted.jwtSecret;
  const good = token({}, { key });
  const forged = token({ sub: 'mallory' }, { key: 'another-key-of-more-than-thirty-two-bytes' });
  const expired = token({ exp: 1_000_000 }, { key });
  const secrets = {
    ...planted, good, forged, expired, goodSignature: good.split('.')[2], forgedSignature: forged.split('.')[2],
    expiredSignature: expired.split('.')[2],
  };
  const answers = [];
  const note = (answer) => answers.push(typeof answer === 'string' ? answer : JSON.stringify(answer));

  const socket = await connect(t, gateway, { auth: { token: good }, reconnection: true, reconnectionDelay: 50 });
  await subscribe(socket, 'secrets/a', 1);
  await publish(socket, 'secrets/a', 'hello', { qos: 1 });
  socket.io.engine.close();
  await once(socket, 'connect');
  for (const bad of [forged, expired, planted.sbKey, `${good}x`, 'x'.repeat(9_000), `fmk_${planted.queryToken}`]) {
    const refused = makeClient(t, gateway, { auth: { token: bad } });
    const error = await once(refused, 'connect_error');
    note({ message: error.message, data: error.data });
    const answer = await rest(gateway, 'GET', '/mqtt/status', undefined, { token: bad });
    note(answer.text + JSON.stringify(answer.headers));
  }
  const header = makeClient(t, gateway, { auth: {}, extraHeaders: { authorization: `Bearer ${forged}` } });
  note((await once(header, 'connect_error')).message);
  // Where tokens should not be, but people put them.
  for (const target of [
    `/mqtt/status?token=${good}`, `/mqtt/nowhere?access_token=${planted.queryToken}`, `/mqtt/stream?ticket=${planted.queryToken}`,
    `/socket.io/?EIO=4&transport=polling&token=${planted.queryToken}`, `/socket.io/?EIO=3&transport=polling&token=${planted.queryToken}`,
  ])
    note((await rest(gateway, 'GET', target, undefined, { token: null })).text);
  note((await rest(gateway, 'POST', '/mqtt/publish', `{"topic":"a","payload":1,"token":"${good}"`, { token: good })).text);
  note((await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: adminToken() })).text);
  note((await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: good })).text);
  const raw = await rawClient(t, gateway, { auth: { token: good } });
  raw.send(`42/mqtt,["mqtt:auth",{"token":"${forged}"}]`);
  raw.send(`42/mqtt,["mqtt:nonsense",{"token":"${forged}"}]`);
  await raw.find(/nonsense|Unknown/);
  note(raw.texts.join('\n'));

  gateway.child.kill('SIGHUP');
  const other = await brokerClient(t, broker);
  await other.publishAsync('secrets/a', 'x');
  await broker.kill();
  await sleep(300);
  await broker.restart();
  await eventually(() => gateway.log.filter(({ event }) => event === 'broker connected').length > 1, 'connected again');
  await gateway.stop();
  assert.ok(gateway.log.length > 50, 'it has talked a lot');
  assertSecret(gateway.text + gateway.output, secrets, 'the log');
  assertSecret(answers.join('\n'), secrets, 'answers');
});

test('what a start says that fails, and the configuration that is printed', async (t) => {
  const urls = { MQTT_URL: `wss://user:${planted.urlPassword}@127.0.0.1:1/mqtt?token=${planted.queryToken}` };
  const env = {
    SUPABASE_JWT_SECRET: planted.jwtSecret, ...urls, MQTT_WS_HEADERS: `Authorization: Bearer ${planted.header}`,
    FAMEMELY_DATABASE_URL: `postgres://user:${planted.password}@db/x`,
  };
  const printed = await run(t, ['--print-config'], env);
  assert.equal(printed.status, 0, printed.text);
  assert.match(printed.text, /SUPABASE_JWT_SECRET/);
  assertSecret(printed.text, planted, '--print-config');

  for (const [args, bad] of [
    [['--check-config'], { ...env, PORT: 'x' }],
    [['--check-config'], { ...env, MQTT_PASSWORD: planted.password }],
    [['--check-config'], { ...env, MQTT_URL: `nonsense://user:${planted.urlPassword}@h` }],
    [['--check-config'], { ...env, MQTT_URL: `mqtts://user:${planted.urlPassword}@h:99999/?token=${planted.queryToken}` }],
    [['--check-config'], { ...env, METRICS_TOKEN: planted.metrics }],
    [['--check-config', '--mqtt-password', planted.password], env],
    [['--check-config', '--nonsense', 'x'], env],
    [['--check-config'], { ...env, MQTT_WS_HEADERS: `Authorization Bearer ${planted.header}` }],
    [['--check-config'], { ...env, FAMEMELY_DATABASE_URL: `oracle://user:${planted.password}@db/x` }],
  ]) {
    const { status, text } = await run(t, args, bad);
    assert.equal(status, 2, text);
    assertSecret(text, planted, args.join(' '));
  }
});

test('what is said of a broker that is not there, or refuses', async (t) => {
  // It takes the connection, reads, and says nothing a broker would say.
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n'));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const gateway = await startProgram(t, {
    env: gatewayEnvironment({
      env: {
        LOG_LEVEL: 'trace', SUPABASE_JWT_SECRET: planted.jwtSecret, MQTT_WS_HEADERS: `Authorization: Bearer ${planted.header}`,
        MQTT_URL: `ws://user:${planted.urlPassword}@127.0.0.1:${server.address().port}/mqtt?token=${planted.queryToken}`,
      },
    }),
  });
  await eventually(() => gateway.log.length > 15, 'it has tried a few times');
  const status = await rest(gateway, 'GET', '/mqtt/status', undefined, { token: token({}, { key: planted.jwtSecret }) });
  assertSecret(status.text, planted, 'the status');
  await gateway.stop();
  assertSecret(gateway.text, planted, 'the log');
});
