// Makes the sources that carry the client bundle inside the program:
//   node embed.mjs <dist folder of socket.io-client> <output folder>
// Beside each file stand its gzip and brotli forms, compressed here once as well as they can be.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const [dist, out] = process.argv.slice(2);
const files = ['socket.io.js', 'socket.io.min.js', 'socket.io.esm.min.js', 'socket.io.msgpack.min.js'].flatMap((name) => [
  name,
  `${name}.map`,
]);

const gzip = (bytes) => gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION });
const brotli = (bytes) =>
  brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });

mkdirSync(out, { recursive: true });
const assembly = [];
const declarations = [];
const rows = [];
let count = 0;

/** Puts the bytes into the program's read-only data; answers with the expression that views them. */
function carry(file, bytes) {
  const path = resolve(out, file);
  writeFileSync(path, bytes);
  const symbol = `famemely_client_bundle_${count++}`;
  assembly.push(`  ".globl ${symbol}\\n${symbol}:\\n.incbin \\"${path}\\"\\n"`);
  declarations.push(`extern "C" const char ${symbol}[];`);
  return `std::string_view(${symbol}, ${bytes.length})`;
}

for (const name of files) {
  const bytes = readFileSync(join(dist, name));
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  const forms = [carry(name, bytes), carry(`${name}.gz`, gzip(bytes)), carry(`${name}.br`, brotli(bytes))];
  rows.push(`    {"${name}", "${digest}",\n     ${forms.join(',\n     ')}},`);
}

// Placed by the assembler, a megabyte costs the compiler nothing.
writeFileSync(
  join(out, 'client_bundle_data.cpp'),
  `// Made by cmake/client_bundle/embed.mjs.
#include "app/embedded_client_bundle.hpp"

asm(".pushsection .rodata\\n"
${assembly.join('\n')}
  ".popsection\\n");
${declarations.join('\n')}

namespace famemely::app {

std::span<const api::BundledFile> embedded_client_bundle() {
  static const api::BundledFile files[] = {
${rows.join('\n')}
  };
  return files;
}

}  // namespace famemely::app
`,
);
