// Subscriptions made by REST: they belong to the user, and deliver to every socket that the user has or will have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminToken, ask, assertError, brokerClient, connect, eventually, isoTime, rest, sleep, startBoth, subscribe, succeed,
  token, untilMessages, untilReady,
} from './harness.mjs';

let serial = 0;
/** A topic that no other test uses. */
const fresh = (name = 'rs') => `${name}/${++serial}`;
const of = (sub, claims = {}) => token({ sub, ...claims });
const payloads = (socket, topic) => socket.messages.filter((m) => !topic || m.topic === topic).map((m) => m.payload);
const post = (gateway, topic, { qos, user = 'alice', bearer = of(user), ms } = {}) =>
  rest(gateway, 'POST', '/mqtt/subscribe', { topic, ...(qos === undefined ? {} : { qos }) }, { token: bearer, ms });
const remove = (gateway, path, user = 'alice') =>
  rest(gateway, 'DELETE', `/mqtt/unsubscribe/${path}`, undefined, { token: of(user) });
const list = async (gateway, bearer = of('alice'), which = '') => {
  const { status, body } = await rest(gateway, 'GET', `/mqtt/subscriptions${which}`, undefined, { token: bearer });
  assert.equal(status, 200);
  assert.equal(body.total, body.subscriptions.length);
  return body.subscriptions;
};
/** The subscription of a 201. */
async function made(answering) {
  const { status, body, text } = await answering;
  assert.equal(status, 201, text);
  assert.deepEqual(Object.keys(body).sort(), ['subscription', 'success']);
  assert.equal(body.success, true);
  return body.subscription;
}
const socketOf = (t, gateway, sub, claims) => connect(t, gateway, { auth: { token: of(sub, claims) } });

