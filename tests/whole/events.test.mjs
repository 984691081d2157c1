// Each event of the Socket.IO interface, answered by an event and by an acknowledgement, with every way it can fail.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  adminToken, ask, brokerClient, connect, eventually, once, publish, rawClient, sleep, startBoth, subscribe, succeed,
  token, untilMessages,
} from './harness.mjs';

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
let serial = 0;
/** A topic that no other test uses. */
const fresh = (name = 'events') => `${name}/${++serial}`;
const deepJson = (depth) => '['.repeat(depth) + ']'.repeat(depth);

test('events', async (t) => {
  const { broker, gateway } = await startBoth(t, { settings: ['sys_interval 1'] });
  const other = await brokerClient(t, broker);
  const socket = await connect(t, gateway);

  await t.test('mqtt:status greets a socket', async (t) => {
    const fresh = await connect(t, gateway);
    const [status] = fresh.statuses;
    assert.equal(status.isConnected, true);
    assert.match(status.clientId, /^famemely_\d+/);
    assert.match(status.connectedAt, isoTime);
    assert.equal(status.reconnectAttempts, 0);
    assert.ok(!('lastError' in status));
  });

  await t.test('mqtt:status is answered by event and by acknowledgement', async () => {
    const reply = once(socket, 'mqtt:status');
    socket.emit('mqtt:status');
    const status = await reply;
    assert.equal(status.isConnected, true);
    assert.deepEqual(await ask(socket, 'mqtt:status'), { success: true, ...status });
  });

  await t.test('mqtt:publish', async (t) => {
    await t.test('is answered by mqtt:publish:success', async () => {
      const topic = fresh();
      const reply = once(socket, 'mqtt:publish:success');
      socket.emit('mqtt:publish', { topic, payload: { temperature: 25.5, unit: 'C' }, qos: 0 });
      const { topic: answered, timestamp, ...rest } = await reply;
      assert.equal(answered, topic);
      assert.match(timestamp, isoTime);
      assert.deepEqual(rest, {});
    });

    await t.test('is answered by the acknowledgement alone if there is one', async () => {
      let events = 0;
      socket.on('mqtt:publish:success', () => ++events);
      const topic = fresh();
      const { timestamp, ...reply } = await ask(socket, 'mqtt:publish', { topic, payload: 1, qos: 1 });
      assert.deepEqual(reply, { success: true, topic });
      assert.match(timestamp, isoTime);
      await succeed(socket, 'mqtt:status');
      assert.equal(events, 0);
      socket.off('mqtt:publish:success');
    });

    await t.test('reaches the broker with its QoS and retain flag', async () => {
      for (const qos of [0, 1, 2]) {
        const topic = fresh();
        await other.subscribeAsync(topic, { qos: 2, rap: true });
        await publish(socket, topic, { n: qos }, { qos, retain: qos === 1 });
        const got = await eventually(() => other.received.find((m) => m.topic === topic), 'the message at the broker');
        assert.equal(got.payload.toString(), `{"n":${qos}}`);
        assert.equal(got.packet.qos, qos);
        assert.equal(got.packet.retain, qos === 1);
      }
    });

    const kinds = [
      ['an object as JSON', { payload: { a: [1, null, 'ä'] } }, '{"a":[1,null,"ä"]}'],
      ['a string as JSON', { payload: 'x' }, '"x"'],
      ['null as JSON', { payload: null }, 'null'],
      ['false as JSON', { payload: false }, 'false'],
      ['text as its bytes', { payload: '12 ä', encoding: 'text' }, '12 ä'],
      ['no text at all', { payload: '', encoding: 'text' }, ''],
      ['base64 as its bytes', { payload: 'AP+A', encoding: 'base64' }, Buffer.from([0, 255, 128])],
      ['a Buffer as its bytes', { payload: Buffer.from([1, 0, 254]) }, Buffer.from([1, 0, 254])],
      ['an empty Buffer', { payload: Buffer.alloc(0) }, Buffer.alloc(0)],
    ];
    for (const [name, members, expected] of kinds) {
      await t.test(`sends ${name}`, async () => {
        const topic = fresh();
        await other.subscribeAsync(topic);
        await succeed(socket, 'mqtt:publish', { topic, qos: 1, ...members });
        const got = await eventually(() => other.received.find((m) => m.topic === topic), 'the message at the broker');
        assert.deepEqual(got.payload, Buffer.from(expected));
      });
    }

    await t.test('keeps the digits of numbers', async (t) => {
      const topic = fresh();
      await other.subscribeAsync(topic);
      const raw = await rawClient(t, gateway);
      const payload = '{"big":12345678901234567890.10,"one":1.0,"e":1E3}';
      raw.send(`42/mqtt,7["mqtt:publish",{"topic":"${topic}","payload":${payload},"qos":1}]`);
      await raw.find(/^43\/mqtt,7\[\{"success":true,/);
      const got = await eventually(() => other.received.find((m) => m.topic === topic), 'the message at the broker');
      assert.equal(got.payload.toString(), payload);
    });

    await t.test('carries the properties of MQTT 5', async () => {
      const topic = fresh();
      await other.subscribeAsync(topic);
      const properties = {
        contentType: 'application/json',
        responseTopic: 'answers/1',
        correlationData: Buffer.from([1, 2, 255]).toString('base64'),
        messageExpiry: 60,
        userProperties: { one: 'a', two: ['b', 'c'] },
      };
      await succeed(socket, 'mqtt:publish', { topic, payload: 1, qos: 1, properties });
      const got = await eventually(() => other.received.find((m) => m.topic === topic), 'the message at the broker');
      assert.equal(got.packet.properties.contentType, 'application/json');
      assert.equal(got.packet.properties.responseTopic, 'answers/1');
      assert.deepEqual(got.packet.properties.correlationData, Buffer.from([1, 2, 255]));
      assert.ok(got.packet.properties.messageExpiryInterval > 50);
      assert.deepEqual({ ...got.packet.properties.userProperties }, { one: 'a', two: ['b', 'c'] });
    });

    await t.test('declares the content type of text and bytes', async () => {
      for (const [members, type] of [
        [{ payload: 'x', encoding: 'text' }, 'text/plain'],
        [{ payload: 'AA==', encoding: 'base64' }, 'application/octet-stream'],
        [{ payload: Buffer.from([1]) }, 'application/octet-stream'],
      ]) {
        const topic = fresh();
        await other.subscribeAsync(topic);
        await succeed(socket, 'mqtt:publish', { topic, qos: 1, ...members });
        const got = await eventually(() => other.received.find((m) => m.topic === topic), 'the message at the broker');
        assert.ok(got.packet.properties?.contentType?.startsWith(type), JSON.stringify(got.packet.properties));
      }
    });

    await t.test('refuses what does not fit, and says why', async (t) => {
      const refusals = [
        ['a missing topic', { payload: 1 }, 'topic must be a string'],
        ['a topic that is no string', { topic: 7, payload: 1 }, 'topic must be a string'],
        ['a bad qos', { topic: 'a', payload: 1, qos: 3 }, 'qos must be one of the following values: 0, 1, 2'],
        ['a qos that is a string', { topic: 'a', payload: 1, qos: '1' }, 'qos must be one of the following values: 0, 1, 2'],
        ['an unknown member', { topic: 'a', payload: 1, x: 1 }, 'property x should not exist'],
        [
          'several faults at once',
          { payload: 1, qos: 9 },
          'topic must be a string; qos must be one of the following values: 0, 1, 2',
        ],
        ['an empty topic', { topic: '', payload: 1 }],
        ['a wildcard', { topic: 'a/#', payload: 1 }],
        ['a wildcard of one level', { topic: 'a/+/b', payload: 1 }],
        ['U+0000', { topic: 'a\0b', payload: 1 }],
        ['a control character', { topic: 'a\u0007b', payload: 1 }],
        ['a C1 control character', { topic: 'a\u0085b', payload: 1 }],
        ['a non-character', { topic: 'a\uffffb', payload: 1 }],
        ['a line end in a property', { topic: 'a', payload: 1, properties: { userProperties: { note: 'two\nlines' } } }],
        ['a topic over 65,535 bytes', { topic: 'ä'.repeat(32768), payload: 1 }],
        ['more than 128 levels', { topic: 'a/'.repeat(128) + 'a', payload: 1 }],
        ['retain that is no boolean', { topic: 'a', payload: 1, retain: 'yes' }],
        ['an unknown encoding', { topic: 'a', payload: 'x', encoding: 'hex' }],
        ['text that is no string', { topic: 'a', payload: 1, encoding: 'text' }],
        ['base64 that is none', { topic: 'a', payload: '%', encoding: 'base64' }],
        ['no payload', { topic: 'a' }],
        ['no object', 'a'],
        ['an array', []],
        ['null', null],
      ];
      for (const [name, request, message] of refusals) {
        await t.test(name, async () => {
          const reply = await ask(socket, 'mqtt:publish', request);
          assert.equal(reply.success, false);
          assert.equal(reply.statusCode, 400, JSON.stringify(reply));
          assert.equal(typeof reply.error, 'string');
          if (message) assert.equal(reply.error, message);
        });
      }
      await t.test('nothing at all', async () => {
        assert.equal((await ask(socket, 'mqtt:publish')).statusCode, 400);
      });
      await t.test('128 levels are not too many', async () => {
        await succeed(socket, 'mqtt:publish', { topic: 'a/'.repeat(127) + 'a', payload: 1 });
      });
    });

    await t.test('a refusal comes as an event with the topic', async () => {
      const reply = once(socket, 'mqtt:publish:error');
      socket.emit('mqtt:publish', { topic: 'sensors/1', payload: 1, qos: 5 });
      assert.deepEqual(await reply, {
        error: 'qos must be one of the following values: 0, 1, 2',
        statusCode: 400,
        topic: 'sensors/1',
      });
    });

    await t.test('is forbidden where the rules say so', async (t) => {
      for (const topic of ['notifications/bob', 'app/broadcast/alerts', 'users/bob/status', '$SYS/x', '$famemely/a/fence']) {
        await t.test(topic, async () => {
          assert.deepEqual(await ask(socket, 'mqtt:publish', { topic, payload: 1 }), {
            success: false,
            error: `Not authorized to publish to ${topic}`,
            statusCode: 403,
          });
          const reply = once(socket, 'mqtt:publish:error');
          socket.emit('mqtt:publish', { topic, payload: 1 });
          assert.deepEqual(await reply, { error: `Not authorized to publish to ${topic}`, statusCode: 403, topic });
        });
      }
      await succeed(socket, 'mqtt:publish', { topic: 'notifications/alice', payload: 1 });
      const admin = await connect(t, gateway, { auth: { token: adminToken() } });
      await succeed(admin, 'mqtt:publish', { topic: 'app/broadcast/alerts', payload: 1 });
    });
  });

  await t.test('mqtt:subscribe', async (t) => {
    await t.test('is answered by mqtt:subscribe:success', async () => {
      const topic = `${fresh()}/#`;
      const reply = once(socket, 'mqtt:subscribe:success');
      socket.emit('mqtt:subscribe', { topic, qos: 1 });
      const { id, createdAt, ...rest } = await reply;
      assert.equal(typeof id, 'string');
      assert.match(createdAt, isoTime);
      assert.deepEqual(rest, { topic, qos: 1, userId: 'alice', isActive: true });
    });

    await t.test('is answered by the acknowledgement alone if there is one', async () => {
      const topic = fresh();
      const { id, createdAt, ...rest } = await ask(socket, 'mqtt:subscribe', { topic });
      assert.equal(typeof id, 'string');
      assert.match(createdAt, isoTime);
      assert.deepEqual(rest, { success: true, topic, qos: 0, userId: 'alice', isActive: true });
    });

    await t.test('again returns the same id with the new qos', async () => {
      const topic = fresh();
      const first = await subscribe(socket, topic, 0);
      const second = await subscribe(socket, topic, 2);
      assert.equal(second.id, first.id);
      assert.equal(second.qos, 2);
      await other.publishAsync(topic, 'once', { qos: 2 });
      await eventually(() => socket.messages.some((m) => m.topic === topic), 'the message');
      await sleep(50);
      const got = socket.messages.filter((m) => m.topic === topic);
      assert.deepEqual(got.map((m) => [m.payload, m.qos]), [['once', 2]]);
    });

    await t.test('refuses what does not fit, and says why', async (t) => {
      const refusals = [
        ['a missing topic', {}, 'topic must be a string'],
        ['a bad qos', { topic: 'a', qos: -1 }, 'qos must be one of the following values: 0, 1, 2'],
        ['an unknown member', { topic: 'a', payload: 1 }, 'property payload should not exist'],
        ['an empty filter', { topic: '' }],
        ['# before the end', { topic: 'a/#/b' }],
        ['# within a level', { topic: 'a/b#' }],
        ['+ within a level', { topic: 'a/b+/c' }],
        ['U+0000', { topic: 'a\0' }],
        ['a control character', { topic: 'a\u001f' }],
        ['more than 128 levels', { topic: '+/'.repeat(128) + '+' }],
        ['a shared subscription', { topic: '$share/group/a' }],
        ['no object', 7],
      ];
      for (const [name, request, message] of refusals) {
        await t.test(name, async () => {
          const reply = await ask(socket, 'mqtt:subscribe', request);
          assert.equal(reply.success, false);
          assert.equal(reply.statusCode, 400, JSON.stringify(reply));
          if (message) assert.equal(reply.error, message);
        });
      }
    });

    await t.test('is forbidden where the rules say so', async (t) => {
      const forbidden = ['#', '+/alice', 'users/+/notifications', 'notifications/bob', '$SYS/#', '$famemely/#', 'app/users/#'];
      for (const topic of forbidden) {
        await t.test(topic, async () => {
          assert.deepEqual(await ask(socket, 'mqtt:subscribe', { topic }), {
            success: false,
            error: `Not authorized to subscribe to ${topic}`,
            statusCode: 403,
          });
          const reply = once(socket, 'mqtt:subscribe:error');
          socket.emit('mqtt:subscribe', { topic });
          assert.deepEqual(await reply, { error: `Not authorized to subscribe to ${topic}`, statusCode: 403, topic });
        });
      }
      for (const topic of ['users/+/status', 'notifications/alice', 'app/broadcast/alerts', 'sensors/#']) {
        await subscribe(socket, topic);
        await succeed(socket, 'mqtt:unsubscribe', { topic });
      }
    });

    await t.test('brings $SYS to an administrator only, # does not reach it', async (t) => {
      const admin = await connect(t, gateway, { auth: { token: adminToken() } });
      await subscribe(admin, '#');
      await sleep(1500);
      assert.deepEqual(admin.messages.filter((m) => m.topic.startsWith('$')), []);
      await subscribe(admin, '$SYS/broker/uptime');
      await eventually(() => admin.messages.some((m) => m.topic === '$SYS/broker/uptime'), '$SYS');
    });
  });

  await t.test('mqtt:unsubscribe', async (t) => {
    await t.test('ends the messages', async () => {
      const topic = fresh();
      await subscribe(socket, topic);
      const reply = once(socket, 'mqtt:unsubscribe:success');
      socket.emit('mqtt:unsubscribe', { topic });
      assert.deepEqual(await reply, { topic });
      await other.publishAsync(topic, 'late', { qos: 1 });
      await sleep(100);
      assert.ok(!socket.messages.some((m) => m.topic === topic));
    });

    await t.test('is answered by the acknowledgement alone if there is one', async () => {
      const topic = fresh();
      await subscribe(socket, topic);
      assert.deepEqual(await ask(socket, 'mqtt:unsubscribe', { topic }), { success: true, topic });
    });

    await t.test('of a filter that is not held is 404', async () => {
      const reply = await ask(socket, 'mqtt:unsubscribe', { topic: 'never/held' });
      assert.equal(reply.success, false);
      assert.equal(reply.statusCode, 404);
      const event = once(socket, 'mqtt:unsubscribe:error');
      socket.emit('mqtt:unsubscribe', { topic: 'never/held' });
      assert.deepEqual(await event, { error: reply.error, statusCode: 404, topic: 'never/held' });
    });

    await t.test('of nothing is 400', async () => {
      const reply = await ask(socket, 'mqtt:unsubscribe', {});
      assert.equal(reply.statusCode, 400);
      assert.equal(reply.error, 'topic must be a string');
    });
  });

  await t.test('mqtt:subscriptions lists what delivers to this socket', async (t) => {
    const one = await connect(t, gateway);
    assert.deepEqual(await ask(one, 'mqtt:subscriptions'), { success: true, total: 0, subscriptions: [] });
    const first = await subscribe(one, 'list/a', 1);
    const second = await subscribe(one, 'list/+/b', 0);
    const reply = await ask(one, 'mqtt:subscriptions');
    assert.equal(reply.total, 2);
    const byTopic = Object.fromEntries(reply.subscriptions.map((s) => [s.topic, s]));
    assert.equal(byTopic['list/a'].id, first.id);
    assert.equal(byTopic['list/a'].qos, 1);
    assert.equal(byTopic['list/a'].userId, 'alice');
    assert.equal(byTopic['list/a'].createdAt, first.createdAt);
    assert.equal(byTopic['list/a'].isActive, true);
    assert.equal(byTopic['list/+/b'].id, second.id);
    const event = once(one, 'mqtt:subscriptions');
    one.emit('mqtt:subscriptions');
    assert.deepEqual(await event, reply.subscriptions);
    const another = await connect(t, gateway);
    assert.equal((await ask(another, 'mqtt:subscriptions')).total, 0);
  });

  await t.test('an unknown event is 404', async () => {
    const reply = once(socket, 'mqtt:error');
    socket.emit('mqtt:nonsense', 1);
    assert.deepEqual(await reply, { error: 'Unknown event: mqtt:nonsense', statusCode: 404 });
    assert.deepEqual(await ask(socket, 'nonsense'), {
      success: false,
      error: 'Unknown event: nonsense',
      statusCode: 404,
    });
  });

  await t.test('mqtt:message', async (t) => {
    /** What a socket gets for one MQTT message. */
    async function receive(payload, options = {}) {
      const topic = fresh('message');
      await subscribe(socket, topic, 2);
      await other.publishAsync(topic, payload, { qos: 1, ...options });
      const message = await eventually(() => socket.messages.find((m) => m.topic === topic), 'mqtt:message');
      return { message, topic };
    }

    await t.test('has topic, payload, qos, retain and timestamp', async () => {
      const { message, topic } = await receive('{"temperature":25.5}');
      const { timestamp, ...rest } = message;
      assert.match(timestamp, isoTime);
      assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 5000);
      assert.deepEqual(rest, { topic, payload: { temperature: 25.5 }, qos: 1, retain: false });
    });

    const kinds = [
      ['JSON', '[1,2,{"a":null}]', [1, 2, { a: null }]],
      ['a JSON number', '12', 12],
      ['JSON with white space around', ' {"a":1}\n', { a: 1 }],
      ['text', 'hello, wörld', 'hello, wörld'],
      ['text that almost is JSON', '{"a":1', '{"a":1'],
      ['an empty payload', '', ''],
      ['text with U+0000', 'a\0b', 'a\0b'],
      ['JSON nested 512 deep', deepJson(512), JSON.parse(deepJson(512))],
      ['JSON nested 513 deep as text', deepJson(513), deepJson(513)],
      ['what is no UTF-8 as bytes', Buffer.from([0xff, 0xfe, 0x00, 0x80]), Buffer.from([0xff, 0xfe, 0x00, 0x80])],
      ['a surrogate in UTF-8 as bytes', Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xed, 0xa0, 0x80])],
    ];
    for (const [name, payload, expected] of kinds) {
      await t.test(`brings ${name}`, async () => {
        assert.deepEqual((await receive(payload)).message.payload, expected);
      });
    }

    await t.test('splices JSON through unchanged', async (t) => {
      const topic = fresh('message');
      const raw = await rawClient(t, gateway);
      raw.send(`42/mqtt,1["mqtt:subscribe",{"topic":"${topic}"}]`);
      await raw.find(/^43\/mqtt,1\[\{"success":true/);
      const payload = '{"big":12345678901234567890.10,"one":1.0,"u":"\\u00e4"}';
      await other.publishAsync(topic, payload, { qos: 1 });
      const frame = await raw.find(/^42\/mqtt,\["mqtt:message"/);
      assert.ok(frame.includes(`"payload":${payload}`), frame);
    });

    await t.test('obeys the content type that a message declares', async () => {
      const typed = (payload, contentType) => receive(payload, { properties: { contentType } });
      const text = await typed('12', 'text/plain');
      assert.equal(text.message.payload, '12');
      assert.equal(text.message.properties.contentType, 'text/plain');
      assert.equal((await typed('12', 'text/plain; charset=utf-8')).message.payload, '12');
      assert.deepEqual((await typed('12', 'application/octet-stream')).message.payload, Buffer.from('12'));
      assert.deepEqual((await typed('{"a":1}', 'application/json')).message.payload, { a: 1 });
    });

    await t.test('carries the properties of MQTT 5', async () => {
      const { message } = await receive('1', {
        properties: {
          responseTopic: 'answers/2',
          correlationData: Buffer.from([9, 255]),
          messageExpiryInterval: 60,
          userProperties: { one: 'a', two: ['b', 'c'] },
        },
      });
      assert.equal(message.properties.responseTopic, 'answers/2');
      assert.equal(message.properties.correlationData, Buffer.from([9, 255]).toString('base64'));
      assert.ok(message.properties.messageExpiry <= 60 && message.properties.messageExpiry > 50);
      assert.deepEqual(message.properties.userProperties, { one: 'a', two: ['b', 'c'] });
    });

    await t.test('has no properties member where there are none', async () => {
      assert.ok(!('properties' in (await receive('1')).message));
    });

    await t.test('brings back what was published as text and as bytes', async (t) => {
      const receiver = await connect(t, gateway);
      const topic = fresh('message');
      await subscribe(receiver, topic, 1);
      await publish(socket, topic, '12', { qos: 1, encoding: 'text' });
      await publish(socket, topic, 'eyJhIjoxfQ==', { qos: 1, encoding: 'base64' });
      await publish(socket, topic, Buffer.from('text'), { qos: 1 });
      await publish(socket, topic, 'x', { qos: 1 });
      const messages = await untilMessages(receiver, 4);
      assert.deepEqual(
        messages.map((m) => m.payload),
        ['12', Buffer.from('{"a":1}'), Buffer.from('text'), 'x'],
      );
    });

    await t.test('reaches its own publisher', async (t) => {
      const both = await connect(t, gateway);
      const topic = fresh('message');
      await subscribe(both, topic);
      await publish(both, topic, 'echo');
      assert.equal((await untilMessages(both, 1))[0].payload, 'echo');
    });

    await t.test('has the lower QoS of publish and subscription', async (t) => {
      for (const held of [0, 1, 2]) {
        const receiver = await connect(t, gateway);
        const topic = fresh('message');
        await subscribe(receiver, topic, held);
        for (const qos of [0, 1, 2]) {
          await other.publishAsync(topic, String(qos), { qos });
          const message = await eventually(() => receiver.messages.find((m) => m.payload === qos), 'mqtt:message');
          assert.equal(message.qos, Math.min(held, qos));
        }
      }
    });

    await t.test('comes once however many filters match, with the highest QoS', async (t) => {
      const receiver = await connect(t, gateway);
      const base = fresh('overlap');
      await subscribe(receiver, `${base}/#`, 0);
      await subscribe(receiver, `${base}/+`, 2);
      await subscribe(receiver, `${base}/x`, 1);
      for (let i = 0; i < 20; ++i) await other.publishAsync(`${base}/x`, String(i), { qos: 2 });
      await untilMessages(receiver, 20);
      await sleep(100);
      assert.deepEqual(receiver.messages.map((m) => m.payload), Array.from({ length: 20 }, (_, i) => i));
      assert.deepEqual(new Set(receiver.messages.map((m) => m.qos)), new Set([2]));
    });

    await t.test('follows wildcards as MQTT has them', async (t) => {
      const receiver = await connect(t, gateway);
      const base = fresh('wild');
      await subscribe(receiver, `${base}/+/status`);
      await subscribe(receiver, `${base}/deep/#`);
      const matching = [`${base}/a/status`, `${base}//status`, `${base}/deep`, `${base}/deep/a/b`, `${base}/deep/`];
      const others = [`${base}/a/b/status`, `${base}/status`, `${base}/deeper`, `${base}/A/STATUS`, base];
      for (const topic of [...others, ...matching]) await other.publishAsync(topic, 'x', { qos: 1 });
      await untilMessages(receiver, matching.length);
      await sleep(50);
      assert.deepEqual(receiver.messages.map((m) => m.topic).sort(), [...matching].sort());
    });

    await t.test('is not marked retained when it arrives live', async (t) => {
      const topic = fresh('retained');
      const receiver = await connect(t, gateway);
      await subscribe(receiver, topic, 1);
      await publish(socket, topic, 'now', { qos: 1, retain: true });
      const [message] = await untilMessages(receiver, 1);
      assert.equal(message.retain, false);
    });
  });

  await t.test('two sockets with the same filter', async (t) => {
    const topic = fresh('shared');
    const one = await connect(t, gateway);
    const two = await connect(t, gateway, { auth: { token: token({ sub: 'bob' }) } });
    const first = await subscribe(one, topic);
    const second = await subscribe(two, topic);
    assert.notEqual(first.id, second.id);
    await other.publishAsync(topic, '1', { qos: 1 });
    await Promise.all([untilMessages(one, 1), untilMessages(two, 1)]);
    one.disconnect();
    await sleep(100);
    await other.publishAsync(topic, '2', { qos: 1 });
    await untilMessages(two, 2);
    await succeed(two, 'mqtt:unsubscribe', { topic });
    await other.publishAsync(topic, '3', { qos: 1 });
    await sleep(100);
    assert.deepEqual(two.messages.map((m) => m.payload), [1, 2]);
    assert.deepEqual(one.messages.map((m) => m.payload), [1]);
  });

  await t.test('the broker subscription is dropped with the last one', async (t) => {
    const counts = [];
    const watcher = await brokerClient(t, broker);
    watcher.on('message', (_, payload) => counts.push(Number(payload)));
    await watcher.subscribeAsync('$SYS/broker/subscriptions/count');
    const settled = async (expected) => eventually(() => counts.at(-1) === expected, `${expected} subscriptions`, 8000);
    await sleep(2200);
    const before = counts.at(-1);
    const one = await connect(t, gateway);
    const two = await connect(t, gateway);
    const topic = fresh('count');
    await subscribe(one, topic);
    await subscribe(two, topic);
    await settled(before + 1);
    await succeed(one, 'mqtt:unsubscribe', { topic });
    await sleep(1500);
    assert.equal(counts.at(-1), before + 1);
    await succeed(two, 'mqtt:unsubscribe', { topic });
    await settled(before);
  });
});

test('what a client says before it leaves is done', async (t) => {
  const { broker, gateway } = await startBoth(t);
  const other = await brokerClient(t, broker);
  await other.subscribeAsync('last/#', { qos: 1 });
  const expected = [];
  for (const transports of [['polling'], ['websocket']])
    for (let round = 0; round < 5; ++round) {
      const socket = await connect(t, gateway, { transports });
      for (let i = 0; i < 3; ++i) {
        const topic = `last/${transports[0]}/${round}/${i}`;
        socket.emit('mqtt:publish', { topic, payload: i, qos: 1 });
        expected.push(topic);
      }
      socket.disconnect();
    }
  await eventually(() => other.received.length >= expected.length, 'all is published');
  assert.deepEqual(other.received.map(({ topic }) => topic).sort(), expected.sort());
});
