// The newcomer's switch: --dev with a broker of its own, and what is left when the gateway goes, however it goes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  connect, eventually, freePort, gatewayEnvironment, program, publish, runs, startProgram, subscribe,
  temporaryDirectory, token, untilMessages, untilReady,
} from './harness.mjs';

const run = promisify(execFile);
const environment = (more = {}) => gatewayEnvironment({ env: { SUPABASE_JWT_SECRET: undefined, HOST: undefined, ...more } });

async function startDev(t, { cwd, env } = {}) {
  const gateway = await startProgram(t, { args: ['--dev'], env: environment(env), cwd });
  await untilReady(gateway);
  const said = await eventually(() => /eyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(gateway.text + gateway.output), 'a ready token');
  gateway.token = said[0];
  gateway.broker = (await gateway.logged('managed broker listening')).port;
  return gateway;
}

/** The mosquitto whose parent is this process. */
async function childOf(pid) {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
    if (new RegExp(`^PPid:\\s+${pid}$`, 'm').test(status) && /^Name:\s+mosquitto/m.test(status)) return Number(name);
  }
  return undefined;
}

test('--dev', async (t) => {
  const cwd = await temporaryDirectory(t);

  await t.test('prints a token that works, and MQTT programs reach its sockets', async (t) => {
    const gateway = await startDev(t, { cwd });
    const socket = await connect(t, gateway, { auth: { token: gateway.token } });
    const { userId } = await subscribe(socket, '#', 1);
    assert.equal(userId, 'dev');
    await run('mosquitto_pub', ['-h', '127.0.0.1', '-p', String(gateway.broker), '-t', 'dev/a', '-m', '{"hello":1}', '-q', '1']);
    const [message] = await untilMessages(socket, 1);
    assert.deepEqual([message.topic, message.payload], ['dev/a', { hello: 1 }]);
    await gateway.stop();
  });

  await t.test('and sockets reach MQTT programs', async (t) => {
    const gateway = await startDev(t, { cwd });
    const listening = run('mosquitto_sub', ['-h', '127.0.0.1', '-p', String(gateway.broker), '-t', 'dev/b', '-C', '1', '-W', '10']);
    const socket = await connect(t, gateway, { auth: { token: gateway.token } });
    await publish(socket, 'dev/b', { kept: 1 }, { qos: 1, retain: true });
    assert.equal((await listening).stdout, '{"kept":1}\n');
    await gateway.stop();
  });

  await t.test('tells how to listen in', async (t) => {
    const gateway = await startDev(t, { cwd });
    assert.match(gateway.text + gateway.output, new RegExp(`(mosquitto_sub|mqtt sub).*${gateway.broker}`));
    await gateway.stop();
  });

  await t.test('keeps its secret for the next start, readable by its owner only', async (t) => {
    const first = await startDev(t, { cwd });
    await first.stop();
    const file = path.join(cwd, '.famemely-mqtt-dev-secret');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const before = await readFile(file, 'utf8');
    const second = await startDev(t, { cwd });
    assert.equal(await readFile(file, 'utf8'), before);
    await connect(t, second, { auth: { token: first.token } });
    const { stdout } = await run(program, ['token', '--dev', '--sub', 'zoe'], { cwd, env: environment() });
    const socket = await connect(t, second, { auth: { token: stdout.trim() } });
    assert.equal((await subscribe(socket, 'a')).userId, 'zoe');
    await second.stop();
  });

  await t.test('listens on 127.0.0.1 and on ::1', async (t) => {
    const gateway = await startDev(t, { cwd });
    assert.equal((await fetch(`http://127.0.0.1:${gateway.port}/mqtt/health`)).status, 200);
    const six = await fetch(`http://[::1]:${gateway.port}/mqtt/health`).catch(() => undefined);
    const hasSix = /::1|0{31}1/.test(await readFile('/proc/net/if_inet6', 'utf8').catch(() => ''));
    if (hasSix) assert.equal(six?.status, 200);
    await gateway.stop();
  });

  await t.test('a killed gateway leaves no broker', async (t) => {
    const gateway = await startDev(t, { cwd });
    const broker = await childOf(gateway.pid);
    assert.ok(broker, 'the broker is its child');
    await gateway.stop('SIGKILL');
    await eventually(() => !runs(broker), 'the broker is gone');
  });

  await t.test('a stopped gateway leaves no broker', async (t) => {
    const gateway = await startDev(t, { cwd });
    const broker = await childOf(gateway.pid);
    assert.deepEqual(await gateway.stop(), { code: 0, signal: null });
    assert.ok(!runs(broker));
  });

  await t.test('a killed broker is started again, and its sockets hear on', async (t) => {
    const gateway = await startDev(t, { cwd });
    const socket = await connect(t, gateway, { auth: { token: gateway.token } });
    await subscribe(socket, 'dev/again', 1);
    const before = await childOf(gateway.pid);
    process.kill(before, 'SIGKILL');
    await eventually(async () => {
      const now = await childOf(gateway.pid);
      return now && now !== before;
    }, 'another broker');
    await untilReady(gateway);
    await eventually(async () => {
      await run('mosquitto_pub', ['-h', '127.0.0.1', '-p', String(gateway.broker), '-t', 'dev/again', '-m', '1', '-q', '1']);
      return socket.messages.length > 0;
    }, 'a message afterwards');
    await gateway.stop();
  });

  await t.test('MQTT_PORT fixes the port of the broker', async (t) => {
    const port = await freePort();
    const gateway = await startDev(t, { cwd, env: { MQTT_PORT: String(port) } });
    assert.equal(gateway.broker, port);
    await gateway.stop();
  });
});

test('MQTT_HOST=managed without --dev', async (t) => {
  const gateway = await startProgram(t, { env: gatewayEnvironment({ env: { MQTT_HOST: 'managed' } }) });
  await untilReady(gateway);
  const socket = await connect(t, gateway);
  await subscribe(socket, 'a', 1);
  await publish(socket, 'a', 1, { qos: 1 });
  await untilMessages(socket, 1);
  assert.deepEqual(await gateway.stop(), { code: 0, signal: null });
});
