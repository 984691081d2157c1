// Long polling: what is held, what is answered, what ends a session.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerClient, eventually, rest, sleep, startBoth, within } from './harness.mjs';
import { begin, connectPacket, polled, reasonOf, separator, target } from './wire.mjs';

const limit = 1_000_000;

for (const workers of [1, 2]) {
  test(`polling with WORKERS=${workers}`, async (t) => {
    const { broker, gateway } = await startBoth(t, { env: { WORKERS: String(workers) } });
    const other = await brokerClient(t, broker);
    const gone = async (session) => eventually(async () => !(await session.lives()), 'the session is gone');
    const subscribed = async (topic) => {
      const session = await polled(gateway);
      await session.post(`42/mqtt,1["mqtt:subscribe",{"topic":"${topic}","qos":1}]`);
      await session.until(/^43\/mqtt,1\[/);
      return session;
    };

    await t.test('a GET is held until there is something', async () => {
      const session = await subscribed('polling/held');
      let poll = session.beginPoll();
      let early = await Promise.race([poll.answer, sleep(300)]);
      if (early?.text.startsWith('42/mqtt,["mqtt:status"')) {
        // The link has just come up, and everybody is told once more.
        poll = session.beginPoll();
        early = await Promise.race([poll.answer, sleep(300)]);
      }
      assert.equal(early, undefined);
      await other.publishAsync('polling/held', '"now"', { qos: 1 });
      const { status, headers, text } = await poll.answer;
      assert.equal(status, 200);
      assert.equal(headers['content-type'].toLowerCase(), 'text/plain; charset=utf-8');
      assert.match(text, /^42\/mqtt,\["mqtt:message",\{.*"now"/);
    });

    await t.test('an answer has at most 16 packets, in order, and the rest follows', async () => {
      const session = await subscribed('polling/many');
      const messagesIn = async () => (await rest(gateway, 'GET', '/mqtt/stats')).body.messagesIn;
      const before = await messagesIn();
      for (let i = 0; i < 50; ++i) other.publish('polling/many', String(i), { qos: 1 });
      await eventually(async () => (await messagesIn()) >= before + 50, 'the gateway has all');
      await sleep(100);
      const payloads = [];
      let most = 0;
      while (payloads.length < 50) {
        const packets = (await session.poll()).text.split(separator);
        most = Math.max(most, packets.length);
        assert.ok(packets.length <= 16, `${packets.length} packets in one answer`);
        for (const packet of packets)
          if (packet.startsWith('42/mqtt,["mqtt:message"')) payloads.push(JSON.parse(packet.slice(8))[1].payload);
      }
      assert.equal(most, 16);
      assert.deepEqual(payloads, Array.from({ length: 50 }, (_, i) => i));
    });

    await t.test('an answer has at most maxPayload bytes', async () => {
      const session = await subscribed('polling/large');
      for (let i = 0; i < 5; ++i) other.publish('polling/large', `"${'x'.repeat(400_000)}"`, { qos: 1 });
      await sleep(700);
      let packets = 0;
      while (packets < 5) {
        const { text } = await session.poll();
        assert.ok(Buffer.byteLength(text) <= limit, `${text.length} bytes`);
        packets += text.split(separator).length;
      }
    });

    await t.test('bytes are base64 after a b', async () => {
      const session = await subscribed('polling/bytes');
      await other.publishAsync('polling/bytes', Buffer.from([0xff, 0x00, 0x80]), { qos: 1 });
      const packets = await session.until(/^b/);
      assert.match(packets[0], /^451-\/mqtt,\["mqtt:message",\{.*"_placeholder":true,"num":0/);
      assert.equal(packets[1], 'b/wCA');
    });

    await t.test('a POST is answered with ok, and every 200 has a type', async () => {
      const session = await polled(gateway);
      const { status, headers, text } = await session.post('3');
      assert.deepEqual([status, text, headers['content-length']], [200, 'ok', '2']);
      assert.match(headers['content-type'], /^text\/html/);
    });

    await t.test('CONNECT and an event in one POST', async () => {
      const session = await polled(gateway, { join: false });
      await session.post(`${connectPacket()}${separator}42/mqtt,7["mqtt:status"]`);
      const packets = await session.until(/^43\/mqtt,7\[/);
      assert.match(packets[0], /^40\/mqtt,\{"sid":"[^"]{20}"/);
    });

    await t.test('an event and its bytes in one POST, and in two', async () => {
      const session = await subscribed('polling/in');
      const header = (id) => `451-/mqtt,${id}["mqtt:publish",{"topic":"polling/in","payload":{"_placeholder":true,"num":0}}]`;
      await session.post(`${header(2)}${separator}bAQL/`);
      assert.match((await session.until(/^43\/mqtt,2\[/)).find((packet) => packet.startsWith('43')), /"success":true/);
      await session.post(header(3));
      await session.post('bAw==');
      assert.match((await session.until(/^43\/mqtt,3\[/)).find((packet) => packet.startsWith('43')), /"success":true/);
    });

    await t.test('a body of exactly the limit passes, bytes counted, not letters', async () => {
      const session = await polled(gateway);
      const event = (filler) => `42/mqtt,["nothing","${filler}"]`;
      const room = limit - Buffer.byteLength(event(''));
      assert.equal((await session.post(event('x'.repeat(room)))).status, 200);
      assert.equal((await session.post(event('ä'.repeat(Math.floor(room / 2))))).status, 200);
      assert.ok(await session.lives());
      for (const body of [event('x'.repeat(room + 1)), event('ä'.repeat(Math.floor(room / 2) + 1))]) {
        const refused = await session.post(body).catch(() => undefined);
        if (refused) assert.deepEqual([refused.status, refused.text], [413, '']);
        assert.ok(await session.lives(), 'the session survives a 413');
      }
    });

    const garbage = ['', 'x', '7', '4abc\x1e', '\x1e42', '3\x1e\x1e3', 'b***', '3\x1ex'];
    for (const body of garbage) {
      await t.test(`garbage ends the session: ${JSON.stringify(body)}`, async () => {
        const session = await polled(gateway);
        const poll = session.beginPoll();
        await sleep(20);
        // What a Socket.IO parser finds bad comes first in `4abc`.
        assert.ok([400, 200].includes((await session.post(body)).status));
        await poll.answer;
        await gone(session);
        assert.equal(await reasonOf(gateway, session.socketId), body.startsWith('4') ? 'forced close' : 'parse error');
      });
    }

    await t.test('an octet stream is 400, and the end', async () => {
      const session = await polled(gateway);
      const { status } = await session.post(Buffer.from([4, 65]), { 'content-type': 'application/octet-stream' });
      assert.equal(status, 400);
      await gone(session);
    });

    await t.test('two GETs at once: the second is 400, the first gets 1', async () => {
      const session = await polled(gateway);
      const first = session.beginPoll();
      await sleep(50);
      const answers = await Promise.all([first, session.beginPoll()].map(({ answer }) => answer));
      // They come over two connections: the one that was sent first may be read last.
      const [held, refused] = answers.sort((a, b) => a.status - b.status);
      assert.deepEqual([refused.status, JSON.parse(refused.text)], [400, { code: 3, message: 'Bad request' }]);
      assert.equal(held.text, '1');
      assert.equal(await reasonOf(gateway, session.socketId), 'transport error');
      await gone(session);
    });

    await t.test('two POSTs at once: the second is 400, and the end', async () => {
      const session = await polled(gateway);
      const first = begin(gateway, 'POST', session.query, { length: 4, body: '42' });
      // Until the first is there they are pongs that nobody has asked for.
      await eventually(async () => (await session.post('3')).status === 400, 'the refusal');
      assert.equal(await reasonOf(gateway, session.socketId), 'transport error');
      first.abort();
      await gone(session);
    });

    await t.test('a GET that the client gives up ends the session', async () => {
      const session = await polled(gateway);
      const poll = session.beginPoll();
      await sleep(50);
      poll.abort();
      assert.equal(await reasonOf(gateway, session.socketId), 'transport error');
      await gone(session);
    });

    await t.test('so does a POST', async () => {
      const session = await polled(gateway);
      const post = begin(gateway, 'POST', session.query, { length: 100, body: '42' });
      await sleep(50);
      post.abort();
      assert.equal(await reasonOf(gateway, session.socketId), 'transport error');
      await gone(session);
    });

    await t.test('1 in a POST: the poll gets 6, the POST ok, and that is all', async () => {
      const session = await polled(gateway);
      const poll = session.beginPoll();
      await sleep(50);
      assert.ok(await session.lives()); // whatever was sent before this request should be there by its answer
      assert.equal((await session.post('1')).text, 'ok');
      assert.equal((await poll.answer).text, '6');
      assert.equal(await reasonOf(gateway, session.socketId), 'transport close');
      assert.deepEqual((await session.poll()).body, { code: 1, message: 'Session ID unknown' });
    });

    await t.test('what has no occasion is ignored', async () => {
      const session = await polled(gateway);
      for (const body of ['3', '6', '5', '0', `3${separator}6`]) assert.equal((await session.post(body)).status, 200, body);
      assert.ok(await session.lives());
    });

    await t.test('a ping from the client ends the session', async () => {
      for (const body of ['2', '2probe']) {
        const session = await polled(gateway);
        await session.post(body);
        await gone(session);
      }
    });

    await t.test('the path without its last slash', async () => {
      const answer = await within(fetch(`${gateway.url}${target('EIO=4&transport=polling').replace('/?', '?')}`), 'answer');
      assert.match(await answer.text(), /^0\{/);
    });
  });
}