for (const workers of [1, 4]) {
  test(`REST subscriptions with WORKERS=${workers}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const other = await brokerClient(t, broker);
    const send = (topic, payload, qos = 1) => other.publishAsync(topic, String(payload), { qos });

    await t.test('201, and again the same id with the new qos', async () => {
      const topic = `${fresh()}/+/#`;
      const { id, createdAt, ...others } = await made(post(gateway, topic));
      assert.equal(typeof id, 'string');
      assert.match(createdAt, isoTime);
      assert.deepEqual(others, { topic, qos: 0, userId: 'alice', isActive: true });
      const again = await made(post(gateway, topic, { qos: 2 }));
      assert.deepEqual([again.id, again.qos], [id, 2]);
      assert.notEqual((await made(post(gateway, topic, { user: 'bob' }))).id, id);
      assert.deepEqual((await list(gateway)).filter((s) => s.topic === topic).map((s) => [s.id, s.qos]), [[id, 2]]);
    });

    await t.test('the list is the user\'s own, with its source; all are for administrators', async (t) => {
      const [one, two] = [await socketOf(t, gateway, 'lia'), await socketOf(t, gateway, 'lia')];
      const topic = fresh();
      const { id } = await made(post(gateway, topic, { user: 'lia', qos: 1 }));
      const held = [await subscribe(one, topic, 0), await subscribe(two, topic, 2)];
      await made(post(gateway, topic, { user: 'bob' }));
      const mine = await list(gateway, of('lia'));
      const rows = (subscriptions) => subscriptions.map((s) => [s.id, s.topic, s.qos, s.userId, s.isActive, s.source]).sort();
      const expected = [
        [id, topic, 1, 'lia', true, 'rest'], [held[0].id, topic, 0, 'lia', true, 'socket'],
        [held[1].id, topic, 2, 'lia', true, 'socket'],
      ].sort();
      assert.deepEqual(rows(mine), expected);
      assert.ok(mine.every((s) => isoTime.test(s.createdAt)));
      assertError(await rest(gateway, 'GET', '/mqtt/subscriptions/all', undefined, { token: of('lia') }), 403);
      for (const bearer of [adminToken(), of('chief', { role: 'service_role' })]) {
        const all = await list(gateway, bearer, '/all');
        assert.deepEqual(rows(all.filter((s) => s.userId === 'lia')), expected);
        assert.equal(all.filter((s) => s.userId === 'bob' && s.topic === topic).length, 1);
      }
    });

    await t.test('every socket of the user gets it from the 201 on, others nothing', async (t) => {
      const mine = await Promise.all(Array.from({ length: 8 }, () => socketOf(t, gateway, 'ann')));
      const stranger = await socketOf(t, gateway, 'eve');
      for (let i = 0; i < 20; ++i) {
        const topic = fresh();
        await made(post(gateway, i % 2 ? topic : `${topic}/#`, { user: 'ann', qos: 1 }));
        await send(topic, i);
      }
      await Promise.all(mine.map((socket) => untilMessages(socket, 20)));
      await sleep(100);
      const expected = Array.from({ length: 20 }, (_, i) => i);
      for (const socket of mine) assert.deepEqual(payloads(socket).sort((a, b) => a - b), expected);
      assert.deepEqual(stranger.messages, []);
    });

    await t.test('sockets that come later get it too', async (t) => {
      const topic = fresh();
      await made(post(gateway, `${topic}/#`, { user: 'fay', qos: 1 }));
      const sockets = await Promise.all(Array.from({ length: 6 }, () => socketOf(t, gateway, 'fay')));
      let i = 0;
      await eventually(async () => {
        await send(`${topic}/x`, ++i);
        return sockets.every((socket) => socket.messages.length > 0);
      }, 'all of them hear');
      const late = await socketOf(t, gateway, 'fay');
      await eventually(async () => {
        await send(`${topic}/x`, ++i);
        return payloads(late).length > 0;
      }, 'the next one hears');
      await send(`${topic}/x`, 'null');
      for (const socket of [...sockets, late]) {
        await eventually(() => payloads(socket).at(-1) === null, 'the last message');
        const got = payloads(socket);
        assert.equal(new Set(got).size, got.length, 'none twice');
      }
    });

    await t.test('with a subscription of the socket, to the same filter or another that matches, once', async (t) => {
      for (const restFirst of [true, false]) {
        for (const [byRest, own] of [['/x', '/x'], ['/#', '/x'], ['/x', '/#'], ['/+', '/#']]) {
          const base = fresh();
          const socket = await socketOf(t, gateway, 'ove');
          if (!restFirst) await subscribe(socket, base + own, 2);
          await made(post(gateway, base + byRest, { user: 'ove', qos: 1 }));
          if (restFirst) await subscribe(socket, base + own, 2);
          for (let i = 0; i < 10; ++i) await send(`${base}/x`, i, 2);
          await untilMessages(socket, 10);
          await sleep(50);
          const expected = Array.from({ length: 10 }, (_, i) => [i, 2]);
          assert.deepEqual(socket.messages.map((m) => [m.payload, m.qos]), expected, `${byRest} ${own} ${restFirst}`);
          await remove(gateway, encodeURIComponent(base + byRest), 'ove');
          await send(`${base}/x`, 'false', 2);
          assert.equal((await untilMessages(socket, 11))[10].payload, false, 'its own stays');
          socket.disconnect();
        }
      }
    });

    await t.test('the socket ending its own leaves the one by REST, which needs DELETE', async (t) => {
      const topic = fresh();
      const socket = await socketOf(t, gateway, 'uma');
      const { id } = await made(post(gateway, topic, { user: 'uma', qos: 1 }));
      const own = await subscribe(socket, topic, 0);
      const listed = await ask(socket, 'mqtt:subscriptions');
      assert.deepEqual(listed.subscriptions.map((s) => s.id).sort(), [id, own.id].sort());
      await succeed(socket, 'mqtt:unsubscribe', { topic });
      const refused = await ask(socket, 'mqtt:unsubscribe', { topic });
      assert.deepEqual([refused.success, refused.statusCode], [false, 404]);
      assert.match(refused.error, /use DELETE \/mqtt\/unsubscribe/);
      const left = (await ask(socket, 'mqtt:subscriptions')).subscriptions;
      assert.deepEqual(left.map((s) => [s.id, s.topic, s.qos, s.userId, s.isActive]), [[id, topic, 1, 'uma', true]]);
      await send(topic, 1);
      assert.equal((await untilMessages(socket, 1))[0].qos, 1);
      assert.equal((await remove(gateway, encodeURIComponent(topic), 'uma')).status, 200);
      await send(topic, 2);
      await sleep(150);
      assert.deepEqual(payloads(socket), [1]);
      assert.equal((await ask(socket, 'mqtt:subscriptions')).total, 0);
    });

    await t.test('qos is the lower of publish and subscription, of the highest filter that matches', async (t) => {
      const base = fresh();
      const socket = await socketOf(t, gateway, 'quy');
      let count = 0;
      const expectQos = async (published, expected) => {
        await send(`${base}/x`, ++count, published);
        assert.equal((await untilMessages(socket, count))[count - 1].qos, expected);
      };
      await made(post(gateway, `${base}/#`, { user: 'quy' }));
      await expectQos(2, 0);
      await made(post(gateway, `${base}/x`, { user: 'quy', qos: 1 }));
      await expectQos(2, 1);
      await expectQos(0, 0);
      await made(post(gateway, `${base}/#`, { user: 'quy', qos: 2 }));
      await expectQos(2, 2);
      await made(post(gateway, `${base}/#`, { user: 'quy', qos: 0 }));
      await expectQos(2, 1);
    });

    await t.test('DELETE takes slashes raw and encoded, wildcards, and only what is the user\'s own', async (t) => {
      const base = fresh();
      const socket = await socketOf(t, gateway, 'dee');
      for (const [tail, path] of [
        ['a/b', 'a/b'], ['a/b', 'a%2Fb'], ['a/b', 'a%2fb'], ['a/#', 'a/%23'], ['+/b', '+/b'], ['+/b', '%2B%2Fb'],
        ['a b', 'a%20b'], ['ä/€', '%C3%A4/%E2%82%AC'], ['50%', '50%25'], ['a%2Fb', 'a%252Fb'], ['why?', 'why%3F'],
        ['a//b', 'a//b'], ['a/', 'a%2F'],
      ]) {
        const topic = `${base}/${tail}`;
        await made(post(gateway, topic, { user: 'dee' }));
        assertError(await remove(gateway, `${base}/${path}`, 'bob'), 404);
        const { status, body, text } = await remove(gateway, `${base}/${path}`, 'dee');
        assert.equal(status, 200, `${path}: ${text}`);
        const { timestamp, ...others } = body;
        assert.deepEqual(others, { success: true, topic });
        assert.match(timestamp, isoTime);
        assertError(await remove(gateway, `${base}/${path}`, 'dee'), 404);
      }
      assert.deepEqual(await list(gateway, of('dee')), []);
      await subscribe(socket, base);
      assertError(await remove(gateway, base, 'dee'), 404);
    });

    await t.test('retained messages come to the sockets that are there, and to each that comes', async (t) => {
      const base = fresh();
      for (const i of [1, 2]) await other.publishAsync(`${base}/${i}`, `"kept ${i}"`, { qos: 1, retain: true });
      const there = [await socketOf(t, gateway, 'ret'), await socketOf(t, gateway, 'ret')];
      await made(post(gateway, `${base}/#`, { user: 'ret', qos: 1 }));
      const later = await socketOf(t, gateway, 'ret');
      for (const socket of [...there, later]) {
        await untilMessages(socket, 2);
        await sleep(100);
        const got = socket.messages.map((m) => [m.topic, m.payload, m.qos, m.retain]).sort();
        assert.deepEqual(got, [1, 2].map((i) => [`${base}/${i}`, `kept ${i}`, 0, true]));
      }
    });

    await t.test('a socket whose token lacks the right does not get it', async (t) => {
      const plain = await socketOf(t, gateway, 'root');
      const admin = await connect(t, gateway, { auth: { token: adminToken() } });
      const topic = `users/bob/${fresh()}`;
      await other.publishAsync(topic, '"kept"', { qos: 1, retain: true });
      await made(post(gateway, topic, { bearer: adminToken(), qos: 1 }));
      await untilMessages(admin, 1);
      await send(topic, 1);
      await untilMessages(admin, 2);
      const late = await socketOf(t, gateway, 'root');
      await send(topic, 2);
      await untilMessages(admin, 3);
      await sleep(150);
      for (const socket of [plain, late]) {
        assert.deepEqual(socket.messages, []);
        assert.equal((await ask(socket, 'mqtt:subscriptions')).total, 0);
      }
    });
  });
}

