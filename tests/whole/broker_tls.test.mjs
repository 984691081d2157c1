// The broker over TLS: what passes, and what each failure is called.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import {
  certificateDirectory, checkBothWays, failureOf, makeTestAuthority, startBrokerWith, startTcpServer,
} from './broker_transport.mjs';
import {
  adminToken, eventually, freePort, gatewayEnvironment, program, rest, startGateway, temporaryDirectory,
} from './harness.mjs';

const tlsWith = ({ cert, key }, ...more) => [`certfile ${cert}`, `keyfile ${key}`, ...more];

for (const version of ['5', '3.1.1'])
  test(`mqtts at version ${version}: messages both ways, and a broker that restarts`, async (t) => {
    const authority = await makeTestAuthority(t);
    const broker = await startBrokerWith(t, { tls: tlsWith(authority.issue('server')) });
    const gateway = await startGateway(t, {
      env: {
        MQTT_URL: `mqtts://localhost:${broker.ports.tls}`, MQTT_CA_FILE: authority.cert, MQTT_VERSION: version,
      },
    });
    await checkBothWays(t, broker, gateway, { version });
  });

test('client certificates, addresses as names, and a broker that is not verified', async (t) => {
  const authority = await makeTestAuthority(t);
  const client = authority.issue('client');
  const broker = await startBrokerWith(t, {
    strict: tlsWith(authority.issue('server'), 'require_certificate true', `cafile ${authority.cert}`),
    own: tlsWith(authority.selfSigned('own')),
  });
  const good = { MQTT_URL: `mqtts://127.0.0.1:${broker.ports.strict}`, MQTT_CA_FILE: authority.cert };
  const connects = async (env) => {
    const gateway = await startGateway(t, { env });
    await gateway.logged('broker connected');
    await gateway.stop();
    return gateway;
  };
  await connects({ ...good, MQTT_CERT_FILE: client.cert, MQTT_KEY_FILE: client.key });
  const insecure = await connects({ MQTT_URL: `mqtts://localhost:${broker.ports.own}`, MQTT_TLS_INSECURE: 'true' });
  assert.match(insecure.log.find(({ event }) => event === 'configuration').warning, /^MQTT_TLS_INSECURE: /);

  // At TLS 1.3 the broker refuses only when we believe to be connected; the alert is told all the same.
  const without = await failureOf(t, good);
  assert.match(without, /^connection closed before CONNACK: TLS with 127\.0\.0\.1:\d+ failed: the broker sent the alert certificate required$/);
  const stranger = (await makeTestAuthority(t, 'other')).issue('stranger');
  const refused = await failureOf(t, { ...good, MQTT_CERT_FILE: stranger.cert, MQTT_KEY_FILE: stranger.key });
  assert.match(refused, /failed: the broker sent the alert unknown ca$/);
});

