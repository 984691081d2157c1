// A TCP proxy on loopback. What a connection does with its bytes, and how it ends, is for its user to say.
import { once } from 'node:events';
import net from 'node:net';

/** Carries bytes on, and reads no more while the other side is behind. */
export function carry(from, to, data) {
  if (!to.write(data)) from.pause();
}

/**
 * Closes abortively. Node cannot reset a socket that is shutting down: it would stay open for good, and the process
 * would spin at its end.
 */
export const reset = (socket) => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());

const asItComes = {
  mayOpen: () => true,
  mayResume: () => true,
  onPair() {},
  onData: (_, from, to, data) => carry(from, to, data),
};

/**
 * Forwards to `port` of this machine. A pair is the two ends of one connection, `inner` (who has connected here) and
 * `outer`; while it is among the `pairs` and not `held`, the end of one side is the end of the other.
 */
export async function startTcpProxy(port, ways = {}) {
  const { mayOpen, mayResume, onPair, onData } = { ...asItComes, ...ways };
  const pairs = new Set();
  const server = net.createServer((inner) => {
    if (!mayOpen()) {
      inner.destroy();
      return;
    }
    const pair = { inner, outer: net.connect(port, '127.0.0.1'), held: false };
    pairs.add(pair);
    const end = () => {
      if (pairs.has(pair) && !pair.held) proxy.end(pair);
    };
    for (const [from, to] of [[pair.inner, pair.outer], [pair.outer, pair.inner]]) {
      from.setNoDelay(true);
      from.on('data', (data) => onData(pair, from, to, data));
      to.on('drain', () => {
        if (mayResume()) from.resume();
      });
      from.on('error', end);
      from.on('close', end);
    }
    onPair(pair);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = {
    port: server.address().port,
    pairs,
    end(pair) {
      pairs.delete(pair);
      pair.inner.destroy();
      pair.outer.destroy();
    },
    reset(pair) {
      reset(pair.inner);
      reset(pair.outer);
    },
    close() {
      for (const pair of [...pairs]) proxy.end(pair);
      server.close();
    },
  };
  return proxy;
}
