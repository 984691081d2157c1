// python-socketio as Debian has it: what it refuses of a server, and how it goes about an upgrade, are its own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brokerClient, connect, eventually, rest, startBoth, subscribe, token, untilMessages } from './harness.mjs';

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'python_client.py');
// Debian's own: its packages are not there for another Python that may come first in PATH.
const python = (mode, gateway, topic, sub) =>
  promisify(execFile)('/usr/bin/python3', [program, mode, gateway.url, token({ sub }), topic], { timeout: 60_000 });

for (const workers of [1, 2]) {
  test(`python-socketio with WORKERS=${workers}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const other = await brokerClient(t, broker);
    const seen = await connect(t, gateway);
    await subscribe(seen, 'python/#', 1);

    for (const mode of ['polling', 'websocket', 'upgrade', 'async']) {
      await t.test(`${mode}: connects, subscribes, receives, publishes, leaves and comes again`, async () => {
        seen.messages.length = 0;
        const { stdout } = await python(mode, gateway, `python/${mode}`, mode);
        assert.deepEqual(JSON.parse(stdout), { ok: true, mode });
        // Two turns of an object, bytes and forty numbers: they reach others too, each once.
        await untilMessages(seen, 84);
        assert.equal(seen.messages.length, 84);
      });
    }

    await t.test('all four at once', async () => {
      const modes = ['polling', 'websocket', 'upgrade', 'async'];
      await Promise.all(modes.map((mode, i) => python(mode, gateway, `crowd/${i}`, `crowd${i}`)));
    });

    await t.test('and nobody is left', async () => {
      await eventually(
        async () => (await rest(gateway, 'GET', '/mqtt/stats')).body.connectedClients === 1,
        'only the client that watches is connected',
      );
      assert.ok(other.connected);
    });
  });
}
