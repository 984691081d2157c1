// A few thousand filters; tests/soak/many_filters.mjs holds 100,000.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdManyFilters } from './many_filters.mjs';

test('5: one filter a packet, many packets a write, and live traffic goes on', async (t) => {
  const { figures } = await holdManyFilters(t, { filters: 4000, settings: ['max_packet_size 1000'] });
  const { subscribe, again, unsubscribe } = figures;
  const text = JSON.stringify(figures);
  assert.deepEqual([subscribe.filters, unsubscribe.filters], [4000, 4000], text);
  // With the live topic and perhaps the fence's.
  assert.ok(again.filters >= 4001 && again.filters < 4005 && again.mostFilters === 1, text);
  assert.ok(again.pieces < again.packets / 10, text);
  assert.ok(again.largest <= 1000, text);
  assert.ok(again.live.p99 < 1000, text);
});

test('3.1.1: MQTT_SUBSCRIBE_BATCH bounds the filters in a packet', async (t) => {
  const env = { MQTT_SUBSCRIBE_BATCH: '8' };
  const { figures } = await holdManyFilters(t, { filters: 4000, version: '3.1.1', settings: ['max_packet_size 1000'], env });
  const { again } = figures;
  const text = JSON.stringify(figures);
  assert.ok(again.filters >= 4001 && again.filters < 4005 && again.mostFilters === 8, text);
  assert.ok(again.packets < 700 && again.pieces < again.packets / 10, text);
  assert.ok(again.live.p99 < 1000, text);
});
