// Who recovers and who does not: ids, tokens, rights, windows and bounds; and what is easily forgotten at the edges.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ask, brokerClient, connect, eventually, makeClient, once, rawClient, rest, sleep, startBoth, startBroker,
  startGateway, startProxy, subscribe, token, untilMessages, untilReady, within,
} from './harness.mjs';
import { comesBack, connectThrough, cutWhile, numbers, payloads } from './recovery_clients.mjs';
import { reasonOf } from './wire.mjs';

const messagesIn = async (gateway) => (await rest(gateway, 'GET', '/mqtt/stats')).body.messagesIn;

test('who gets a session back and who does not', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { WORKERS: '2' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);

  /** Published and with the gateway, which keeps it for who is away. */
  const publishMissed = async (topic, payload) => {
    const before = await messagesIn(gateway);
    await other.publishAsync(topic, payload, { qos: 1 });
    await eventually(async () => (await messagesIn(gateway)) > before, `the gateway has ${payload}`);
  };
  /** Connects by hand, and asks for that session. */
  const asks = async (session, auth = {}) => {
    const raw = await rawClient(t, gateway, { auth: { token: token(), ...session, ...auth } });
    return JSON.parse(raw.texts.find((text) => text.startsWith('40/mqtt,')).slice('40/mqtt,'.length));
  };
  const newSession = async (auth = {}) => {
    const raw = await rawClient(t, gateway, { auth: { token: token(), ...auth } });
    const { sid, pid } = JSON.parse(raw.texts.find((text) => text.startsWith('40/mqtt,')).slice('40/mqtt,'.length));
    const status = await raw.find(/mqtt:status/);
    return { raw, sid, pid, offset: JSON.parse(status.slice('42/mqtt,'.length)).at(-1) };
  };

  await t.test('the ids are the same, and the missed events come before CONNECT', async () => {
    const { raw, sid, pid, offset } = await newSession();
    raw.send('42/mqtt,1["mqtt:subscribe",{"topic":"by/hand","qos":1}]');
    await raw.find(/^43\/mqtt,1/);
    raw.socket.terminate();
    await raw.closed;
    await publishMissed('by/hand', '"missed"');
    const again = await rawClient(t, gateway, { auth: { token: token(), pid, offset } });
    await again.find(/mqtt:status/);
    const [open, missed, connected, status] = again.texts;
    assert.match(open, /^0\{/);
    assert.match(missed, /^42\/mqtt,\["mqtt:message",\{"topic":"by\/hand","payload":"missed".*\},"\d+"\]$/);
    assert.equal(connected, `40/mqtt,{"sid":"${sid}","pid":"${pid}"}`);
    assert.match(status, /^42\/mqtt,\["mqtt:status"/);
    // It is there once: whoever asks again takes it from the one that has it.
    const third = await asks({ pid, offset: JSON.parse(missed.slice('42/mqtt,'.length)).at(-1) });
    assert.equal(third.sid, sid);
    assert.equal((await again.closed).code, 1005);
  });

  await t.test('another user gets a new session, and the old one keeps its own', async () => {
    const { raw, sid, pid, offset } = await newSession();
    const stranger = await asks({ pid, offset }, { token: token({ sub: 'mallory' }) });
    assert.notEqual(stranger.sid, sid);
    assert.notEqual(stranger.pid, pid);
    assert.equal(raw.socket.readyState, 1);
    raw.socket.terminate();
    await raw.closed;
    assert.notEqual((await asks({ pid, offset }, { token: token({ sub: 'mallory' }) })).sid, sid);
    assert.equal((await asks({ pid, offset })).sid, sid);
  });

  await t.test('the token is verified anew', async () => {
    const { raw, pid, offset } = await newSession();
    raw.socket.terminate();
    const late = await rawClient(t, gateway, { auth: null });
    late.send(`40/mqtt,${JSON.stringify({ token: token({ exp: 1_000_000_000 }), pid, offset })}`);
    assert.match(await late.find(/^44\/mqtt,/), /Token verification failed/);
  });

  for (const [what, change] of [
    ['an unknown pid', ({ offset }) => ({ pid: 'AAAAAAAAAAAAAAAAAAAA', offset })],
    ['a pid that is none', ({ offset }) => ({ pid: 'x', offset })],
    ['a pid of another type', ({ offset }) => ({ pid: 7, offset })],
    ['no offset', ({ pid }) => ({ pid })],
    ['an unknown offset', ({ pid }) => ({ pid, offset: '0.0' })],
    ['an offset of the future', ({ pid }) => ({ pid, offset: '999999999' })],
    ['an offset that is none', ({ pid }) => ({ pid, offset: 'x' })],
    ['an offset of another type', ({ pid }) => ({ pid, offset: 1 })],
  ])
    await t.test(`${what}: a new session, and no error`, async () => {
      const session = await newSession();
      session.raw.socket.terminate();
      await session.raw.closed;
      const given = await asks(change(session));
      assert.notEqual(given.sid, session.sid);
      assert.ok(given.pid);
    });

  for (const [what, leave] of [
    ['the client leaves the namespace', (socket) => socket.disconnect()],
    ['the client sends garbage', (socket) => socket.io.engine.transport.ws.send('9')],
  ])
    await t.test(`not after ${what}`, async () => {
      const socket = await connectThrough(t, proxy, { reconnection: false });
      const id = socket.id;
      leave(socket);
      await eventually(() => !socket.connected, 'it is gone');
      await reasonOf(gateway, id);
      socket.connect();
      await comesBack(socket);
      assert.deepEqual(socket.recoveries, [false]);
      assert.notEqual(socket.id, id);
      socket.disconnect();
    });

  await t.test('a token with fewer rights loses the subscriptions that it does not cover', async () => {
    const more = token({ app_metadata: { mqtt: { subscribe: ['users/bob/#'] } } });
    let bearer = more;
    const socket = await connectThrough(t, proxy, { auth: (give) => give({ token: bearer }) });
    await subscribe(socket, 'users/bob/#', 1);
    await subscribe(socket, 'open/topic', 1);
    bearer = token();
    const unsubscribed = once(socket, 'mqtt:unsubscribed');
    await cutWhile(proxy, socket, async () => {
      await other.publishAsync('users/bob/private', '1', { qos: 1 });
      await other.publishAsync('open/topic', '2', { qos: 1 });
    });
    await comesBack(socket);
    assert.deepEqual(await unsubscribed, { topic: 'users/bob/#', reason: 'not authorized' });
    await other.publishAsync('users/bob/private', '3', { qos: 1 });
    await other.publishAsync('open/topic', '4', { qos: 1 });
    await untilMessages(socket, 2);
    await sleep(100);
    assert.deepEqual(payloads(socket), [2, 4]);
    assert.deepEqual(socket.recoveries, [true]);
    const { subscriptions } = await ask(socket, 'mqtt:subscriptions');
    assert.deepEqual(subscriptions.map(({ topic }) => topic), ['open/topic']);
    socket.disconnect();
  });

  await t.test('recovery: false leaves the offsets away', async () => {
    const socket = makeClient(t, gateway, { auth: { token: token(), recovery: false } });
    const args = [];
    socket.onAny((event, ...rest) => args.push([event, rest.length]));
    await once(socket, 'connect');
    await subscribe(socket, 'no/offset', 0);
    socket.emit('mqtt:subscriptions');
    await other.publishAsync('no/offset', '{"a":1}', { qos: 1 });
    await other.publishAsync('no/offset', Buffer.from([0xff]), { qos: 0 });
    await untilMessages(socket, 2);
    assert.deepEqual(payloads(socket), [{ a: 1 }, Buffer.from([0xff])]);
    assert.equal(socket.messages[0].qos, 0);
    assert.ok(args.length >= 4 && args.every(([, count]) => count === 1), JSON.stringify(args));
    const raw = await rawClient(t, gateway, { auth: { token: token(), recovery: false } });
    assert.match(raw.texts.find((text) => text.startsWith('40/mqtt,')), /^40\/mqtt,\{"sid":"[^"]*"\}$/);
    socket.disconnect();
  });

  await t.test('retained messages carry offsets, or do not', async () => {
    await other.publishAsync('kept/here', '1', { qos: 1, retain: true });
    for (const [recovery, count] of [[true, 2], [false, 1]]) {
      const socket = await connect(t, gateway, { auth: { token: token(), recovery } });
      const given = new Promise((resolve) => socket.on('mqtt:message', (...args) => resolve(args)));
      await subscribe(socket, 'kept/here', 1);
      assert.equal((await given).length, count);
      socket.disconnect();
    }
    await other.publishAsync('kept/here', '', { qos: 1, retain: true });
  });

  await t.test('subscriptions of a client that is away are counted, and are not active', async () => {
    const bearer = token({ sub: 'away' });
    const socket = await connectThrough(t, proxy, { auth: { token: bearer } });
    await subscribe(socket, 'away/topic', 0);
    await cutWhile(proxy, socket, async () => {
      await eventually(async () => {
        const { body } = await rest(gateway, 'GET', '/mqtt/subscriptions', undefined, { token: bearer });
        return body.total === 1 && body.subscriptions[0].isActive === false;
      }, 'the list says that it is away');
    });
    await comesBack(socket);
    const { body } = await rest(gateway, 'GET', '/mqtt/subscriptions', undefined, { token: bearer });
    assert.equal(body.subscriptions[0].isActive, true);
    socket.disconnect();
  });
});

test('RECOVERY_WINDOW: a session ends with it, and its subscriptions do', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { RECOVERY_WINDOW: '3s', WORKERS: '2' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  const socket = await connectThrough(t, proxy);
  await subscribe(socket, 'window/topic', 1);
  const stats = async () => (await rest(gateway, 'GET', '/mqtt/stats')).body;
  await cutWhile(proxy, socket, async () => {
    await eventually(async () => {
      const { connectedClients, totalSubscriptions, activeSubscriptions } = await stats();
      return connectedClients === 0 && totalSubscriptions === 1 && activeSubscriptions === 0;
    }, 'the server notices, and keeps the subscription');
    await eventually(async () => (await stats()).totalSubscriptions === 0, 'the window has ended');
  });
  await comesBack(socket);
  assert.deepEqual(socket.recoveries, [false]);
  await other.publishAsync('window/topic', '1', { qos: 1 });
  await sleep(100);
  assert.deepEqual(socket.messages, []);
});

test('RECOVERY_WINDOW: a client that was idle for longer recovers', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { RECOVERY_WINDOW: '3s' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  const socket = await connectThrough(t, proxy);
  await subscribe(socket, 'idle/topic', 1);
  await sleep(4_000);
  await cutWhile(proxy, socket, () => other.publishAsync('idle/topic', '1', { qos: 1 }));
  await comesBack(socket);
  await untilMessages(socket, 1);
  assert.deepEqual(socket.recoveries, [true]);
});

test('RECOVERY_WINDOW=0 switches it off', async (t) => {
  const { gateway } = await startBoth(t, { env: { RECOVERY_WINDOW: '0' } });
  const raw = await rawClient(t, gateway, { auth: { token: token() } });
  assert.match(raw.texts.find((text) => text.startsWith('40/mqtt,')), /^40\/mqtt,\{"sid":"[^"]*"\}$/);
  assert.match(await raw.find(/mqtt:status/), /\}\]$/);
  raw.socket.terminate();
  await eventually(async () => (await rest(gateway, 'GET', '/mqtt/stats')).body.totalSubscriptions === 0, 'nothing is kept');
});

test('RECOVERY_BYTES: who has missed more gets a new session', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { RECOVERY_BYTES: '10KB' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  const socket = await connectThrough(t, proxy);
  await subscribe(socket, 'much/missed', 1);
  await cutWhile(proxy, socket, async () => {
    const before = await messagesIn(gateway);
    for (const n of numbers(1, 20)) await other.publishAsync('much/missed', String(n).padEnd(1000), { qos: 1 });
    await eventually(async () => (await messagesIn(gateway)) >= before + 20, 'the gateway has them');
  });
  await comesBack(socket);
  await sleep(100);
  assert.deepEqual(socket.recoveries, [false]);
  assert.deepEqual(socket.messages, []);
  assert.equal((await ask(socket, 'mqtt:subscriptions')).total, 0);
});

test('RECOVERY_BYTES_TOTAL: the oldest of what was sent to others goes first', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { RECOVERY_BYTES_TOTAL: '100KB' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  const concerned = await connectThrough(t, proxy);
  const unconcerned = await connectThrough(t, proxy);
  await subscribe(concerned, 'total/much', 1);
  await subscribe(unconcerned, 'total/little', 1);
  proxy.refuse();
  proxy.cut();
  await eventually(() => !concerned.connected && !unconcerned.connected, 'both notice');
  const before = await messagesIn(gateway);
  for (const n of numbers(1, 100)) await other.publishAsync('total/much', String(n).padEnd(1000), { qos: 1 });
  await other.publishAsync('total/little', '1', { qos: 1 });
  await eventually(async () => (await messagesIn(gateway)) >= before + 101, 'the gateway has them');
  proxy.refuse(false);
  await comesBack(concerned);
  await comesBack(unconcerned);
  await untilMessages(unconcerned, 1);
  assert.deepEqual(unconcerned.recoveries, [true]);
  assert.deepEqual(concerned.recoveries, [false]);
});

test('a slow consumer is closed, comes back and has missed nothing', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { CLIENT_QUEUE: '100KB' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  const socket = await connectThrough(t, proxy);
  await subscribe(socket, 'slow/topic', 1);
  proxy.freeze();
  const filler = 'x'.repeat(20_000);
  // More than the kernel's buffers and the queue hold, less than RECOVERY_BYTES.
  let sent = 0;
  while (!gateway.log.some(({ reason }) => reason === 'slow consumer')) {
    await other.publishAsync('slow/topic', JSON.stringify({ n: ++sent, filler }), { qos: 1 });
    if (sent > 2000) break;
  }
  t.diagnostic(`${sent} messages`);
  proxy.thaw();
  await comesBack(socket);
  if (socket.recoveries[0]) {
    await untilMessages(socket, sent);
    assert.deepEqual(socket.messages.map(({ payload }) => payload.n), numbers(1, sent));
  } else {
    // The kernel held more than RECOVERY_BYTES: then it is told so, by a new session.
    assert.ok(sent * 20_000 > 1_000_000);
  }
});

test('what the user holds by REST comes back too while the broker is asked about it', async (t) => {
  // The broker leaves SUBSCRIBEs without an answer for a while: it is frozen.
  const broker = await startBroker(t);
  const wire = await startProxy(t, broker.port);
  const gateway = await startGateway(t, { broker: { port: wire.port }, env: { WORKERS: '4' } });
  await untilReady(gateway);
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  for (const round of numbers(1, 6)) {
    const bearer = token({ sub: `rest-${round}` });
    const topic = `asked/again/${round}`;
    const socket = await connectThrough(t, proxy, { auth: { token: bearer } });
    const more = await connect(t, gateway, { auth: { token: token({ sub: `other-${round}` }) } });
    assert.equal((await rest(gateway, 'POST', '/mqtt/subscribe', { topic, qos: 0 }, { token: bearer })).status, 201);
    await cutWhile(proxy, socket, async () => {
      const before = await messagesIn(gateway);
      for (const n of numbers(1, 5)) await other.publishAsync(topic, String(n), { qos: 0 });
      await eventually(async () => (await messagesIn(gateway)) >= before + 5, 'the gateway has them');
      wire.freeze();
      // Another quality of service: a SUBSCRIBE of the filter that the broker has is on its way.
      more.emit('mqtt:subscribe', { topic, qos: 1 });
      await sleep(30);
    });
    await comesBack(socket);
    await sleep(50);
    wire.thaw();
    await untilMessages(socket, 5);
    await sleep(50);
    assert.deepEqual(payloads(socket), numbers(1, 5));
    assert.deepEqual(socket.recoveries, [true]);
    socket.disconnect();
    more.disconnect();
  }
});

test('a retained replay does not go on without the right to it', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { CLIENT_QUEUE: '20KB', RECOVERY_BYTES: '20MB' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  // More than the kernel's buffers hold: the replay is on its way when the wire is cut.
  for (const n of numbers(1, 2000)) other.publish(`users/bob/${n}`, 'x'.repeat(10_000), { retain: true });
  await other.publishAsync('users/bob/last', 'x', { qos: 1, retain: true });
  let bearer = token({ app_metadata: { mqtt: { subscribe: ['users/bob/#'] } } });
  const socket = await connectThrough(t, proxy, { auth: (give) => give({ token: bearer }) });
  const unsubscribed = once(socket, 'mqtt:unsubscribed', 60_000);
  // Cut at the first message, because a test that is slow to go on would have read all of them.
  const began = new Promise((resolve) => socket.once('mqtt:message', resolve));
  const cut = began.then(() => {
    bearer = token();
    proxy.cut();
  });
  socket.emit('mqtt:subscribe', { topic: 'users/bob/#' });
  await within(cut, 'the replay has begun');
  await comesBack(socket);
  await unsubscribed;
  const seen = socket.messages.length;
  assert.ok(seen < 2000, `${seen} had been sent before`);
  await sleep(300);
  assert.equal(socket.messages.length, seen);
  assert.deepEqual(socket.recoveries, [true]);
});

test('sockets that were sent much do not keep others from recovering', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { RECOVERY_BYTES_TOTAL: '2MB', WORKERS: '1' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  for (const n of numbers(1, 1000)) other.publish(`much/${n}`, 'x'.repeat(500), { retain: true });
  await other.publishAsync('much/last', 'x', { qos: 1, retain: true });
  for (const n of numbers(1, 8)) {
    const greedy = await connect(t, gateway);
    await subscribe(greedy, 'much/#');
    await untilMessages(greedy, 1001);
  }
  for (const n of numbers(1, 5)) {
    const socket = await connectThrough(t, proxy);
    await subscribe(socket, 'modest/topic', 1);
    await cutWhile(proxy, socket, () => other.publishAsync('modest/topic', String(n), { qos: 1 }));
    await comesBack(socket);
    await untilMessages(socket, 1);
    assert.deepEqual(socket.recoveries, [true]);
    socket.disconnect();
  }
});

test('a subscription by REST while the only socket is away brings its retained messages', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { WORKERS: '2' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  await other.publishAsync('made/meanwhile', '1', { qos: 1, retain: true });
  const socket = await connectThrough(t, proxy);
  await cutWhile(proxy, socket, async () => {
    assert.equal((await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 'made/meanwhile' })).status, 201);
  });
  await comesBack(socket);
  const [message] = await untilMessages(socket, 1);
  assert.equal(message.retain, true);
  await rest(gateway, 'DELETE', '/mqtt/unsubscribe/made%2Fmeanwhile');
});

test('a subscribe that was under way and is refused after the recovery is told so', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const proxy = await startProxy(t, gateway.port);
  const socket = await connectThrough(t, proxy);
  await broker.kill();
  await gateway.logged('broker connection failed');
  const failed = once(socket, 'mqtt:subscribe:error', 15_000);
  socket.emit('mqtt:subscribe', { topic: 'never/answered' });
  await sleep(100);
  await cutWhile(proxy, socket, () => sleep(20));
  await comesBack(socket);
  const { error, statusCode, topic } = await failed;
  assert.deepEqual({ error, statusCode, topic }, { error: 'MQTT client is not connected', statusCode: 503, topic: 'never/answered' });
});
