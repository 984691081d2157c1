// Certificates for brokers under test, made with the openssl command.
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * An authority in `directory`. `issue` gives the files of a certificate that it signs; `names` are what it is for, as
 * openssl writes them, and `days` may lie in the past.
 */
export function makeAuthority(directory, name = 'ca') {
  const file = (suffix) => path.join(directory, suffix);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const newKey = (out) => {
    openssl('ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', out);
    chmodSync(out, 0o644); // Debian's mosquitto gives up its rights before it reads keys
  };
  const cert = file(`${name}.crt`);
  const key = file(`${name}.key`);
  newKey(key);
  openssl('req', '-x509', '-new', '-key', key, '-days', '30', '-subj', `/CN=Test authority ${name}`, '-out', cert);
  return {
    cert,
    key,
    issue(label, { names = 'DNS:localhost,IP:127.0.0.1', expired = false } = {}) {
      const issued = { cert: file(`${label}.crt`), key: file(`${label}.key`) };
      const request = file(`${label}.csr`);
      newKey(issued.key);
      openssl('req', '-new', '-key', issued.key, '-subj', `/CN=${label}`, '-out', request);
      const extensions = file(`${label}.ext`);
      writeFileSync(extensions, `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`);
      openssl('x509', '-req', '-in', request, '-CA', cert, '-CAkey', key, '-CAcreateserial', '-extfile', extensions,
        '-days', expired ? '-1' : '30', '-out', issued.cert);
      return issued;
    },
    /** Signed by itself, and by nobody else. */
    selfSigned(label) {
      const issued = { cert: file(`${label}.crt`), key: file(`${label}.key`) };
      newKey(issued.key);
      openssl('req', '-x509', '-new', '-key', issued.key, '-days', '30', '-subj', `/CN=${label}`,
        '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-out', issued.cert);
      return issued;
    },
  };
}
