// Rules from a file: who is refused, what a change of the file does to those who are connected, and what a bad one does.
import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import {
  adminToken, ask, assertError, brokerClient, connect, eventually, gatewayEnvironment, program, rest, sleep, start, startBroker,
  startGateway, startProgram, subscribe, temporaryDirectory, token, untilMessages, untilReady,
} from './harness.mjs';

const rules = (...lines) => `rules:\n${lines.map((line) => `  - ${line}\n`).join('')}`;
const open = rules('{allow: [publish, subscribe], topics: ["#"]}');
const newsOnly = rules('{allow: [publish], roles: [editor], topics: ["news/#"]}', '{allow: [subscribe], topics: ["news/#"]}');

async function startWithRules(t, text, { env = {} } = {}) {
  const cwd = await temporaryDirectory(t);
  const file = path.join(cwd, 'permissions.yaml');
  await writeFile(file, text);
  const broker = await startBroker(t);
  const gateway = await startGateway(t, { broker, cwd, env: { PERMISSIONS_FILE: 'permissions.yaml', ...env } });
  await untilReady(gateway);
  const change = async (changed) => {
    await writeFile(`${file}.new`, changed);
    await rename(`${file}.new`, file);
  };
  const reloads = () => gateway.log.filter((line) => line.event === 'reloaded' && line.what === 'permissions').length;
  return { broker, gateway, change, reloads };
}

const mayPublish = async (gateway, topic, bearer = token()) =>
  (await rest(gateway, 'POST', '/mqtt/publish', { topic, payload: 1 }, { token: bearer })).status;

test('the file decides, on every way in', async (t) => {
  const { gateway } = await startWithRules(
    t,
    `rules:
  - allow: [publish, subscribe]
    topics: ["teams/{app_metadata.team}/#"]
  - deny: [publish, subscribe]
    topics: ["teams/#"]
  - deny: [publish]
    claims: {is_anonymous: true}
    topics: ["#"]
  - allow: [publish, subscribe]
    topics: ["#"]
`,
  );
  const red = token({ sub: 'r', app_metadata: { team: 'red' } });
  const none = token({ sub: 'n' });
  const wild = token({ sub: 'w', app_metadata: { team: '#' } });
  const guest = token({ sub: 'g', is_anonymous: true });
  const listed = token({ sub: 'l', app_metadata: { mqtt: { publish: ['teams/blue/in'], subscribe: ['teams/blue/#'] } } });
  for (const [bearer, topic, status] of [
    [red, 'teams/red/x', 200], [red, 'teams/blue/x', 403], [none, 'teams/red/x', 403], [wild, 'teams/red/x', 403],
    [none, 'else', 200], [guest, 'else', 403], [listed, 'teams/blue/in', 200], [listed, 'teams/blue/out', 403],
  ]) {
    const answer = await rest(gateway, 'POST', '/mqtt/publish', { topic, payload: 1 }, { token: bearer });
    if (status === 200) assert.equal(answer.status, 200, answer.text);
    else assertError(answer, 403, `Not authorized to publish to ${topic}`);
  }
  for (const [bearer, filter, allowed] of [
    [red, 'teams/red/#', true], [red, 'teams/#', false], [red, '#', false], [red, 'teams/+/x', false], [red, 'else/+', true],
    [guest, 'else/+', true], [listed, 'teams/blue/#', true], [listed, 'teams/#', false],
  ]) {
    const socket = await connect(t, gateway, { auth: { token: bearer } });
    const reply = await ask(socket, 'mqtt:subscribe', { topic: filter });
    assert.equal(reply.success, allowed, `${filter}: ${JSON.stringify(reply)}`);
    if (!allowed) assert.deepEqual(reply, { success: false, error: `Not authorized to subscribe to ${filter}`, statusCode: 403 });
    const answer = await rest(gateway, 'POST', '/mqtt/subscribe', { topic: filter }, { token: bearer });
    if (allowed) assert.equal(answer.status, 201, answer.text);
    else assertError(answer, 403, `Not authorized to subscribe to ${filter}`);
    socket.disconnect();
  }
  const batch = await rest(gateway, 'POST', '/mqtt/publish/batch', {
    messages: [{ topic: 'else', payload: 1 }, { topic: 'teams/red/x', payload: 1 }],
  });
  assert.equal(batch.body.results[1].statusCode, 403);
  const broadcast = await rest(gateway, 'POST', '/mqtt/broadcast', { topic: 'teams/red/x', message: {} });
  assertError(broadcast, 403, 'Not authorized to publish to teams/red/x');
});

