// An issuer of tokens: signing keys, the tokens that they sign, and the server of its JWKS.
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const kinds = {
  RS256: { make: () => generateKeyPairSync('rsa', { modulusLength: 2048 }), sign: (text, key) => sign('sha256', text, key) },
  ES256: {
    make: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    sign: (text, key) => sign('sha256', text, { key, dsaEncoding: 'ieee-p1363' }),
  },
  EdDSA: { make: () => generateKeyPairSync('ed25519'), sign: (text, key) => sign(null, text, key) },
};

/** A pair of keys under a name. `token` signs claims like those of the harness's tokens. */
export function makeSigningKey(alg, kid) {
  const { publicKey, privateKey } = kinds[alg].make();
  return {
    alg,
    kid,
    pem: publicKey.export({ type: 'spki', format: 'pem' }),
    jwk: { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, alg, use: 'sig' },
    token(claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000);
      const body = { sub: 'alice', aud: 'authenticated', role: 'authenticated', iat: now, exp: now + 3600, ...claims };
      const text = `${encode({ alg, typ: 'JWT', kid, ...header })}.${encode(body)}`;
      return `${text}.${kinds[alg].sign(Buffer.from(text), privateKey).toString('base64url')}`;
    },
  };
}

/**
 * Serves `issuer.keys` as a JWKS on loopback, by HTTPS if there is a certificate. `requests` counts; `status`, `body`
 * and `headers` change the answers; `stop` and `start` keep the port; `silent` takes connections and answers nothing.
 */
export async function startIssuer(t, { keys = [], cert, key, headers = {} } = {}) {
  const issuer = { keys, headers, status: 200, body: undefined, requests: 0, silent: false };
  const answer = (request, response) => {
    issuer.requests += 1;
    issuer.target = request.url;
    if (issuer.silent) return;
    response.writeHead(issuer.status, { 'content-type': 'application/json', ...issuer.headers });
    response.end(issuer.body ?? JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) }));
  };
  let server;
  issuer.start = async () => {
    server = cert ? https.createServer({ cert, key }, answer) : http.createServer(answer);
    server.on('tlsClientError', () => {});
    server.listen(issuer.port ?? 0, '127.0.0.1');
    await once(server, 'listening');
    issuer.port = server.address().port;
    issuer.url = `${cert ? 'https://localhost' : 'http://127.0.0.1'}:${issuer.port}/jwks.json`;
  };
  issuer.stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  await issuer.start();
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return issuer;
}
