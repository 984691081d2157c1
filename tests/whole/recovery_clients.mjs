// What the tests of recovery share: the official client behind a wire that is cut.
import { connect, eventually } from './harness.mjs';

export const payloads = (socket) => socket.messages.map(({ payload }) => payload);
export const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A client that comes back by itself, through a wire that can be cut. */
export async function connectThrough(t, proxy, options = {}) {
  const socket = await connect(t, proxy, { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...options });
  socket.recoveries = [];
  socket.on('connect', () => socket.recoveries.push(socket.recovered));
  return socket;
}

export const comesBack = (socket, times = 1) =>
  eventually(() => socket.connected && socket.recoveries.length >= times, 'the client is back');

export async function cutWhile(proxy, socket, work) {
  proxy.refuse();
  proxy.cut();
  await eventually(() => !socket.connected, 'the client notices');
  await work();
  proxy.refuse(false);
}
