// Socket.IO packets: what connects, what is answered and how, what closes the connection and what is let pass.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerClient, eventually, sleep, startBoth, token, within } from './harness.mjs';
import { connectPacket, connectedClients, joined, polled, reasonOf, socket } from './wire.mjs';

for (const workers of [1, 2]) {
  test(`packets with WORKERS=${workers}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const other = await brokerClient(t, broker);
    const open = async (t, options) => {
      const wire = await socket(t, gateway, 'EIO=4&transport=websocket', options);
      await wire.find(/^0\{/);
      wire.messages.length = 0;
      return wire;
    };
    const alive = async (wire) => {
      wire.send('42/mqtt,99["mqtt:status"]');
      await wire.find(/^43\/mqtt,99\[/);
      wire.messages.length = 0;
    };

    // ---- CONNECT

    await t.test('CONNECT without payload takes the token of the handshake, with and without a comma', async (t) => {
      for (const text of ['40/mqtt', '40/mqtt,', '40/mqtt,{}']) {
        const wire = await open(t, { headers: { authorization: `Bearer ${token()}` } });
        wire.send(text);
        assert.match(await wire.find(/^40/), /^40\/mqtt,\{"sid":"[\w-]{20}"[,}]/, text);
      }
    });

    await t.test('a namespace that is not ours is refused, and the connection stays', async (t) => {
      const wire = await open(t);
      const answers = { '40': '44', '40/,': '44', '40{"token":"x"}': '44', '40/x': '44/x,', '40/x,{"a":1}': '44/x,' };
      for (const [text, prefix] of Object.entries(answers)) {
        wire.send(text);
        assert.equal(await wire.next(/^44/), `${prefix}{"message":"Invalid namespace"}`, text);
      }
      wire.send(connectPacket());
      await wire.find(/^40\/mqtt,\{/);
    });

    await t.test('a refusal has a message and data', async (t) => {
      const wire = await open(t);
      for (const auth of [{}, { token: 'x' }, { token: 7 }, { token: token({ exp: 1 }) }]) {
        wire.send(`40/mqtt,${JSON.stringify(auth)}`);
        const { message, data, ...rest } = JSON.parse((await wire.next(/^44\/mqtt,/)).slice('44/mqtt,'.length));
        assert.deepEqual([typeof message, data.statusCode, rest], ['string', 401, {}], JSON.stringify(auth));
      }
    });

    for (const text of [
      '42["e"]', '42/mqtt,["mqtt:status"]', '43/mqtt,1[]', '41/mqtt,', '44/mqtt,{"message":"x"}', '40[]', '40"s"', '40null', '40/mqtt,[]',
      '40/mqtt,"s"', '4', '47', '40/mqtt,{', '451-/mqtt,["e",{"_placeholder":true,"num":2}]',
    ]) {
      await t.test(`instead of CONNECT, ${text} closes`, async (t) => {
        const wire = await open(t);
        wire.send(text);
        assert.deepEqual(await within(wire.closed, 'close'), { code: 1005, reason: '' });
      });
    }

    // ---- what closes a connection that has joined

    const closing = [
      connectPacket(), '42["e"]', '42/other,["e"]', '41/other,', '43/other,1[]', '44/mqtt,{"message":"x"}', '44{}',
      '42/mqtt,[]', '42/mqtt,{}', '42/mqtt,"a"', '42/mqtt,[null]', '42/mqtt,[{}]', '42/mqtt,[[]]', '42/mqtt,[true]', '42/mqtt,abc["e"]',
      '42/mqtt,-1["e"]', '42/mqtt,1.5["e"]', '42/mqtt,9007199254740992["e"]', '42/mqtt,["e"', '42/mqtt,["e"]x', '42/mqtt,1x',
      ...['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'].map((n) => `42/mqtt,["${n}"]`),
      '42/mqtt,["\\u0063onnect"]', '43/mqtt,abc[]', '43/mqtt,0{}', '43/mqtt,1"x"', '41/mqtt,{}', '41/mqtt,[]', '40/mqtt,[]', '40/mqtt,null',
      '450-/mqtt,["e"]', '45-/mqtt,["e"]', '451["e"]', '451[', '451-', '451-/mqtt,', '4511-/mqtt,["e"]', '45-1-/mqtt,["e"]',
      '451-/mqtt,["e",{"_placeholder":true,"num":1}]', '451-/mqtt,["e",{"_placeholder":true,"num":-1}]',
      '451-/mqtt,["e",{"_placeholder":true}]', '451-/mqtt,["e",{"\\u005fplaceholder":true,"num":7}]', '46/mqtt,1[]', '48', '4x',
    ];
    for (const text of closing) {
      await t.test(`${text.slice(0, 50)} is a forced close`, async (t) => {
        const wire = await joined(t, gateway);
        wire.send(text);
        if (/^451-\/mqtt,\[/.test(text)) wire.send(Buffer.from([1]));
        assert.deepEqual(await within(wire.closed, 'close'), { code: 1005, reason: '' });
        assert.equal(await reasonOf(gateway, wire.socketId), 'forced close');
        assert.deepEqual(wire.messages, [], 'and nothing is said');
      });
    }

    await t.test('bytes out of turn, or text in their turn, are a forced close', async (t) => {
      const header = '452-/mqtt,["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]';
      for (const messages of [
        [Buffer.from([1])],
        [header, '42/mqtt,["e"]'],
        [header, Buffer.from([1]), '42/mqtt,["e"]'],
        [header, Buffer.from([1]), Buffer.from([2]), Buffer.from([3])],
        [header, connectPacket()],
      ]) {
        const wire = await joined(t, gateway);
        for (const message of messages) wire.send(message);
        assert.equal((await within(wire.closed, 'close')).code, 1005);
        assert.equal(await reasonOf(gateway, wire.socketId), 'forced close');
      }
    });

    await t.test('attachments that are too large together are 1009', async (t) => {
      const wire = await joined(t, gateway);
      wire.send('452-/mqtt,["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
      wire.send(Buffer.alloc(600_000));
      wire.send(Buffer.alloc(600_000));
      assert.equal((await within(wire.closed, 'close')).code, 1009);
    });

    // ---- what is let pass

    await t.test('a pong between an event and its bytes is nothing in between', async (t) => {
      const wire = await joined(t, gateway);
      wire.send('451-/mqtt,5["mqtt:publish",{"topic":"packets/pong","payload":{"_placeholder":true,"num":0}}]');
      wire.send('3');
      wire.send(Buffer.from([1]));
      assert.match(await wire.find(/^43\/mqtt,5\[/), /"success":true/);
    });

    await t.test('oddities that harm nobody', async (t) => {
      const wire = await joined(t, gateway);
      for (const text of ['42/mqtt,[1]', '42/mqtt,[1.5,"x"]', '43/mqtt,77[]', '43/mqtt,[]', '42/mqtt,', '43/mqtt,', '42/mqtt', '43/mqtt,5'])
        wire.send(text);
      wire.send('461-/mqtt,7[{"_placeholder":true,"num":0}]');
      wire.send(Buffer.from([1]));
      await alive(wire);
    });

    await t.test('ten attachments, and two placeholders of one number', async (t) => {
      const wire = await joined(t, gateway);
      const places = Array.from({ length: 10 }, (_, i) => `{"_placeholder":true,"num":${i}}`).join(',');
      wire.send(`4510-/mqtt,1["nothing",${places}]`);
      for (let i = 0; i < 10; ++i) wire.send(Buffer.from([i]));
      await wire.find(/^43\/mqtt,1\[/);
      const place = '{"_placeholder":true,"num":0}';
      wire.send(`451-/mqtt,2["mqtt:publish",{"topic":"packets/two","payload":${place}},${place}]`);
      wire.send(Buffer.from([1]));
      await wire.find(/^43\/mqtt,2\[/);
      await alive(wire);
    });

    await t.test('ack ids come back digit by digit, up to 2^53-1', async (t) => {
      const wire = await joined(t, gateway);
      for (const id of ['0', '1', '2147483648', '9007199254740991']) {
        wire.send(`42/mqtt,${id}["mqtt:status"]`);
        assert.ok((await wire.next(/^43/)).startsWith(`43/mqtt,${id}[{"`), id);
      }
    });

    await t.test('an event that asks for no acknowledgement gets none', async (t) => {
      const wire = await joined(t, gateway);
      wire.send('42/mqtt,["mqtt:subscribe",{"topic":"packets/quiet"}]');
      await alive(wire);
      await sleep(50);
      assert.ok(!wire.messages.some((message) => message.startsWith('43')));
    });

    await t.test('JSON passes as it was written', async (t) => {
      const wire = await joined(t, gateway);
      wire.send('42/mqtt,1["mqtt:subscribe",{"topic":"packets/json","qos":1}]');
      await wire.find(/^43\/mqtt,1\[/);
      for (const json of ['{"a":1.0,"b":[1e2, -0],"\\u00e4":"\\u20ac"}', '12345678901234567890', '{"_placeholder":true,"num":0}']) {
        wire.messages.length = 0;
        await other.publishAsync('packets/json', json, { qos: 1 });
        assert.ok((await wire.find(/^42\/mqtt,\["mqtt:message"/)).includes(`"payload":${json}`), json);
      }
    });

    await t.test('bytes follow their event with nothing in between', async (t) => {
      const wire = await joined(t, gateway);
      wire.send('42/mqtt,1["mqtt:subscribe",{"topic":"packets/mixed","qos":1}]');
      await wire.find(/^43\/mqtt,1\[/);
      wire.messages.length = 0;
      for (let i = 0; i < 100; ++i) {
        other.publish('packets/mixed', Buffer.from([0xff, i]), { qos: 1 });
        other.publish('packets/mixed', String(i), { qos: 1 });
        if (i % 5 === 0) wire.send(`42/mqtt,${1000 + i}["mqtt:status"]`);
      }
      await eventually(() => wire.messages.filter((message) => Buffer.isBuffer(message)).length === 100, 'all bytes');
      wire.messages.forEach((message, i) => {
        if (Buffer.isBuffer(message)) assert.match(wire.messages[i - 1], /^451-\/mqtt,\["mqtt:message"/);
        else if (message.startsWith('451-')) assert.ok(Buffer.isBuffer(wire.messages[i + 1]));
      });
    });

    // ---- leaving

    await t.test('41 is not answered, the connection stays, and may join again', async (t) => {
      const wire = await joined(t, gateway);
      const before = await connectedClients(gateway);
      wire.send('41/mqtt,');
      assert.equal(await reasonOf(gateway, wire.socketId), 'client namespace disconnect');
      assert.equal(await connectedClients(gateway), before - 1);
      await sleep(100);
      assert.deepEqual(wire.messages, []);
      wire.send(connectPacket());
      const again = JSON.parse((await wire.find(/^40\/mqtt,\{/)).slice(8)).sid;
      assert.notEqual(again, wire.socketId);
      await wire.find(/mqtt:status/);
      await alive(wire);
    });

    await t.test('the same over polling', async () => {
      const session = await polled(gateway);
      await session.post('41/mqtt');
      assert.equal(await reasonOf(gateway, session.socketId), 'client namespace disconnect');
      assert.ok(await session.lives());
      await session.post(connectPacket());
      await session.until(/^40\/mqtt,\{/);
    });

    await t.test('an event after 41 closes', async (t) => {
      const wire = await joined(t, gateway);
      wire.send('41/mqtt,');
      wire.send('42/mqtt,["mqtt:status"]');
      assert.equal((await within(wire.closed, 'close')).code, 1005);
    });
  });
}
