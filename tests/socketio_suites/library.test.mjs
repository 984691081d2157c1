// The library with the official client: what one worker can't show, on several, over both transports.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import net from 'node:net';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';

const server = process.env.SOCKETIO_LIBRARY_SERVER;
const chat = process.env.SOCKETIO_CHAT;

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function start(t, program, workers, ...more) {
  const port = await freePort();
  const child = spawn(program, [port, workers, ...more].map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  t.after(async () => {
    child.kill('SIGTERM');
    assert.equal(await ended, 0);
  });
  for (let tries = 0; ; ++tries) {
    const answers = await fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false);
    if (answers) return { url: `http://127.0.0.1:${port}`, child, ended };
    assert.ok(tries < 200, 'the server does not answer');
    await sleep(25);
  }
}

const within = (promise, what, ms = 20_000) =>
  Promise.race([promise, sleep(ms, undefined, { ref: false }).then(() => assert.fail(`not within ${ms} ms: ${what}`))]);
const once = (socket, event) =>
  within(new Promise((resolve) => socket.once(event, (...values) => resolve(values))), `event ${event}`);

function client(t, url, options = {}) {
  const socket = io(url, { forceNew: true, reconnection: false, ...options });
  t.after(() => socket.disconnect());
  return socket;
}

async function connected(t, url, options) {
  const socket = client(t, url, options);
  socket.on('connect_error', (error) => assert.fail(error));
  await once(socket, 'connect');
  return socket;
}

/** Clients until each of so many workers has one: connections are spread by chance. */
async function onEveryWorker(t, url, workers) {
  const byWorker = new Map();
  for (let i = 0; byWorker.size < workers; ++i) {
    assert.ok(i < 200, 'some worker gets no connection');
    const socket = await connected(t, url, { auth: { name: `c${i}` }, transports: [i % 2 ? 'polling' : 'websocket'] });
    const worker = await socket.emitWithAck('worker');
    if (byWorker.has(worker)) socket.disconnect();
    else byWorker.set(worker, socket);
  }
  return [...byWorker.values()];
}

test('middleware refuses with a message and data, and may answer later', async (t) => {
  const { url } = await start(t, server, 2);
  const [error] = await once(client(t, `${url}/private`, { auth: { token: 'bad' } }), 'connect_error');
  assert.equal(error.message, 'not authorized');
  assert.deepEqual(error.data, { code: 7, retry: [1, 2] });
  for (const token of ['good', 'later'])
    assert.deepEqual(await once(client(t, `${url}/private`, { auth: { token } }), 'in'), [token]);
});

test('namespaces by predicate come and go; others are refused', async (t) => {
  const { url } = await start(t, server, 2);
  const one = await connected(t, `${url}/tenant-1`);
  const two = await connected(t, `${url}/tenant-1`);
  const other = await connected(t, `${url}/tenant-2`);
  assert.equal(await one.emitWithAck('name'), '/tenant-1');
  other.on('all', () => assert.fail('another tenant heard it'));
  one.emit('all', { x: 1 }, Buffer.from('abc'));
  assert.deepEqual(await once(two, 'all'), [{ x: 1 }, Buffer.from('abc')]);
  const [error] = await once(client(t, `${url}/stranger`), 'connect_error');
  assert.equal(error.message, 'Invalid namespace');
  one.disconnect();
  two.disconnect();
  assert.equal(await (await connected(t, `${url}/tenant-1`)).emitWithAck('name'), '/tenant-1');
});

