// HTTPS and WSS by the gateway itself, with the official client.
import assert from 'node:assert/strict';
import { once as onceEmitted } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { makeAuthority } from './certificates.mjs';
import {
  adminToken, brokerClient, connect, eventually, freePort, publish, rawHttp, startBroker, startGateway, startProgram,
  gatewayEnvironment, subscribe, temporaryDirectory, untilMessages, within,
} from './harness.mjs';

/** One HTTPS request; the answer's body is its JSON. */
function request(gateway, ca, method, target, body, headers = {}) {
  const answered = new Promise((resolve, reject) => {
    const sent = https.request(
      { host: '127.0.0.1', port: gateway.port, method, path: target, ca, agent: false,
        headers: { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json', ...headers } },
      async (incoming) => {
        const text = Buffer.concat(await incoming.toArray()).toString();
        resolve({ status: incoming.statusCode, headers: incoming.headers, body: JSON.parse(text), text });
      },
    );
    sent.on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
  return within(answered, `${method} ${target} over TLS`);
}

async function startTls(t, { env = {}, workers = 2 } = {}) {
  const directory = await temporaryDirectory(t);
  const authority = makeAuthority(directory);
  const issued = authority.issue('gateway');
  const files = { cert: path.join(directory, 'served.crt'), key: path.join(directory, 'served.key') };
  const serve = ({ cert, key }) => {
    copyFileSync(cert, files.cert);
    copyFileSync(key, files.key);
  };
  serve(issued);
  const broker = await startBroker(t);
  const gateway = await startGateway(t, {
    broker,
    env: { WORKERS: String(workers), TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key, LOG_LEVEL: 'debug', ...env },
  });
  gateway.url = `https://127.0.0.1:${gateway.port}`;
  const ca = readFileSync(authority.cert);
  await eventually(
    async () => (await request(gateway, ca, 'GET', '/mqtt/health/ready').catch(() => undefined))?.status === 200,
    'the gateway is ready over TLS',
  );
  return { gateway, broker, ca, authority, files, serve };
}

const session = (gateway, ca, options = {}) =>
  new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port: gateway.port, ca, ...options }, () => resolve(socket));
    socket.on('error', reject);
  });

test('TLS', async (t) => {
  const { gateway, broker, ca, authority, files, serve } = await startTls(t);
  const other = await brokerClient(t, broker);

  for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
    await t.test(`the official client by ${transports.join(' and ')}`, async (t) => {
      const socket = await connect(t, gateway, { transports, ca });
      if (transports.length === 2)
        await eventually(() => socket.io.engine.transport.name === 'websocket', 'the upgrade');
      await subscribe(socket, 'tls/a', 1);
      const large = 'x'.repeat(300_000);
      for (const payload of [1, large, 3]) await publish(socket, 'tls/a', payload, { qos: 1 });
      await other.publishAsync('tls/a', '"from outside"', { qos: 1 });
      await untilMessages(socket, 4);
      assert.deepEqual(socket.messages.map(({ payload }) => payload), [1, large, 3, 'from outside']);
      socket.disconnect();
    });
  }

  await t.test('REST', async () => {
    const { status, body } = await request(gateway, ca, 'POST', '/mqtt/publish', { topic: 'tls/b', payload: 1 });
    assert.equal(status, 200);
    assert.equal(body.success, true);
  });

  await t.test('a WebSocket of the own https page is allowed, one of the http page is not', async (t) => {
    const own = await connect(t, gateway, { ca, extraHeaders: { origin: gateway.url } });
    own.disconnect();
    await assert.rejects(connect(t, gateway, { ca, extraHeaders: { origin: gateway.url.replace('https', 'http') } }));
  });

  await t.test('TLS 1.2 and 1.3 with ciphers of today', async (t) => {
    for (const version of ['TLSv1.2', 'TLSv1.3']) {
      const socket = await session(gateway, ca, { minVersion: version, maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'] });
      assert.equal(socket.getProtocol(), version);
      assert.equal(socket.alpnProtocol, 'http/1.1');
      assert.match(socket.getCipher().standardName, /GCM|CHACHA20/);
      socket.destroy();
    }
    for (const options of [
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:@SECLEVEL=0' },
    ])
      await assert.rejects(session(gateway, ca, options), /alert|EPROTO|handshake/i);
  });

  await t.test('plain HTTP is told what the port speaks', async (t) => {
    const raw = await rawHttp(t, gateway);
    raw.send('GET /mqtt/health HTTP/1.1\r\nHost: a\r\n\r\n');
    const [answer] = await raw.answers(1);
    assert.equal(answer.status, 400);
    assert.deepEqual(JSON.parse(answer.body), {
      statusCode: 400, message: 'This port speaks HTTPS only', error: 'Bad Request',
    });
    await within(raw.closed, 'the connection ends');
  });

  await t.test('garbage in the midst of a connection ends it', async (t) => {
    const socket = net.connect(gateway.port, '127.0.0.1');
    t.after(() => socket.destroy());
    socket.on('error', () => {});
    const ended = onceEmitted(socket, 'close');
    socket.write(Buffer.from('16030100050100000000deadbeef', 'hex'));
    socket.resume();
    await within(ended, 'the connection ends');
  });

  await t.test('a certificate is replaced on SIGHUP, and connections stay', async (t) => {
    const socket = await connect(t, gateway, { ca });
    let dropped = false;
    socket.on('disconnect', () => (dropped = true));
    const subject = async () => {
      const probe = await session(gateway, ca);
      const { subject: { CN } } = probe.getPeerCertificate();
      probe.destroy();
      return CN;
    };
    assert.equal(await subject(), 'gateway');

    serve(authority.issue('rotated'));
    gateway.child.kill('SIGHUP');
    await eventually(async () => (await subject()) === 'rotated', 'the new certificate is served');

    writeFileSync(files.cert, 'no certificate');
    gateway.child.kill('SIGHUP');
    await eventually(() => /TLS_CERT_FILE .*no certificate in PEM/.test(gateway.text), 'the bad file is named in the log');
    assert.equal(await subject(), 'rotated');

    await subscribe(socket, 'tls/c', 1);
    await publish(socket, 'tls/c', 1, { qos: 1 });
    await untilMessages(socket, 1);
    assert.equal(dropped, false);
  });

  await t.test('many at once, on all workers', async (t) => {
    const sockets = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        connect(t, gateway, { ca, transports: i % 2 ? ['polling', 'websocket'] : ['polling'] })),
    );
    await Promise.all(sockets.map((socket) => subscribe(socket, 'tls/many', 1)));
    await other.publishAsync('tls/many', '7', { qos: 1 });
    await Promise.all(sockets.map((socket) => untilMessages(socket, 1)));
  });
});

