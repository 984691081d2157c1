// A TCP proxy between clients and gateway that breaks single connections at random, some after they have hung for a while.
import { once } from 'node:events';
import net from 'node:net';

const hangMs = 5000;

export async function startCuttingProxy(port) {
  const pairs = new Set();
  const server = net.createServer((inner) => {
    const outer = net.connect(port, '127.0.0.1');
    const pair = [inner, outer];
    pairs.add(pair);
    const end = () => {
      inner.destroy();
      outer.destroy();
      pairs.delete(pair);
    };
    for (const [from, to] of [[inner, outer], [outer, inner]]) {
      from.setNoDelay(true);
      from.on('data', (data) => {
        if (!to.write(data)) from.pause();
      });
      to.on('drain', () => from.resume());
      from.on('error', end);
      from.on('close', end);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const reset = (pair) => pair.forEach((end) => end.resetAndDestroy());
  const proxy = {
    url: `http://127.0.0.1:${server.address().port}`,
    cuts: 0,
    hangs: 0,
    connections: () => pairs.size,
    cutOne() {
      const all = [...pairs];
      if (all.length === 0) return;
      const pair = all[Math.floor(Math.random() * all.length)];
      if (Math.random() < 0.1) {
        proxy.hangs += 1;
        pair.forEach((end) => end.pause());
        setTimeout(() => reset(pair), hangMs);
      } else {
        proxy.cuts += 1;
        reset(pair);
      }
    },
    close() {
      for (const pair of pairs) reset(pair);
      server.close();
    },
  };
  return proxy;
}
