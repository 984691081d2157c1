// node tests/soak/link_torture.mjs [--rounds 20] [--kind tear|restart|silence|kill] [--version 5|3.1.1]
//   [--protocol mqtt|mqtts|ws|wss] [--seed N]
// Twenty rounds of each kind: see tests/whole/torture.mjs. A line of JSON a kind; exit status 1 if anything does not add up.
import { parseArgs } from 'node:util';
import { kinds, torture } from '../whole/torture.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    kind: { type: 'string', multiple: true, default: Object.keys(kinds) },
    version: { type: 'string', multiple: true, default: ['5', '3.1.1'] },
    protocol: { type: 'string', default: 'mqtt' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

let failed = false;
for (const kind of values.kind)
  for (const version of values.version) {
    const endings = [];
    const t = { after: (ending) => endings.push(ending) };
    try {
      const asked = { version, protocol: values.protocol, seed: Number(values.seed), rounds: Number(values.rounds) };
      const onRound = (i, found, ms) =>
        process.stderr.write(`${kind} ${version} round ${i + 1}: ${found.length} faults, ${ms} ms\n`);
      const { totals, faults, wire } = await torture(t, kind, { ...asked, onRound });
      failed ||= faults.length > 0;
      const figures = { kind, ...asked, ...totals, tears: wire.tears.length, resent: wire.resent };
      console.log(JSON.stringify({ ...figures, faults: faults.length, first: faults.slice(0, 20) }));
    } finally {
      for (const ending of endings) await ending();
    }
  }
process.exit(failed ? 1 : 0);