for (const workers of [1, 3])
  test(`a changed file is in force for who is connected (WORKERS=${workers})`, async (t) => {
    const { broker, gateway, change, reloads } = await startWithRules(t, open, { env: { WORKERS: String(workers) } });
    const other = await brokerClient(t, broker);
    const sockets = [];
    for (let i = 0; i < 6; ++i) {
      const socket = await connect(t, gateway);
      socket.gone = [];
      socket.on('mqtt:unsubscribed', (told) => socket.gone.push(told));
      await subscribe(socket, 'chat/#');
      await subscribe(socket, 'news/+');
      sockets.push(socket);
    }
    assert.equal((await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 'by/rest' })).status, 201);
    await change(newsOnly);
    await eventually(() => sockets.every(({ gone }) => gone.length === 2), 'every socket is told of both');
    for (const { gone } of sockets)
      assert.deepEqual(gone.map(({ topic }) => topic).sort(), ['by/rest', 'chat/#'], JSON.stringify(gone));
    assert.ok(sockets.every(({ gone }) => gone.every(({ reason }) => reason === 'not authorized')));
    await eventually(() => reloads() === 1, 'the log tells of it');
    for (const topic of ['chat/x', 'by/rest', 'news/x']) await other.publishAsync(topic, '1', { qos: 1 });
    for (const socket of sockets) await untilMessages(socket, 1);
    await sleep(100);
    for (const socket of sockets) assert.deepEqual(socket.messages.map(({ topic }) => topic), ['news/x']);
    assert.equal(await mayPublish(gateway, 'news/x'), 403);
    assert.equal(await mayPublish(gateway, 'news/x', token({ role: 'editor' })), 200);

    await t.test('a bad file leaves the old in force, and the log says why', async () => {
      for (const bad of ['rules:\n  - allow: [write]\n    topics: ["a"]\n', 'rules: [', '']) {
        const faults = gateway.log.filter((line) => line.event.startsWith('reload failed')).length;
        await change(bad);
        const line = await eventually(
          () => gateway.log.filter((l) => l.event.startsWith('reload failed'))[faults],
          'the log tells of the bad file',
        );
        assert.equal(line.level, 'error');
        assert.equal(line.what, 'permissions');
        assert.match(line.error, /^permissions\.yaml/);
        assert.equal(await mayPublish(gateway, 'chat/x'), 403);
        assert.equal(await mayPublish(gateway, 'news/x', token({ role: 'editor' })), 200);
      }
      assert.ok(gateway.log.some((line) => line.error?.includes('permissions.yaml:2: rule 1: allow holds "write"')));
    });

    await t.test('rights that are back are there for what the user holds', async () => {
      await change(open);
      await eventually(() => reloads() === 2, 'read again');
      await eventually(async () => (await mayPublish(gateway, 'chat/x')) === 200, 'in force');
      await other.publishAsync('by/rest', '2', { qos: 1 });
      for (const socket of sockets) await eventually(() => socket.messages.some(({ topic }) => topic === 'by/rest'), 'by/rest');
      const { subscriptions } = await ask(sockets[0], 'mqtt:subscriptions');
      assert.deepEqual(subscriptions.map(({ topic }) => topic).sort(), ['by/rest', 'news/+']);
    });
  });

test('SIGHUP reads it again at once, and the log level too', async (t) => {
  const { gateway, change, reloads } = await startWithRules(t, open);
  assert.equal(await mayPublish(gateway, 'chat/x'), 200);
  await writeFile(path.join(gateway.cwd, '.env'), 'LOG_LEVEL=debug\n');
  await change(newsOnly);
  gateway.child.kill('SIGHUP');
  await eventually(() => reloads() >= 1, 'read again', 900);
  await eventually(async () => (await mayPublish(gateway, 'chat/x')) === 403, 'in force');
  await eventually(() => gateway.log.some((line) => line.event === 'request' && line.level === 'debug'), 'a debug line');
  await writeFile(path.join(gateway.cwd, '.env'), 'LOG_LEVEL=loud\n');
  gateway.child.kill('SIGHUP');
  const line = await eventually(() => gateway.log.find((l) => l.event.startsWith('reload failed')), 'why not');
  assert.match(line.error, /LOG_LEVEL="loud"/);
  assert.equal(await mayPublish(gateway, 'chat/x'), 403);
});