test('rooms reach across workers, each socket once, and leave out whom they are told to', async (t) => {
  const { url } = await start(t, server, 4);
  const sockets = await onEveryWorker(t, url, 4);
  const heard = sockets.map((socket) => {
    const list = [];
    socket.on('news', (value) => list.push(value));
    return list;
  });
  for (const socket of sockets.slice(0, 3)) await socket.emitWithAck('join', 'a');
  await sockets[1].emitWithAck('join', 'b');
  for (let i = 0; i < 20; ++i) await sockets[3].emitWithAck('broadcast', 'a', 'b', 'news', i);
  await sockets[3].emitWithAck('broadcast', 'a', null, 'news', 'end');
  await within(
    (async () => {
      while (heard.slice(0, 3).some((list) => list.at(-1) !== 'end')) await sleep(10);
    })(),
    'the last broadcast',
  );
  const all = [...Array(20).keys(), 'end'];
  assert.deepEqual(heard, [all, ['end'], all, []]);
  await sockets[0].emitWithAck('leave', 'a');
  const after = once(sockets[2], 'news');
  await sockets[3].emitWithAck('broadcast', 'a', null, 'news', 'after');
  await after;
  assert.equal(heard[0].includes('after'), false);
});

test('all clients see broadcasts of several workers in one order', async (t) => {
  const { url } = await start(t, server, 4);
  const sockets = await onEveryWorker(t, url, 4);
  const heard = sockets.map(() => []);
  sockets.forEach((socket, i) => socket.on('news', (value) => heard[i].push(value)));
  await Promise.all(
    sockets.flatMap((socket, i) => [...Array(50).keys()].map((n) => socket.emitWithAck('broadcast', null, null, 'news', `${i}:${n}`))),
  );
  await within(
    (async () => {
      while (heard.some((list) => list.length < 200)) await sleep(10);
    })(),
    'all broadcasts',
  );
  for (const list of heard) assert.deepEqual(list, heard[0]);
});

test('a broadcast collects the acknowledgements of a room, and names who is missing', async (t) => {
  const { url } = await start(t, server, 4);
  const sockets = await onEveryWorker(t, url, 4);
  for (const socket of sockets) await socket.emitWithAck('join', 'a');
  sockets.slice(0, 3).forEach((socket, i) => socket.on('question', (value, reply) => reply(`${value}-${i}`)));
  const [texts, missing, complete] = await within(
    new Promise((resolve) => sockets[0].emit('ask-room', 'a', 2000, (...values) => resolve(values))),
    'the answers',
  );
  assert.deepEqual(texts.sort(), ['42-0', '42-1', '42-2']);
  assert.deepEqual(missing, [sockets[3].id]);
  assert.equal(complete, false);
  sockets[3].on('question', (value, reply) => reply('late'));
  const all = await new Promise((resolve) => sockets[0].emit('ask-room', 'a', 15_000, (...values) => resolve(values)));
  assert.equal(all[2], true);
  assert.equal(all[0].length, 4);
});

test('one client is asked, answers, or does not', async (t) => {
  const { url } = await start(t, server, 1);
  const socket = await connected(t, url, { auth: { name: 'a' } });
  assert.equal(await socket.emitWithAck('ask-me', 100), 'timed out');
  socket.on('question', (value, reply) => reply({ value }));
  assert.deepEqual(await socket.emitWithAck('ask-me', 15_000), { value: 1 });
});

test('fetch_sockets, sockets_join and disconnect_sockets work on all workers', async (t) => {
  const { url } = await start(t, server, 4);
  const sockets = await onEveryWorker(t, url, 4);
  await sockets[2].emitWithAck('join', 'x');
  const fetched = await sockets[0].emitWithAck('fetch');
  assert.deepEqual(fetched.map((line) => line.split(' ')[1]).sort(), ['1', '1', '1', '2']);
  await sockets[0].emitWithAck('move', sockets[3].id, 'x');
  const gone = [2, 3].map((i) => once(sockets[i], 'disconnect'));
  sockets[0].emit('kick-room', 'x');
  assert.deepEqual((await Promise.all(gone)).map(([reason]) => reason), ['io server disconnect', 'io server disconnect']);
  assert.equal(sockets[1].connected, true);
});