test('a bad certificate file does not keep the log level from being read again', async (t) => {
  const { gateway, files } = await startTls(t, { env: { LOG_LEVEL: undefined } });
  writeFileSync(files.cert, 'no certificate');
  writeFileSync(path.join(gateway.cwd, '.env'), 'LOG_LEVEL=debug\n');
  gateway.child.kill('SIGHUP');
  const failed = await gateway.logged('reload failed, keeping the old');
  assert.equal(failed.what, 'TLS files');
  assert.ok(gateway.log.some(({ event, what }) => event === 'reloaded' && what === 'log level'), gateway.text);
});

test('--dev prints https URLs', async (t) => {
  const directory = await temporaryDirectory(t);
  const { cert, key } = makeAuthority(directory).issue('gateway');
  const gateway = await startProgram(t, {
    args: ['--dev'],
    env: gatewayEnvironment({ broker: await startBroker(t), env: { TLS_CERT_FILE: cert, TLS_KEY_FILE: key } }),
  });
  await eventually(() => gateway.output.includes(`https://localhost:${gateway.port}/mqtt/health`), 'the URL of the health');
  assert.match(gateway.output, new RegExp(`io\\('https://localhost:${gateway.port}/mqtt'`));
  assert.doesNotMatch(gateway.output, /http:/);
});

test('a handshake that takes too long ends', { timeout: 60_000 }, async (t) => {
  const { gateway, ca } = await startTls(t);
  const silent = net.connect(gateway.port, '127.0.0.1');
  const half = net.connect(gateway.port, '127.0.0.1');
  t.after(() => [silent, half].forEach((socket) => socket.destroy()));
  for (const socket of [silent, half]) socket.on('error', () => {});
  half.write(Buffer.from('160301', 'hex'));
  const closed = Promise.all([silent, half].map((socket) => onceEmitted(socket.resume(), 'close')));
  await within(closed, 'both are closed', 30_000);
  const { body } = await request(gateway, ca, 'GET', '/mqtt/stats');
  assert.ok(body.limits.tlsHandshake >= 2, JSON.stringify(body.limits));
});

test('bad TLS files keep the gateway from starting', async (t) => {
  const directory = await temporaryDirectory(t);
  const authority = makeAuthority(directory);
  const one = authority.issue('one');
  const two = authority.issue('two');
  for (const [env, message] of [
    [{ TLS_CERT_FILE: one.cert }, /TLS_CERT_FILE and TLS_KEY_FILE go together/],
    [{ TLS_CERT_FILE: path.join(directory, 'none'), TLS_KEY_FILE: one.key }, /TLS_CERT_FILE .*none: No such file/],
    [{ TLS_CERT_FILE: one.cert, TLS_KEY_FILE: two.key }, /TLS_KEY_FILE .*it is not the key of the certificate/],
    [{ TLS_CERT_FILE: one.cert, TLS_KEY_FILE: one.cert }, /TLS_KEY_FILE .*no private key/],
  ]) {
    const gateway = await startProgram(t, {
      env: gatewayEnvironment({ broker: { port: await freePort() }, env }), awaitListening: false,
    });
    assert.equal((await within(gateway.ended, 'the end')).code, 2);
    assert.match(gateway.text, message);
  }
});