test('every failure says which step it was, and why', async (t) => {
  const authority = await makeTestAuthority(t);
  const stranger = await makeTestAuthority(t, 'stranger');
  const broker = await startBrokerWith(t, {
    good: tlsWith(authority.issue('good')),
    expired: tlsWith(authority.issue('expired', { expired: true })),
    wrong: tlsWith(authority.issue('wrong', { names: 'DNS:broker.example,IP:10.0.0.7' })),
    unknown: tlsWith(stranger.issue('unknown')),
    own: tlsWith(authority.selfSigned('own')),
  });
  const silent = await startTcpServer(t, () => {});
  const closing = await startTcpServer(t, (socket) => socket.once('data', () => socket.destroy()));
  const http = await startTcpServer(t, (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
  const nobody = await freePort();
  const ending = (name, port, text) => [name, `mqtts://localhost:${port}`, `TLS handshake with localhost:${port} ${text}`];
  for (const [name, url, reason] of [
    ending('expired', broker.ports.expired, "failed: the broker's certificate, or one it depends on, has expired"),
    ending('another name', broker.ports.wrong,
      "failed: host name mismatch: the broker's certificate is not for localhost but for broker.example, 10.0.0.7"),
    ending('an unknown authority', broker.ports.unknown,
      "failed: unknown CA: the broker's certificate comes from an authority that is not trusted here, or the broker " +
        'leaves out a certificate between'),
    ending('self-signed', broker.ports.own, "failed: the broker's certificate is self-signed"),
    ending('closed', closing, 'failed: the broker closed the connection'),
    ending('silent', silent, 'timed out'),
    ['nobody', `mqtts://localhost:${nobody}`, new RegExp(`^TCP connection to localhost:${nobody} failed.*: Connection refused`)],
    ['no such name', 'mqtts://nobody.invalid:1', /^DNS lookup of nobody\.invalid (failed: |timed out)/],
    ['plain MQTT', `mqtts://localhost:${broker.port}`, /failed: the broker (closed the connection|does not speak TLS)/],
    ['plain HTTP', `mqtts://localhost:${http}`, /failed: the broker does not speak TLS on this port/],
  ]) {
    // Whoever says something may take its time.
    const limit = ['silent', 'plain MQTT', 'no such name'].includes(name) ? '1500ms' : '15s';
    const told = await failureOf(t, { MQTT_URL: url, MQTT_CA_FILE: authority.cert, MQTT_CONNECT_TIMEOUT: limit });
    if (reason instanceof RegExp) assert.match(told, reason, name);
    else assert.equal(told, reason, name);
  }

  const gateway = await startGateway(t, {
    env: { MQTT_URL: `mqtts://localhost:${broker.ports.expired}`, MQTT_CA_FILE: authority.cert },
  });
  const lastError = await eventually(async () => {
    const { body } = await rest(gateway, 'GET', '/mqtt/status', undefined, { token: adminToken() });
    return body?.lastError;
  }, 'lastError');
  assert.match(lastError, /^TLS handshake with .* has expired$/);
});

test('the name is called by SNI, and the protocols that were asked for are offered', async (t) => {
  const authority = await makeTestAuthority(t);
  const { cert, key } = authority.issue('server');
  const seen = [];
  const server = tls.createServer({
    cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2',
    ALPNCallback: ({ servername, protocols }) => {
      seen.push({ servername, protocols });
      return protocols[0];
    },
  }, (socket) => socket.on('error', () => {}).once('data', () => socket.end(Buffer.from([0x20, 2, 0, 5]))));
  server.on('tlsClientError', () => {});
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address();
  const told = await failureOf(t, {
    MQTT_URL: `mqtts://localhost:${port}`, MQTT_CA_FILE: authority.cert, MQTT_TLS_ALPN: 'x-first, mqtt',
  });
  assert.match(told, /^Connection refused: .*not authorized$/);
  assert.deepEqual(seen[0], { servername: 'localhost', protocols: ['x-first', 'mqtt'] });

  const old11 = tls.createServer({
    cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0',
  });
  old11.on('tlsClientError', () => {});
  await new Promise((resolve) => old11.listen(0, '127.0.0.1', resolve));
  t.after(() => old11.close());
  const version = await failureOf(t, {
    MQTT_URL: `mqtts://localhost:${old11.address().port}`, MQTT_CA_FILE: authority.cert,
  });
  assert.match(version, /failed: the broker sent the alert protocol version$/);
});

test('files that are no good keep the program from starting', async (t) => {
  const authority = await makeTestAuthority(t);
  const [one, two] = [authority.issue('one'), authority.issue('two')];
  const garbage = path.join(await certificateDirectory(t), 'garbage.pem');
  writeFileSync(garbage, 'this is no PEM\n');
  const run = async (env) => {
    const cwd = await temporaryDirectory(t);
    const all = gatewayEnvironment({ env: { MQTT_URL: 'mqtts://localhost', ...env } });
    return new Promise((resolve) => {
      execFile(program, [], { cwd, env: all, timeout: 10_000 }, (error, stdout, stderr) => resolve([error?.code, stderr]));
    });
  };
  for (const [env, text] of [
    [{ MQTT_CA_FILE: garbage }, /MQTT_CA_FILE .*garbage\.pem: no certificate/],
    [{ MQTT_CA_FILE: '/nowhere.pem' }, /MQTT_CA_FILE \/nowhere\.pem: No such file or directory/],
    [{ MQTT_CERT_FILE: garbage, MQTT_KEY_FILE: one.key }, /MQTT_CERT_FILE .*garbage\.pem: no certificate/],
    [{ MQTT_CERT_FILE: one.cert, MQTT_KEY_FILE: garbage }, /MQTT_KEY_FILE .*garbage\.pem: no private key/],
    [{ MQTT_CERT_FILE: one.cert, MQTT_KEY_FILE: two.key }, /MQTT_KEY_FILE .*two\.key: it is not the key of the certificate/],
    [{ MQTT_CERT_FILE: one.cert }, /MQTT_CERT_FILE and MQTT_KEY_FILE go together/],
    [{ MQTT_URL: 'mqtt://localhost', MQTT_CA_FILE: authority.cert }, /MQTT_CA_FILE=.* only with MQTT_PROTOCOL mqtts and wss/],
  ]) {
    const [status, stderr] = await run(env);
    assert.equal(status, 2, stderr);
    assert.match(stderr, text);
  }
});
