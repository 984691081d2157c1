// Connection State Recovery with the official client: what it missed comes in order and once, however the connection
// went and wherever it comes back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ask, brokerClient, connect, eventually, makeClient, once, rawClient, rest, sleep, startBoth, startBroker,
  startGateway, startProxy, subscribe, token, untilMessages, untilReady,
} from './harness.mjs';

const payloads = (socket) => socket.messages.map(({ payload }) => payload);
const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A client that comes back by itself, through a wire that can be cut. */
async function connectThrough(t, proxy, options = {}) {
  const socket = await connect(t, proxy, { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...options });
  socket.recoveries = [];
  socket.on('connect', () => socket.recoveries.push(socket.recovered));
  return socket;
}

const comesBack = (socket, times = 1) =>
  eventually(() => socket.connected && socket.recoveries.length >= times, 'the client is back');

async function cutWhile(proxy, socket, work) {
  proxy.refuse();
  proxy.cut();
  await eventually(() => !socket.connected, 'the client notices');
  await work();
  proxy.refuse(false);
}

for (const workers of [1, 4]) {
  test(`recovery with WORKERS=${workers}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const proxy = await startProxy(t, gateway.port);
    const other = await brokerClient(t, broker);
    const publish = async (topic, from, to, qos = 1) => {
      for (const n of numbers(from, to)) await other.publishAsync(topic, String(n), { qos });
    };

    await t.test('a cut cable', async () => {
      const socket = await connectThrough(t, proxy);
      await subscribe(socket, 'cut/+', 1);
      await publish('cut/a', 1, 3);
      await untilMessages(socket, 3);
      const id = socket.id;
      // Several times, so that it comes back on other workers and then on others again.
      for (const round of numbers(1, 12)) {
        await cutWhile(proxy, socket, () => publish('cut/a', round * 10, round * 10 + 4));
        await comesBack(socket, round);
        await publish('cut/a', round * 10 + 5, round * 10 + 6);
        await untilMessages(socket, 3 + round * 7);
      }
      assert.ok(socket.recoveries.every((recovered) => recovered), `${socket.recoveries}`);
      assert.equal(socket.id, id);
      const expected = [1, 2, 3, ...numbers(1, 12).flatMap((round) => numbers(round * 10, round * 10 + 6))];
      assert.deepEqual(payloads(socket), expected);
      // The socket is whole: its subscription is its own still.
      const { subscriptions } = await ask(socket, 'mqtt:subscriptions');
      assert.deepEqual(subscriptions.map(({ topic }) => topic), ['cut/+']);
      assert.equal((await ask(socket, 'mqtt:unsubscribe', { topic: 'cut/+' })).success, true);
      socket.disconnect();
    });

    await t.test('a half-open connection: the server does not know that it is dead', async () => {
      const socket = await connectThrough(t, proxy);
      await subscribe(socket, 'half/open', 1);
      await publish('half/open', 1, 2);
      await untilMessages(socket, 2);
      proxy.freeze();
      await publish('half/open', 3, 9);
      await sleep(200);
      assert.equal(socket.messages.length, 2);
      // The client gives the dead connection up and finds another way.
      socket.io.uri = gateway.url;
      socket.io.engine.transport.ws.close();
      socket.io.engine.close();
      await comesBack(socket);
      await publish('half/open', 10, 11);
      await untilMessages(socket, 11);
      assert.deepEqual(socket.recoveries, [true]);
      assert.deepEqual(payloads(socket), numbers(1, 11));
      await eventually(
        async () => (await rest(gateway, 'GET', '/mqtt/stats')).body.connectedClients === 1,
        'the dead connection is gone',
      );
      socket.disconnect();
      proxy.thaw();
      proxy.cut();
    });

    for (const [first, second] of [['websocket', 'polling'], ['polling', 'websocket'], ['polling', 'polling']])
      await t.test(`from ${first} to ${second}`, async () => {
        const socket = await connectThrough(t, proxy, { transports: [first] });
        await subscribe(socket, 'change/transport', 2);
        await publish('change/transport', 1, 40, 2);
        await untilMessages(socket, 40);
        socket.io.opts.transports = [second];
        await cutWhile(proxy, socket, () => publish('change/transport', 41, 90, 2));
        await comesBack(socket);
        await untilMessages(socket, 90);
        assert.deepEqual(socket.recoveries, [true]);
        assert.deepEqual(payloads(socket), numbers(1, 90));
        socket.disconnect();
      });

    await t.test('a client that never saw anything but mqtt:status', async () => {
      const socket = await connectThrough(t, proxy);
      // The acknowledgement carries no offset.
      await subscribe(socket, 'never/seen', 1);
      await cutWhile(proxy, socket, () => publish('never/seen', 1, 5));
      await comesBack(socket);
      await untilMessages(socket, 5);
      assert.deepEqual(socket.recoveries, [true]);
      assert.deepEqual(payloads(socket), numbers(1, 5));
      socket.disconnect();
    });

    await t.test('it is greeted with mqtt:status again', async () => {
      const socket = await connectThrough(t, proxy);
      const before = socket.statuses.length;
      await cutWhile(proxy, socket, () => sleep(50));
      await comesBack(socket);
      await eventually(() => socket.statuses.length > before, 'mqtt:status');
      assert.deepEqual(socket.recoveries, [true]);
      socket.disconnect();
    });

    await t.test('bytes, and a lower quality of service', async () => {
      const socket = await connectThrough(t, proxy);
      await subscribe(socket, 'kinds/+', 1);
      await cutWhile(proxy, socket, async () => {
        await other.publishAsync('kinds/bytes', Buffer.from([0xff, 0, 0xfe]), { qos: 1 });
        await other.publishAsync('kinds/json', '{"n":12345678901234567890}', { qos: 2 });
      });
      await comesBack(socket);
      const [bytes, json] = await untilMessages(socket, 2);
      assert.deepEqual(Buffer.from(bytes.payload), Buffer.from([0xff, 0, 0xfe]));
      assert.equal(json.qos, 1);
      socket.disconnect();
    });

    await t.test('what the user has subscribed to by REST', async () => {
      const bearer = token({ sub: 'resting' });
      const socket = await connectThrough(t, proxy, { auth: { token: bearer } });
      assert.equal((await rest(gateway, 'POST', '/mqtt/subscribe', { topic: 'by/rest', qos: 1 }, { token: bearer })).status, 201);
      await publish('by/rest', 1, 2);
      await untilMessages(socket, 2);
      for (const round of [1, 2, 3, 4]) {
        await cutWhile(proxy, socket, () => publish('by/rest', round * 2 + 1, round * 2 + 2));
        await comesBack(socket, round);
        await untilMessages(socket, round * 2 + 2);
      }
      assert.deepEqual(payloads(socket), numbers(1, 10));
      assert.ok(socket.recoveries.every((recovered) => recovered));
      socket.disconnect();
      await rest(gateway, 'DELETE', '/mqtt/unsubscribe/by%2Frest', undefined, { token: bearer });
    });

    await t.test('retained messages that were on their way', async () => {
      const topics = numbers(1, 3000).map((n) => `kept/${n}`);
      for (const topic of topics) other.publish(topic, topic, { qos: 0, retain: true });
      await other.publishAsync('kept/1', 'kept/1', { qos: 1, retain: true });
      const socket = await connectThrough(t, proxy);
      socket.emit('mqtt:subscribe', { topic: 'kept/#', qos: 1 });
      await untilMessages(socket, 1);
      for (const round of [1, 2, 3]) {
        await cutWhile(proxy, socket, () => sleep(20));
        await comesBack(socket, round);
        await sleep(10);
      }
      await untilMessages(socket, 3000);
      await sleep(200);
      assert.ok(socket.recoveries.every((recovered) => recovered), `${socket.recoveries}`);
      assert.deepEqual(payloads(socket).sort(), topics.sort());
      socket.disconnect();
      for (const topic of topics) other.publish(topic, '', { qos: 0, retain: true });
      await other.publishAsync('kept/1', '', { qos: 1, retain: true });
    });

    await t.test('a subscribe that had no answer yet', async () => {
      const socket = await connectThrough(t, proxy);
      const success = once(socket, 'mqtt:subscribe:success');
      await broker.kill();
      await gateway.logged('broker connection failed');
      socket.emit('mqtt:subscribe', { topic: 'no/answer', qos: 1 });
      await sleep(100);
      await cutWhile(proxy, socket, () => sleep(50));
      await comesBack(socket);
      await broker.restart();
      assert.equal((await success).topic, 'no/answer');
      await eventually(() => other.connected, 'the publisher is back');
      await publish('no/answer', 1, 2);
      await untilMessages(socket, 2);
      assert.deepEqual(socket.recoveries, [true]);
      socket.disconnect();
    });

    await t.test('thirty clients whose cables are cut again and again while messages flow', async () => {
      const sockets = [];
      for (const n of numbers(1, 30)) {
        const socket = await connectThrough(t, proxy, { transports: n % 3 ? ['websocket'] : ['polling'] });
        await subscribe(socket, n % 2 ? 'storm/#' : 'storm/+', 1);
        sockets.push(socket);
      }
      let sent = 0;
      let publishing = true;
      const publisher = (async () => {
        while (publishing) {
          await other.publishAsync('storm/x', String(++sent), { qos: 1 });
          if (sent % 5 === 0) await sleep(2);
        }
      })();
      for (let round = 0; round < 15; ++round) {
        await sleep(120);
        proxy.cut();
      }
      await sleep(100);
      publishing = false;
      await publisher;
      for (const socket of sockets) {
        await untilMessages(socket, sent, 20_000);
        assert.ok(socket.recoveries.every((recovered) => recovered), `${socket.recoveries}`);
        assert.deepEqual(payloads(socket), numbers(1, sent));
        socket.disconnect();
      }
    });

    await t.test('nothing is left of it', async () => {
      await eventually(async () => {
        const { body } = await rest(gateway, 'GET', '/mqtt/stats');
        return body.connectedClients === 0 && body.totalSubscriptions === 0;
      }, 'no client and no subscription');
    });
  });
}

test('who gets a session back and who does not', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { WORKERS: '2' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);

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
    await other.publishAsync('by/hand', '"missed"', { qos: 1 });
    await sleep(100);
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
  const { broker, gateway } = await startBoth(t, { env: { RECOVERY_WINDOW: '700ms', WORKERS: '2' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  const socket = await connectThrough(t, proxy);
  await subscribe(socket, 'window/topic', 1);
  const stats = async () => (await rest(gateway, 'GET', '/mqtt/stats')).body;
  await cutWhile(proxy, socket, async () => {
    await eventually(async () => (await stats()).connectedClients === 0, 'the server notices');
    const { totalSubscriptions, activeSubscriptions } = await stats();
    assert.deepEqual({ totalSubscriptions, activeSubscriptions }, { totalSubscriptions: 1, activeSubscriptions: 0 });
    await eventually(async () => (await stats()).totalSubscriptions === 0, 'the window has ended');
  });
  await comesBack(socket);
  assert.deepEqual(socket.recoveries, [false]);
  await other.publishAsync('window/topic', '1', { qos: 1 });
  await sleep(100);
  assert.deepEqual(socket.messages, []);
});

test('RECOVERY_WINDOW: a client that was idle for longer recovers', async (t) => {
  const { broker, gateway } = await startBoth(t, { env: { RECOVERY_WINDOW: '500ms' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  const socket = await connectThrough(t, proxy);
  await subscribe(socket, 'idle/topic', 1);
  await sleep(800);
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
    for (const n of numbers(1, 20)) await other.publishAsync('much/missed', String(n).padEnd(1000), { qos: 1 });
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
  for (const n of numbers(1, 100)) await other.publishAsync('total/much', String(n).padEnd(1000), { qos: 1 });
  await other.publishAsync('total/little', '1', { qos: 1 });
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
      for (const n of numbers(1, 5)) await other.publishAsync(topic, String(n), { qos: 0 });
      await sleep(100);
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
  const { broker, gateway } = await startBoth(t, { env: { CLIENT_QUEUE: '20KB' } });
  const proxy = await startProxy(t, gateway.port);
  const other = await brokerClient(t, broker);
  for (const n of numbers(1, 2000)) other.publish(`users/bob/${n}`, 'x'.repeat(200), { retain: true });
  await other.publishAsync('users/bob/last', 'x', { qos: 1, retain: true });
  let bearer = token({ app_metadata: { mqtt: { subscribe: ['users/bob/#'] } } });
  const socket = await connectThrough(t, proxy, { auth: (give) => give({ token: bearer }) });
  socket.emit('mqtt:subscribe', { topic: 'users/bob/#' });
  await untilMessages(socket, 1);
  bearer = token();
  const unsubscribed = once(socket, 'mqtt:unsubscribed');
  proxy.cut();
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
