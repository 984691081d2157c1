// The package as a program of somebody else's finds it: installed from the build tree, and the example built against it.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const repository = path.resolve(import.meta.dirname, '../..');
const build = process.env.FAMEMELY_BUILD ?? path.join(repository, 'build/dev');
const cmake = process.env.CMAKE ?? 'cmake';
const folder = mkdtempSync(path.join(tmpdir(), 'famemely-installed-'));
const prefix = path.join(folder, 'prefix');
const children = [];

function start(program, args) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.text = '';
  child.stdout.on('data', (data) => (child.text += data));
  child.stderr.on('data', (data) => (child.text += data));
  child.ended = new Promise((resolve) => child.on('close', resolve)); // its output may come after its exit
  children.push(child);
  return child;
}

async function until(condition, what) {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `in vain: ${typeof what === 'function' ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true) ?? socket.destroy());
    socket.on('error', () => resolve(false));
  });
}

let port;
let broker;

before(async () => {
  await run(cmake, ['--install', build, '--prefix', prefix]);
  port = await freePort();
  writeFileSync(path.join(folder, 'mosquitto.conf'), `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
  broker = start('mosquitto', ['-v', '-c', path.join(folder, 'mosquitto.conf')]);
  await until(() => listens(port), 'mosquitto');
});

after(async () => {
  for (const child of children) child.kill();
  await Promise.all(children.map((child) => child.ended));
  rmSync(folder, { recursive: true });
});

async function buildAgainstTheCopy(source, name) {
  const out = path.join(folder, name);
  await run(cmake, ['-S', source, '-B', out, `-DCMAKE_PREFIX_PATH=${prefix}`]);
  await run(cmake, ['--build', out]);
  return path.join(out, name);
}

test('the server is installed', async () => {
  const { stdout } = await run(path.join(prefix, 'bin/famemely-mqtt'), ['--version']);
  assert.match(stdout, /^famemely-mqtt \d/);
});

test('the public headers alone are installed', () => {
  assert.ok(existsSync(path.join(prefix, 'include/famemely/mqtt_service.hpp')));
  assert.ok(!existsSync(path.join(prefix, 'include/famemely/mqtt_service_state.hpp')));
});

test('the notification service hears and is heard', async () => {
  const program = await buildAgainstTheCopy(path.join(repository, 'examples/notification-service'), 'notification-service');
  const listener = start('mosquitto_sub', ['-h', '127.0.0.1', '-p', port, '-t', 'notifications/#', '-q', '1', '-F', '%t %q %r %p']);
  await until(() => broker.text.includes('notifications/# (QoS 1)'), () => broker.text);

  const service = start(program, [`mqtt://127.0.0.1:${port}`, '42', '{"title":"Hello"}']);
  await until(() => listener.text.includes('notifications/42 1 0 {"title":"Hello"}\n'), () => listener.text + service.text);
  await until(() => service.text.includes('Received notification: notifications/42 {"title":"Hello"}\n'), () => service.text);

  await run('mosquitto_pub', ['-h', '127.0.0.1', '-p', port, '-t', 'notifications/7/urgent', '-q', '1', '-m', 'from elsewhere']);
  await until(() => service.text.includes('Received notification: notifications/7/urgent from elsewhere\n'), () => service.text);

  service.stdin.end();
  assert.equal(await service.ended, 0, service.text);
  assert.equal(service.text.match(/Received notification/g).length, 2, 'each once');
});

test('a program on Asio, with a gateway inside, is built against the copy', async () => {
  const program = await buildAgainstTheCopy(path.join(import.meta.dirname, 'embedding'), 'embedding');
  const embedding = start(program, [`mqtt://127.0.0.1:${port}`]);
  assert.equal(await embedding.ended, 0, embedding.text);
  assert.match(embedding.text, /published\nrefused 400\nhealth 200\n/);
});
