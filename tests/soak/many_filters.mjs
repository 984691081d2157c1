// node tests/soak/many_filters.mjs [--filters 100000] [--sockets 20] [--version 5|3.1.1] [--batch N]
// Very many filters: see tests/whole/many_filters.mjs. The figures are a line of JSON.
import { parseArgs } from 'node:util';
import { holdManyFilters } from '../whole/many_filters.mjs';

const { values } = parseArgs({
  options: {
    filters: { type: 'string', default: '100000' },
    sockets: { type: 'string', default: '20' },
    version: { type: 'string', default: '5' },
    batch: { type: 'string', default: '100' },
  },
});
const endings = [];
const t = { after: (ending) => endings.push(ending) };
try {
  const { figures } = await holdManyFilters(t, {
    filters: Number(values.filters),
    sockets: Number(values.sockets),
    version: values.version,
    env: { MQTT_SUBSCRIBE_BATCH: values.batch },
    say: (name, figures) => process.stderr.write(`${name}: ${JSON.stringify(figures)}\n`),
  });
  console.log(JSON.stringify(figures));
} finally {
  for (const ending of endings) await ending();
}
process.exit(0);