test('arguments are typed, and errors say what is wrong', async (t) => {
  const { url } = await start(t, server, 1);
  const socket = await connected(t, url, { auth: { name: 'a' } });
  assert.equal(await socket.emitWithAck('typed', 'x'), 'argument 1: expected a whole number from 0 to 255, got the string "x"');
  assert.equal(await socket.emitWithAck('typed', 7, 'x'), 'argument 2: expected binary data, got the string "x"');
  const values = await new Promise((resolve) => socket.emit('typed', 7, Buffer.from('abc'), (...all) => resolve(all)));
  assert.deepEqual(values, [7, 3, Buffer.from('abc')]);
});

test('reasons of disconnection are those of the official server', async (t) => {
  const { url } = await start(t, server, 2);
  const watcher = await connected(t, url, { auth: { name: 'watcher' } });
  const reasons = new Map();
  watcher.on('gone', (name, reason) => reasons.set(name, reason));
  const open = (name, transports = ['websocket']) => connected(t, url, { auth: { name }, transports });
  (await open('leaves')).disconnect();
  (await open('kicked')).emit('kick', false);
  (await open('closed')).emit('kick', true);
  (await open('cut')).io.engine.transport.ws.terminate();
  // One that joins and is never heard of again.
  const endpoint = `${url}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(endpoint)).text()).slice(1));
  await fetch(`${endpoint}&sid=${sid}`, { method: 'POST', body: '40{"name":"silent"}' });
  (await open('garbage', ['polling'])).io.engine.transport.doWrite('x', () => {});
  await within(
    (async () => {
      while (reasons.size < 6) await sleep(10);
    })(),
    'all six',
  ).catch((error) => assert.fail(`${error.message}: ${JSON.stringify([...reasons])}`));
  assert.deepEqual(Object.fromEntries(reasons), {
    leaves: 'client namespace disconnect',
    kicked: 'server namespace disconnect',
    closed: 'server namespace disconnect',
    cut: 'transport close',
    silent: 'ping timeout',
    garbage: 'parse error',
  });
});

test('at its end the server closes transports, so that clients come back', async (t) => {
  const { url, child, ended } = await start(t, server, 4);
  const sockets = await onEveryWorker(t, url, 4);
  const reasons = sockets.map((socket) => once(socket, 'disconnect'));
  child.kill('SIGTERM');
  // A polling client between two polls finds nobody to ask. It comes back after either.
  for (const [reason] of await Promise.all(reasons)) assert.match(reason, /^transport (close|error)$/);
  assert.equal(await ended, 0);
});

/** A wire that can be cut, or go dead: then the server is not told that the client has gone. */
async function wireTo(t, url) {
  const pairs = new Set();
  let refuses = false;
  const listener = net.createServer((client) => {
    if (refuses) return client.destroy();
    const upstream = net.connect(Number(new URL(url).port), '127.0.0.1');
    const pair = { client, upstream, dead: false };
    pairs.add(pair);
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      from.on('data', (data) => pair.dead || to.write(data));
      from.on('error', () => {});
      from.on('close', () => pair.dead || to.destroy());
    }
    upstream.on('close', () => pairs.delete(pair));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const wire = {
    url: `http://127.0.0.1:${listener.address().port}`,
    refuse: (on) => (refuses = on),
    cut: () => pairs.forEach(({ client }) => client.destroy()),
    die() {
      for (const pair of pairs) {
        pair.dead = true;
        pair.client.destroy();
      }
    },
  };
  t.after(() => {
    wire.cut();
    pairs.forEach(({ upstream }) => upstream.destroy());
    listener.close();
  });
  return wire;
}

const until = (holds, what) =>
  within(
    (async () => {
      while (!holds()) await sleep(5);
    })(),
    what,
  );