test('the broker is asked always, but sends only while the user has a socket', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const other = await brokerClient(t, broker);
  const stats = async () => (await rest(gateway, 'GET', '/mqtt/stats')).body;
  /** How many more messages the gateway has had after ten were published. */
  const heard = async () => {
    const before = (await stats()).messagesIn;
    for (let i = 0; i < 10; ++i) await other.publishAsync('rs/idle', String(i), { qos: 1 });
    await sleep(100);
    return (await stats()).messagesIn - before;
  };
  await made(post(gateway, 'rs/idle', { qos: 1 }));
  assert.equal((await stats()).totalSubscriptions, 1);
  await eventually(async () => (await heard()) === 0, 'nothing without a socket');
  for (const round of [1, 2]) {
    const socket = await socketOf(t, gateway, 'alice');
    await eventually(async () => (await heard()) === 10, `messages for the socket, round ${round}`);
    await untilMessages(socket, 10);
    const bob = await socketOf(t, gateway, 'bob');
    socket.disconnect();
    await eventually(async () => (await heard()) === 0, `nothing when it has gone, round ${round}`);
    bob.disconnect();
  }
  assert.equal((await list(gateway)).length, 1);
});

test('while the broker is away', { concurrency: 2 }, async (t) => {
  const never = t.test('a subscribe waits up to 10 s, then 503; ending one works', async (t) => {
    const { broker, gateway } = await startBoth(t);
    await made(post(gateway, 'rs/before', { qos: 1 }));
    await made(post(gateway, 'rs/ended', { qos: 1 }));
    await broker.kill();
    await eventually(async () => !(await rest(gateway, 'GET', '/mqtt/status')).body.isConnected, 'the gateway has noticed');
    const began = Date.now();
    const waiting = post(gateway, 'rs/away', { ms: 30_000 });
    assert.equal((await remove(gateway, 'rs/ended')).status, 200);
    assert.ok(Date.now() - began < 8_000, `${Date.now() - began} ms`);
    assertError(await waiting, 503, 'MQTT client is not connected');
    const took = Date.now() - began;
    assert.ok(took > 9_900 && took < 14_000, `${took} ms`);
    assert.deepEqual((await list(gateway)).map((s) => s.topic), ['rs/before']);
  });

  await t.test('a subscribe is answered when it comes back, and those of before deliver again', async (t) => {
    const { broker, gateway } = await startBoth(t);
    const socket = await socketOf(t, gateway, 'alice');
    await made(post(gateway, 'rs/before', { qos: 1 }));
    await broker.kill();
    await eventually(async () => !(await rest(gateway, 'GET', '/mqtt/status')).body.isConnected, 'the gateway has noticed');
    const waiting = made(post(gateway, 'rs/away', { qos: 1, ms: 15_000 }));
    await sleep(300);
    await broker.restart();
    assert.equal((await waiting).topic, 'rs/away');
    const other = await brokerClient(t, broker);
    await other.publishAsync('rs/away', '"away"', { qos: 1 });
    await eventually(() => payloads(socket, 'rs/away').length === 1, 'the message after the 201');
    await untilReady(gateway);
    await eventually(async () => {
      await other.publishAsync('rs/before', '"before"', { qos: 1 });
      return payloads(socket, 'rs/before').length > 0;
    }, 'a message for the subscription of before');
  });
  await never;
});

