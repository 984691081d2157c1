// How clients are refused, and what the gateway counts of it.
import { once as onceEmitted } from 'node:events';
import { WebSocket, adminToken, makeClient, once, rest, token, within } from './harness.mjs';

/** How often each limit has been reached so far. */
export const limits = async (gateway) =>
  (await rest(gateway, 'GET', '/mqtt/stats', undefined, { token: adminToken() })).body.limits;

/** The status that a WebSocket handshake is answered with; 101 if it succeeds. */
export async function handshake(t, gateway, headers) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/socket.io/?EIO=4&transport=websocket`, { headers });
  t.after(() => socket.terminate());
  const opened = onceEmitted(socket, 'open').then(() => ({ status: 101 }));
  const refused = onceEmitted(socket, 'unexpected-response').then(async ([, response]) => ({
    status: response.statusCode,
    headers: response.headers,
    body: JSON.parse(Buffer.concat(await response.toArray()).toString()),
  }));
  for (const promise of [opened, refused]) promise.catch(() => {});
  return within(Promise.race([opened, refused]), 'an answer to the handshake');
}

/** A polling session: its answer, whatever it is. */
export const polling = (gateway, headers = {}) =>
  rest(gateway, 'GET', '/socket.io/?EIO=4&transport=polling', undefined, { token: null, headers });

/** What the official client is told when it is refused. */
export async function refusal(t, gateway, options) {
  const socket = makeClient(t, gateway, options);
  const error = await once(socket, 'connect_error');
  socket.disconnect();
  return error;
}
