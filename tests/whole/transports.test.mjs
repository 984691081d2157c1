// The official client over polling, over a WebSocket, and through the upgrade, on one worker and on several.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerClient, connect, eventually, publish, startBoth, subscribe, untilMessages } from './harness.mjs';

const modes = {
  'polling only': { transports: ['polling'] },
  'websocket only': { transports: ['websocket'] },
  'polling, then upgrade': { transports: ['polling', 'websocket'] },
};
const messages = 1000;

for (const workers of [1, 2, 4]) {
  test(`transports with WORKERS=${workers}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const other = await brokerClient(t, broker);

    for (const [name, options] of Object.entries(modes)) {
      await t.test(`${name}: 1,000 messages in order, once`, async (t) => {
        const topic = `transports/${name.replaceAll(/\W/g, '')}`;
        const socket = await connect(t, gateway, options);
        await subscribe(socket, topic, 1);
        for (let i = 0; i < messages; ++i) other.publish(topic, String(i), { qos: 1 });
        await untilMessages(socket, messages, 20_000);
        if (options.transports.length === 2) {
          await eventually(() => socket.io.engine.transport.name === 'websocket', 'the upgrade');
        } else {
          assert.equal(socket.io.engine.transport.name, options.transports[0]);
        }
        const reply = await publish(socket, topic, 'last', { qos: 1 });
        assert.equal(reply.topic, topic);
        await untilMessages(socket, messages + 1);
        assert.deepEqual(
          socket.messages.map((m) => m.payload),
          [...Array.from({ length: messages }, (_, i) => i), 'last'],
        );
      });
    }

    await t.test('a large message over each transport', async (t) => {
      const text = 'ä'.repeat(400_000);
      for (const [name, options] of Object.entries(modes)) {
        const socket = await connect(t, gateway, options);
        const topic = `transports/large/${name.length}`;
        await subscribe(socket, topic, 1);
        await publish(socket, topic, text, { qos: 1 });
        assert.equal((await untilMessages(socket, 1))[0].payload, text);
      }
    });

    await t.test('bytes over each transport', async (t) => {
      const bytes = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7) & 255));
      for (const [name, options] of Object.entries(modes)) {
        const socket = await connect(t, gateway, options);
        const topic = `transports/bytes/${name.length}`;
        await subscribe(socket, topic, 1);
        await publish(socket, topic, bytes, { qos: 1 });
        assert.deepEqual(Buffer.from((await untilMessages(socket, 1))[0].payload), bytes);
      }
    });

    await t.test('thirty clients that upgrade at once keep their order through it', async (t) => {
      const topic = 'transports/crowd';
      const sockets = await Promise.all(
        Array.from({ length: 30 }, () => connect(t, gateway, { transports: ['polling', 'websocket'] })),
      );
      await Promise.all(sockets.map((socket) => subscribe(socket, topic, 1)));
      for (let i = 0; i < 100; ++i) other.publish(topic, String(i), { qos: 1 });
      await Promise.all(sockets.map((socket) => untilMessages(socket, 100, 20_000)));
      const expected = Array.from({ length: 100 }, (_, i) => i);
      for (const socket of sockets) assert.deepEqual(socket.messages.map((m) => m.payload), expected);
    });
  });
}
