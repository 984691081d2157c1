// That the accounts of the soak can fail: each way in which a message may go astray is noticed.
// node --test tests/soak/accounting.test.mjs
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arrivals, Tracker } from './accounting.mjs';

const filter = { topic: 'a/#', topics: ['a/b'] };
const overlap = { topic: 'a/+', topics: ['a/b'] };

/** A subscribed tracker; message `n` is sent at `n * 10`, the subscription is acknowledged at `since`. */
function subscribed({ since = 5, filters = [filter] } = {}) {
  const failures = [];
  const tracker = new Tracker(filters, (text) => failures.push(text));
  for (const { topic } of filters) {
    tracker.subscribing(topic);
    tracker.subscribed(topic, since);
  }
  const receive = (...numbers) => {
    for (const n of numbers) tracker.message({ topic: 'a/b', payload: { n, s: n * 10, q: (n - 1) * 10 } });
  };
  return { tracker, failures, receive };
}

test('what comes in order and once adds up', () => {
  const { tracker, failures, receive } = subscribed({ filters: [filter, overlap] });
  receive(1, 2, 3);
  assert.deepEqual(failures, []);
  assert.deepEqual(tracker.behind({ 'a/b': { n: 3, s: 30 } }), []);
});

for (const [what, numbers, pattern] of [
  ['a gap', [1, 2, 4], /1 lost between 2 and 4/],
  ['one that comes twice', [1, 2, 2], /2 came after 2/],
  ['two that change places', [1, 3, 2], /2 came after 3/],
  ['one lost right after the subscription', [2], /1 lost, sent 5 ms after/],
])
  test(`${what} is noticed`, () => {
    const { failures, receive } = subscribed();
    receive(...numbers);
    assert.match(failures.join('\n'), pattern);
  });

test('what was sent before the subscription may be lacking', () => {
  const { failures, receive } = subscribed({ since: 30 });
  receive(4, 5);
  assert.deepEqual(failures, []);
});

test('a lacking end is noticed', () => {
  const { tracker, receive } = subscribed();
  receive(1, 2);
  assert.match(tracker.behind({ 'a/b': { n: 3, s: 30 } }).join(), /ended at 2 of 3/);
});

test('after a connection that was not recovered a gap is counted and a repetition is not forgiven', () => {
  const { tracker, failures, receive } = subscribed();
  receive(1, 2);
  tracker.afresh();
  tracker.subscribing('a/#');
  tracker.subscribed('a/#', 65);
  receive(7, 8);
  assert.deepEqual(failures, []);
  assert.equal(tracker.away, 4);
  tracker.afresh();
  tracker.subscribing('a/#');
  receive(8);
  assert.match(failures.join(), /8 came after 8/);
});

test('a message after the unsubscription was acknowledged is noticed', () => {
  const { tracker, failures, receive } = subscribed();
  tracker.unsubscribing('a/#');
  receive(1);
  assert.deepEqual(failures, []);
  tracker.unsubscribed('a/#');
  receive(2);
  assert.match(failures.join(), /2 came without a subscription/);
});

test('a binary payload is read', () => {
  const { tracker, failures } = subscribed();
  const bytes = Buffer.concat([Buffer.of(0xff), Buffer.from('{"n":1,"s":10,"q":0}')]);
  tracker.message({ topic: 'a/b', payload: bytes });
  const inBrowser = Uint8Array.from(Buffer.concat([Buffer.of(0xff), Buffer.from('{"n":2,"s":20,"q":10}')])).buffer;
  tracker.message({ topic: 'a/b', payload: inBrowser });
  assert.deepEqual(failures, []);
});

test('publishes of clients: an acknowledged one must have arrived, each once and in order', () => {
  const failures = [];
  const arrivals = new Arrivals((text) => failures.push(text));
  for (const n of [1, 2, 4]) arrivals.message('up', n);
  assert.deepEqual(arrivals.check('up', 5, [3, 4, 5]), { acknowledged: 2, openArrived: 1 });
  assert.deepEqual(failures, []);
  arrivals.check('up', 5, [4]);
  assert.deepEqual(failures.splice(0), ['up 3 was acknowledged and never arrived', 'up 5 was acknowledged and never arrived']);
  arrivals.message('up', 4);
  assert.deepEqual(failures, ['up 4 arrived after 4']);
});