for (const workers of [1, 4])
  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']])
    test(`recovery through ${transports} with ${workers} workers`, async (t) => {
      const { url } = await start(t, server, workers, 60_000);
      const wire = await wireTo(t, url);
      const senders = await onEveryWorker(t, url, workers);
      const witness = await connected(t, url, { auth: { name: 'witness' } });
      const socket = await connected(t, wire.url, {
        auth: { name: 'ann' },
        transports,
        reconnection: true,
        reconnectionDelay: 10,
        reconnectionDelayMax: 40,
      });
      socket.off('connect_error');
      const back = [];
      socket.on('connect', () => back.push(socket.recovered));
      const heard = new Map([[witness, []], [socket, []]]);
      for (const [one, list] of heard) {
        await one.emitWithAck('join', 'a');
        one.on('news', (value) => list.push(value));
      }
      const { id } = socket;
      let last = 0;
      const send = async (count) => {
        for (let i = 0; i < count; ++i) {
          senders[i % workers].emit('broadcast', i % 3 ? 'a' : null, null, 'news', ++last);
          if (i % 5 === 0) await sleep(1);
        }
      };
      await send(3);
      await until(() => heard.get(socket).length === 3, 'the first');
      for (let round = 1; round <= 12; ++round) {
        const sending = send(40);
        await sleep(Math.random() * 10);
        wire.refuse(true);
        if (round % 3 === 0) wire.die();
        else wire.cut();
        await until(() => !socket.connected, 'the client notices');
        if (round % 2) await sending;
        wire.refuse(false);
        await until(() => socket.connected && back.length === round, 'the client is back');
        await sending;
      }
      await until(() => heard.get(witness).length === last, 'the witness has all');
      await until(() => heard.get(socket).length >= last, 'the client has all');
      assert.deepEqual(heard.get(socket), heard.get(witness));
      assert.deepEqual(back, Array(12).fill(true));
      assert.equal(socket.id, id);
      const who = await new Promise((resolve) => socket.emit('who-am-i', (...values) => resolve(values)));
      assert.deepEqual(who, [true, 'ann', [id, 'a'].sort()]);
    });

test('recovery ends with its window', async (t) => {
  const { url } = await start(t, server, 2, 300);
  const wire = await wireTo(t, url);
  const socket = await connected(t, wire.url, {
    auth: { name: 'ann' },
    transports: ['websocket'],
    reconnection: true,
    reconnectionDelay: 10,
    reconnectionDelayMax: 40,
  });
  socket.off('connect_error');
  const { id } = socket;
  const news = once(socket, 'news');
  await socket.emitWithAck('broadcast', id, null, 'news', 1);
  await news;
  wire.refuse(true);
  wire.cut();
  await sleep(700);
  const again = once(socket, 'connect');
  wire.refuse(false);
  await again;
  assert.equal(socket.recovered, false);
  assert.notEqual(socket.id, id);
});

test('the chat of the examples', async (t) => {
  const { url } = await start(t, chat, 2);
  assert.match(await (await fetch(url)).text(), /<title>Chat/);
  const [error] = await once(client(t, url), 'connect_error');
  assert.equal(error.message, 'a nick name, please');
  assert.deepEqual(error.data, { field: 'nick' });
  const ann = await connected(t, url, { auth: { nick: 'Ann' } });
  const bob = await connected(t, url, { auth: { nick: 'Bob' }, transports: ['websocket'] });
  assert.deepEqual(await ann.emitWithAck('join', 'lobby'), ['Ann']);
  const joined = once(ann, 'joined');
  assert.deepEqual((await bob.emitWithAck('join', 'lobby')).sort(), ['Ann', 'Bob']);
  assert.deepEqual(await joined, ['lobby', 'Bob']);
  const said = Promise.all([once(ann, 'said'), once(bob, 'said')]);
  assert.equal(await ann.emitWithAck('say', 'lobby', 'hello'), 'ok');
  assert.deepEqual(await said, [['lobby', 'Ann', 'hello'], ['lobby', 'Ann', 'hello']]);
  assert.deepEqual(await ann.emitWithAck('say', 'lobby', 5), { error: 'argument 2: expected a string, got the number 5' });
  const left = once(ann, 'left');
  bob.disconnect();
  assert.deepEqual(await left, ['lobby', 'Bob', 'client namespace disconnect']);
});
