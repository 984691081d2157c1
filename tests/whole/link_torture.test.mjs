// Two rounds of each kind of torture; tests/soak/link_torture.mjs does as many as one likes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kinds, torture } from './torture.mjs';

for (const kind of Object.keys(kinds))
  test(`${kind}, two rounds under load: every message is accounted for`, async (t) => {
    const { faults, totals } = await torture(t, kind, { rounds: 2, seed: Date.now() % 1_000_000 });
    assert.deepEqual(faults.slice(0, 20), []);
    assert.ok(totals.fromOthers > 100 && totals.taken > 50, JSON.stringify(totals));
  });

test('a torn WebSocket over TLS, two rounds under load: every message is accounted for', async (t) => {
  const { faults } = await torture(t, 'tear', { rounds: 2, seed: Date.now() % 1_000_000, protocol: 'wss' });
  assert.deepEqual(faults.slice(0, 20), []);
});