test('a filter that the broker refuses is reported and not kept', async (t) => {
  const { gateway } = await startBoth(t, {
    dynamicSecurity: {
      defaultACLAccess: { publishClientSend: true, publishClientReceive: true, subscribe: true, unsubscribe: true },
      groups: [{ groupname: 'all', roles: [{ rolename: 'all' }] }],
      anonymousGroup: 'all',
      roles: [{ rolename: 'all', acls: [{ acltype: 'subscribePattern', topic: 'secret/#', priority: 1, allow: false }] }],
    },
  });
  for (const socket of [undefined, await socketOf(t, gateway, 'alice')]) {
    const answer = await post(gateway, 'secret/a', { qos: 1 });
    assert.ok([403, 502].includes(answer.status), answer.text);
    assertError(answer, answer.status, /^Failed to subscribe: ./);
    assert.deepEqual(await list(gateway), []);
    assertError(await remove(gateway, 'secret%2Fa'), 404);
    if (socket) assert.equal((await ask(socket, 'mqtt:subscriptions')).total, 0);
  }
  assert.equal((await made(post(gateway, 'open/a', { qos: 2 }))).qos, 2);
});

test('qos is what the broker granted', async (t) => {
  const { gateway } = await startBoth(t, { settings: ['max_qos 1'] });
  assert.equal((await made(post(gateway, 'rs/granted', { qos: 2 }))).qos, 1);
  assert.deepEqual((await list(gateway)).map((s) => s.qos), [1]);
});
