// A TCP proxy between clients and gateway that breaks single connections at random, some after they have hung for a while.
import { startTcpProxy } from '../whole/tcp_proxy.mjs';

const hangMs = 5000;

export async function startCuttingProxy(port) {
  const tcp = await startTcpProxy(port);
  const proxy = {
    url: `http://127.0.0.1:${tcp.port}`,
    cuts: 0,
    hangs: 0,
    connections: () => tcp.pairs.size,
    cutOne() {
      const all = [...tcp.pairs];
      if (all.length === 0) return;
      const pair = all[Math.floor(Math.random() * all.length)];
      if (Math.random() < 0.1) {
        proxy.hangs += 1;
        [pair.inner, pair.outer].forEach((end) => end.pause());
        setTimeout(() => tcp.reset(pair), hangMs);
      } else {
        proxy.cuts += 1;
        tcp.reset(pair);
      }
    },
    close: tcp.close,
  };
  return proxy;
}
