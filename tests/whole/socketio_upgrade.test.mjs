// From polling to a WebSocket, in the orders that clients do it in and in those that none should; and WebSockets alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerClient, eventually, rest, sleep, startBoth, token, within } from './harness.mjs';
import { connectPacket, connectedClients, isStatus, joined, polled, reasonOf, separator, socket } from './wire.mjs';

const message = /^42\/mqtt,\["mqtt:message"/;
/** What a poll brings, by now or by the next, beside the status of the link. */
async function textOf(session, poll) {
  const answer = await poll.answer;
  return isStatus(answer) ? textOf(session, session.beginPoll()) : answer.text;
}
const payloadOf = (packet) => JSON.parse(packet.slice('42/mqtt,'.length))[1].payload;

for (const workers of [1, 2]) {
  test(`upgrades with WORKERS=${workers}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const other = await brokerClient(t, broker);
    let topics = 0;
    const subscribed = async () => {
      const session = await polled(gateway);
      session.topic = `upgrade/${++topics}`;
      session.publish = (payload) => other.publishAsync(session.topic, JSON.stringify(payload), { qos: 1 });
      await session.post(`42/mqtt,1["mqtt:subscribe",{"topic":"${session.topic}","qos":1}]`);
      await session.until(/^43\/mqtt,1\[/);
      return session;
    };

    await t.test('JavaScript: the pending poll comes back with 6, then 5 switches', async (t) => {
      const session = await subscribed();
      const poll = session.beginPoll();
      const wire = await session.probe(t);
      assert.equal(wire.refused, undefined);
      await sleep(100);
      assert.deepEqual(wire.messages, [], 'no open packet on an upgrade');
      wire.send('2probe');
      await wire.find(/^3probe$/);
      assert.equal(await textOf(session, poll), '6');
      wire.send('5');
      await session.publish('over the socket');
      assert.equal(payloadOf(await wire.find(message)), 'over the socket');
      wire.send('42/mqtt,5["mqtt:status"]');
      await wire.find(/^43\/mqtt,5\[/);
    });

    await t.test('Python: no poll waits while it probes', async (t) => {
      const session = await subscribed();
      const wire = await session.probe(t);
      wire.send('2probe');
      await wire.find(/^3probe$/);
      await session.publish('queued');
      await sleep(100);
      wire.send('5');
      assert.equal(payloadOf(await wire.find(message)), 'queued');
    });

    await t.test('Swift: waits for its GET, POSTs a noop meanwhile', async (t) => {
      const session = await subscribed();
      const poll = session.beginPoll();
      const wire = await session.probe(t);
      wire.send('2probe');
      await wire.find(/^3probe$/);
      assert.equal(await textOf(session, poll), '6');
      assert.equal((await session.post('6')).text, 'ok');
      wire.send('5');
      await session.publish('swift');
      assert.equal(payloadOf(await wire.find(message)), 'swift');
    });

    await t.test('every poll gets its 6 until 5, and data still flows over polls', async (t) => {
      const session = await subscribed();
      const wire = await session.probe(t);
      wire.send('2probe');
      await wire.find(/^3probe$/);
      for (let i = 0; i < 5; ++i) assert.equal(await textOf(session, session.beginPoll()), '6');
      await session.publish('by poll');
      assert.equal(payloadOf((await session.until(message)).find((packet) => message.test(packet))), 'by poll');
      await session.post('42/mqtt,9["mqtt:status"]');
      assert.ok((await session.until(/^43\/mqtt,9\[/)).length > 0, 'a POST counts until 5');
      wire.send('5');
      await session.publish('by socket');
      assert.equal(payloadOf(await wire.find(message)), 'by socket');
      assert.ok(!wire.messages.some((message) => message.includes('by poll')));
    });

    await t.test('a poll that waits at the switch comes back', async (t) => {
      const session = await subscribed();
      const wire = await session.probe(t);
      wire.send('2probe');
      wire.send('5');
      await wire.find(/^3probe$/);
      await sleep(50);
      assert.deepEqual((await session.poll()).body, { code: 3, message: 'Bad request' });
    });

    await t.test('after the switch polls and POSTs are 400 at once, from any connection', async (t) => {
      const session = await subscribed();
      const wire = await session.probe(t);
      wire.send('2probe');
      await wire.find(/^3probe$/);
      wire.send('5');
      wire.send('42/mqtt,3["mqtt:status"]');
      await wire.find(/^43\/mqtt,3\[/);
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? session.poll() : session.post('3'))));
      for (const answer of answers) assert.deepEqual([answer.status, answer.body.code], [400, 3]);
      wire.send('42/mqtt,4["mqtt:status"]');
      await wire.find(/^43\/mqtt,4\[/);
    });

    await t.test('a second WebSocket for a session is closed, the first is untouched', async (t) => {
      const session = await subscribed();
      const first = await session.probe(t);
      first.send('2probe');
      await first.find(/^3probe$/);
      assert.equal((await within((await session.probe(t)).closed, 'the second is closed')).code, 1005);
      first.send('5');
      await session.publish('one');
      assert.equal(payloadOf(await first.find(message)), 'one');
      assert.equal((await within((await session.probe(t)).closed, 'the third is closed')).code, 1005);
      first.send('42/mqtt,4["mqtt:status"]');
      await first.find(/^43\/mqtt,4\[/);
    });

    for (const wrong of ['2', '3probe', '42["x"]', '5', '', Buffer.from('2probe')]) {
      await t.test(`a probe that says ${JSON.stringify(wrong)} is closed alone`, async (t) => {
        const session = await subscribed();
        const wire = await session.probe(t);
        wire.send(wrong);
        assert.equal((await within(wire.closed, 'close')).code, 1005);
        await session.publish('still here');
        assert.equal(payloadOf((await session.until(message)).find((packet) => message.test(packet))), 'still here');
        // And another one may try.
        const again = await session.probe(t);
        again.send('2probe');
        await again.find(/^3probe$/);
      });
    }

    await t.test('a probe that goes away leaves the session as it was', async (t) => {
      const session = await subscribed();
      const wire = await session.probe(t);
      wire.send('2probe');
      await wire.find(/^3probe$/);
      wire.ws.terminate();
      await sleep(100);
      const poll = session.beginPoll();
      assert.equal(await Promise.race([poll.answer, sleep(200)]), undefined, 'polls are held again');
      await session.publish('kept');
      assert.equal(payloadOf((await poll.answer).text.split(separator)[0]), 'kept');
    });

    await t.test('nothing is lost or doubled by an upgrade under way', async (t) => {
      const session = await subscribed();
      const seen = [];
      const note = (packet) => packet.startsWith('42/mqtt,["mqtt:message"') && seen.push(payloadOf(packet));
      for (let i = 0; i < 100; ++i) other.publish(session.topic, String(i), { qos: 1 });
      (await session.poll()).text.split(separator).forEach(note);
      const wire = await session.probe(t);
      wire.send('2probe');
      await wire.find(/^3probe$/);
      (await session.poll()).text.split(separator).forEach(note);
      wire.send('5');
      await eventually(() => seen.length + wire.messages.filter((m) => message.test(m)).length >= 100, '100 messages');
      wire.messages.forEach((packet) => note(packet));
      assert.deepEqual(seen, Array.from({ length: 100 }, (_, i) => i));
    });

    await t.test('upgrades that are never finished leave nothing behind', async (t) => {
      const before = await connectedClients(gateway);
      const halves = await Promise.all(
        Array.from({ length: 60 }, async (_, i) => {
          const session = await polled(gateway);
          const wire = await session.probe(t);
          if (i % 3 > 0) wire.send('2probe');
          if (i % 3 > 1) session.beginPoll().answer.catch(() => {});
          return { session, wire };
        }),
      );
      assert.equal(await connectedClients(gateway), before + 60);
      await Promise.all(halves.map(({ session }) => session.post('1')));
      await eventually(async () => (await connectedClients(gateway)) === before, 'all are gone');
      // No poll comes any more to take the news: the sockets go once the grace is over.
      await Promise.all(halves.map(({ wire }) => within(wire.closed, 'the probe is closed', 6_000)));
      for (const { session } of halves) assert.ok(!(await session.lives()));
    });

    await t.test('an upgrade that takes over ten seconds costs its socket alone', async (t) => {
      const session = await subscribed();
      const wire = await session.probe(t);
      wire.send('2probe');
      await wire.find(/^3probe$/);
      const start = Date.now();
      assert.equal((await within(wire.closed, 'the probe is closed', 13_000)).code, 1005);
      assert.ok(Date.now() - start > 8_500);
      const poll = session.beginPoll();
      assert.equal(await Promise.race([poll.answer, sleep(200)]), undefined);
      await session.publish('polled');
      assert.match((await poll.answer).text, /polled/);
    });

    // ---- WebSockets alone

    await t.test('1 closes at once', async (t) => {
      const wire = await joined(t, gateway);
      wire.send('1');
      assert.equal((await within(wire.closed, 'close')).code, 1005);
      assert.equal(await reasonOf(gateway, wire.socketId), 'transport close');
    });

    await t.test('text that begins with b is binary', async (t) => {
      const wire = await joined(t, gateway);
      wire.send('451-/mqtt,8["mqtt:publish",{"topic":"upgrade/b","payload":{"_placeholder":true,"num":0}}]');
      wire.send('bAQL/');
      assert.match(await wire.find(/^43\/mqtt,8\[/), /"success":true/);
    });

    await t.test('close codes: 1009 over the limit, else an empty frame', async (t) => {
      const large = await joined(t, gateway);
      large.send(`4${'x'.repeat(1_000_000)}`);
      assert.equal((await within(large.closed, 'close')).code, 1009);
      assert.equal(await reasonOf(gateway, large.socketId), 'transport error');
      const fits = await joined(t, gateway);
      fits.send(`42/mqtt,3["nothing","${'x'.repeat(1_000_000 - 24)}"]`);
      await fits.find(/^43\/mqtt,3\[/);
      for (const [text, reason] of [['x', 'parse error'], ['2', 'transport error'], ['42[]', 'forced close']]) {
        const wire = await joined(t, gateway);
        wire.send(text);
        assert.deepEqual(await within(wire.closed, 'close'), { code: 1005, reason: '' });
        assert.equal(await reasonOf(gateway, wire.socketId), reason, text);
      }
    });

    await t.test('packets without an occasion are ignored', async (t) => {
      const wire = await joined(t, gateway);
      for (const text of ['3', '6', '5', '0', '3probe']) wire.send(text);
      wire.send('42/mqtt,3["mqtt:status"]');
      await wire.find(/^43\/mqtt,3\[/);
    });

    await t.test('a client that leaves is a transport close', async (t) => {
      const politely = await joined(t, gateway);
      politely.ws.close();
      assert.equal(await reasonOf(gateway, politely.socketId), 'transport close');
      const rudely = await joined(t, gateway);
      rudely.ws.terminate();
      assert.equal(await reasonOf(gateway, rudely.socketId), 'transport close');
    });
  });

  test(`a shutdown with WORKERS=${workers} closes transports and says no 41`, async (t) => {
    const { gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const wire = await joined(t, gateway);
    const session = await polled(gateway);
    const poll = session.beginPoll();
    await sleep(50);
    const ended = gateway.stop();
    const { code } = await within(wire.closed, 'the WebSocket is closed', 15_000);
    assert.ok([1005, 1006].includes(code), String(code));
    const packets = [];
    // Whoever polls over a new connection finds the port closed; that says as much as `1`.
    for (let answer = await poll.answer; answer && !packets.includes('1'); answer = await session.poll().catch(() => undefined))
      packets.push(...answer.text.split(separator));
    await ended;
    for (const packet of [...packets, ...wire.messages]) assert.doesNotMatch(String(packet), /^41/);
    assert.equal(await reasonOf(gateway, wire.socketId), 'server shutting down');
  });
}
