// The brokers of the interop table, each a child of the test that started it, bound to loopback, gone when the test ends.
// Like the mosquitto of the harness they have `port`, `url`, `restart`, `stop` (with SIGTERM) and `kill`.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { accepts, eventually, freePort, mqtt, sleep, start, startBroker, stop, temporaryDirectory } from './harness.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

// Behind the wrapper in /usr/sbin, which insists on the account and the folders of the service.
const rabbitmqProgram = '/usr/lib/rabbitmq/bin/rabbitmq-server';

const run = promisify(execFile);

/** A certificate for 127.0.0.1 that is its own authority. */
export async function makeCertificate(t) {
  const directory = await temporaryDirectory(t);
  const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => path.join(directory, name));
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', certificate]);
  return { key, certificate };
}

/**
 * A mosquitto with one more listener, for `protocol`. `port` and `env` are the gateway's way in; `url` stays the plain
 * one, for everybody else.
 */
export async function startMosquitto(t, { protocol = 'mqtt', settings = [], ...options } = {}) {
  if (protocol === 'mqtt') return { name: 'Mosquitto', env: {}, ...(await startBroker(t, { settings, ...options })) };
  const port = await freePort();
  const listener = [`listener ${port} 127.0.0.1`];
  const env = { MQTT_PROTOCOL: protocol };
  if (protocol.startsWith('ws')) listener.push('protocol websockets');
  if (['mqtts', 'wss'].includes(protocol)) {
    const { key, certificate } = await makeCertificate(t);
    listener.push(`certfile ${certificate}`, `keyfile ${key}`);
    env.MQTT_CA_FILE = certificate;
  }
  const broker = await startBroker(t, { settings: [...settings, ...listener], ...options });
  return { name: 'Mosquitto', ...broker, port, env };
}

/** `options` are those of Aedes itself, and `denied`, a list of topics. */
export async function startAedes(t, options = {}) {
  const port = await freePort();
  const broker = {
    name: 'Aedes',
    port,
    url: `mqtt://127.0.0.1:${port}`,
    async restart() {
      const args = [path.join(here, 'aedes_broker.mjs'), String(port), JSON.stringify(options)];
      broker.child = start(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      await eventually(() => accepts(port), 'Aedes accepts connections', 20_000);
    },
    stop: () => stop(broker.child),
    kill: () => stop(broker.child, 'SIGKILL'),
  };
  await broker.restart();
  t.after(broker.kill);
  return broker;
}

/**
 * A RabbitMQ with its MQTT plugin and nothing else. Its database, its cookie and even its epmd, which Erlang would leave
 * behind as a daemon, are its own. `topics` are patterns (of AMQP's, in which `/` is `.`) that clients may write and read.
 */
export async function startRabbitmq(t, { topics } = {}) {
  if (!existsSync(rabbitmqProgram)) throw new Error('rabbitmq-server is not installed: run scripts/setup test');
  // Asked for before the directory is, because that goes the same way and a live broker would write to it.
  const children = [];
  t.after(() => Promise.all(children.map((child) => stop(child, 'SIGKILL'))));
  const directory = await temporaryDirectory(t);
  const [port, epmdPort, distributionPort] = [await freePort(), await freePort(), await freePort()];
  const file = (name) => path.join(directory, name);
  const everything = { user: 'guest', vhost: '/', configure: '.*', write: '.*', read: '.*' };
  await writeFile(file('enabled_plugins'), '[rabbitmq_mqtt].\n');
  await writeFile(
    file('definitions.json'),
    JSON.stringify({
      vhosts: [{ name: '/' }],
      users: [{ name: 'guest', password: 'guest', tags: [] }],
      permissions: [everything],
      topic_permissions: topics ? [{ user: 'guest', vhost: '/', exchange: 'amq.topic', ...topics }] : [],
    }),
  );
  await writeFile(
    file('rabbitmq.conf'),
    `listeners.tcp = none
     mqtt.listeners.tcp.1 = 127.0.0.1:${port}
     mqtt.allow_anonymous = true
     mqtt.default_user = guest
     mqtt.default_pass = guest
     definitions.import_backend = local_filesystem
     definitions.local.path = ${file('definitions.json')}
     log.file = false
     log.console = true
     log.console.level = warning
     `.replace(/^ +/gm, ''),
  );
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    LANG: 'C.UTF-8',
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `test${port}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: file('rabbitmq'),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins'),
    RABBITMQ_FEATURE_FLAGS_FILE: file('feature_flags'),
    RABBITMQ_MNESIA_BASE: file('mnesia'),
    RABBITMQ_LOG_BASE: file('log'),
    RABBITMQ_PID_FILE: file('pid'),
    // Makes the script become Erlang instead of its parent, so that the child is the broker.
    detached: '1',
  };
  children.push(start('epmd', ['-port', String(epmdPort), '-address', '127.0.0.1'], { env }));
  await eventually(() => accepts(epmdPort), 'epmd accepts connections');
  const broker = {
    name: 'RabbitMQ',
    port,
    url: `mqtt://127.0.0.1:${port}`,
    async restart() {
      let output = '';
      broker.child = start(rabbitmqProgram, [], { env });
      children.push(broker.child);
      for (const stream of [broker.child.stdout, broker.child.stderr]) stream.on('data', (data) => (output += data));
      await eventually(async () => broker.child.exitCode !== null || accepts(port), 'RabbitMQ accepts connections', 90_000);
      if (broker.child.exitCode !== null) throw new Error(`RabbitMQ ended before it accepted connections:\n${output}`);
      // It listens before its plugin knows what to do with a client.
      const greets = () =>
        mqtt.connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 }, false).then(
          (client) => client.endAsync(true).then(() => true),
          () => sleep(100),
        );
      await eventually(greets, 'RabbitMQ takes a client', 90_000);
    },
    stop: () => stop(broker.child),
    kill: () => stop(broker.child, 'SIGKILL'),
  };
  await broker.restart();
  return broker;
}
