// Connection State Recovery with the official client: what it missed comes in order and once, however the connection
// went and wherever it comes back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ask, brokerClient, eventually, once, rest, sleep, startBoth, startProxy, subscribe, token, untilMessages,
} from './harness.mjs';
import { comesBack, connectThrough, cutWhile, numbers, payloads } from './recovery_clients.mjs';

for (const workers of [1, 4]) {
  test(`recovery with WORKERS=${workers}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const proxy = await startProxy(t, gateway.port);
    const other = await brokerClient(t, broker);
    const publish = async (topic, from, to, qos = 1) => {
      for (const n of numbers(from, to)) await other.publishAsync(topic, String(n), { qos });
    };

    // A client that polls leaves by a request of its own, which must not be on its way when the next test cuts the wire.
    const leave = async (...sockets) => {
      for (const socket of sockets) socket.disconnect();
      await eventually(
        async () => (await rest(gateway, 'GET', '/mqtt/stats')).body.connectedClients === 0,
        'the gateway knows that the client has left',
      );
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
      await leave(socket);
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
      await leave(socket);
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
        await leave(socket);
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
      await leave(socket);
    });

    await t.test('it is greeted with mqtt:status again', async () => {
      const socket = await connectThrough(t, proxy);
      const before = socket.statuses.length;
      await cutWhile(proxy, socket, () => sleep(50));
      await comesBack(socket);
      await eventually(() => socket.statuses.length > before, 'mqtt:status');
      assert.deepEqual(socket.recoveries, [true]);
      await leave(socket);
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
      await leave(socket);
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
      await leave(socket);
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
      await leave(socket);
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
      await leave(socket);
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
      }
      await leave(...sockets);
    });

    await t.test('nothing is left of it', async () => {
      await eventually(async () => {
        const { body } = await rest(gateway, 'GET', '/mqtt/stats');
        return body.connectedClients === 0 && body.totalSubscriptions === 0;
      }, 'no client and no subscription');
    });
  });
}