test('a recovered client has what the rules leave it', async (t) => {
  const { broker, gateway, change, reloads } = await startWithRules(t, open);
  const other = await brokerClient(t, broker);
  const socket = await connect(t, gateway);
  await subscribe(socket, 'chat/#', 1);
  await subscribe(socket, 'news/#', 1);
  await other.publishAsync('news/x', '1', { qos: 1 });
  await untilMessages(socket, 1);
  const gone = [];
  socket.on('mqtt:unsubscribed', (told) => gone.push(told.topic));
  socket.io.engine.close();
  await eventually(() => !socket.connected, 'away');
  await other.publishAsync('chat/x', 'before', { qos: 1 });
  await other.publishAsync('news/x', '2', { qos: 1 });
  await change(newsOnly);
  await eventually(() => reloads() === 1, 'read again');
  await eventually(async () => (await mayPublish(gateway, 'chat/x')) === 403, 'in force');
  socket.connect();
  await untilMessages(socket, 2);
  await eventually(() => gone.length === 1, 'told');
  assert.equal(socket.recovered, true);
  assert.deepEqual(gone, ['chat/#']);
  assert.deepEqual(socket.messages.map(({ topic, payload }) => [topic, payload]), [['news/x', 1], ['news/x', 2]]);
});

test("a filter around the gateways' own topics brings nothing of theirs", async (t) => {
  const { broker, gateway } = await startWithRules(t, open);
  const other = await brokerClient(t, broker);
  const both = async (payload, options) => {
    for (const topic of ['famemely/fence/another', 'famemely/chat']) await other.publishAsync(topic, payload, options);
  };
  await both('1', { qos: 1, retain: true });
  const socket = await connect(t, gateway);
  assert.equal((await ask(socket, 'mqtt:subscribe', { topic: 'famemely/fence/+' })).statusCode, 403);
  await subscribe(socket, 'famemely/#', 1);
  await untilMessages(socket, 1);
  await both('2', { qos: 1 });
  await untilMessages(socket, 2);
  assert.deepEqual(socket.messages.map(({ topic, payload }) => [topic, payload]), [['famemely/chat', 1], ['famemely/chat', 2]]);
});

test('a section of --config is as good as a file', async (t) => {
  const cwd = await temporaryDirectory(t);
  const file = path.join(cwd, 'gateway.yaml');
  const text = (topic) => `log_level: info\npermissions:\n  rules:\n    - allow: [publish]\n      topics: ["${topic}"]\n`;
  await writeFile(file, text('a'));
  const broker = await startBroker(t);
  const gateway = await startGateway(t, { broker, cwd, args: ['--config', 'gateway.yaml'] });
  await untilReady(gateway);
  assert.deepEqual([await mayPublish(gateway, 'a'), await mayPublish(gateway, 'b')], [200, 403]);
  await writeFile(file, text('b'));
  await eventually(async () => (await mayPublish(gateway, 'b')) === 200, 'read again');
  await eventually(async () => (await mayPublish(gateway, 'a')) === 403, 'at every worker');
});

test('a bad file keeps the gateway from starting', async (t) => {
  const cwd = await temporaryDirectory(t);
  await writeFile(path.join(cwd, 'p.yaml'), 'rules:\n  - allow: [publish]\n    topics: ["a/#/b"]\n');
  const broker = await startBroker(t);
  const env = gatewayEnvironment({ broker, env: { PERMISSIONS_FILE: 'p.yaml' } });
  const gateway = await startProgram(t, { env, cwd, awaitListening: false });
  const { code } = await gateway.ended;
  assert.equal(code, 2);
  assert.match(gateway.text, /PERMISSIONS_FILE: p\.yaml:3: rule 1: topics holds "a\/#\/b": .*allowed: /);
});

test('permissions check answers as the gateway does', async (t) => {
  const { gateway } = await startWithRules(t, newsOnly);
  const check = async (...args) => {
    const child = start(program, ['permissions', 'check', ...args], {
      cwd: gateway.cwd,
      env: { PATH: process.env.PATH, LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH, PERMISSIONS_FILE: 'permissions.yaml' },
    });
    let text = '';
    child.stdout.on('data', (data) => (text += data));
    child.stderr.on('data', (data) => (text += data));
    const { code } = await child.ended;
    return { code, text };
  };
  const denied = await check('--sub', 'u', 'publish', 'news/x');
  assert.equal(denied.code, 1);
  assert.match(denied.text, /^denied: "u" \(role authenticated\) may not publish to news\/x\nno rule of permissions\.yaml/);
  const allowed = await check('--token', token({ role: 'editor', exp: 1 }), 'publish', 'news/x');
  assert.equal(allowed.code, 0);
  assert.match(allowed.text, /^allowed: "alice" \(role editor\) .*\nrule 1 \(permissions\.yaml:2\)\n/);
  assert.equal((await check('--sub', 'u', 'publish', 'news/#')).code, 2);
  assert.equal((await check('publish', 'news')).code, 2);
  assert.equal(await mayPublish(gateway, 'news/x', adminToken()), 403);
});
