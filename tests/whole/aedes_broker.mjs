// An Aedes on a loopback port, as a process of its own: `node aedes_broker.mjs PORT [OPTIONS as JSON]`. `denied` names the
// topics that nobody may publish to or subscribe to.
import net from 'node:net';
import { Aedes } from 'aedes';

const [port, json = '{}'] = process.argv.slice(2);
const { denied = [], ...options } = JSON.parse(json);
const refusal = new Error('denied');

const broker = await Aedes.createBroker({
  ...options,
  authorizePublish: (client, packet, done) => done(denied.includes(packet.topic) ? refusal : null),
  authorizeSubscribe: (client, subscription, done) => done(null, denied.includes(subscription.topic) ? null : subscription),
});
// Whoever breaks a connection is no news here.
for (const event of ['clientError', 'connectionError']) broker.on(event, () => {});
net.createServer({ noDelay: true }, broker.handle).listen(Number(port), '127.0.0.1');
