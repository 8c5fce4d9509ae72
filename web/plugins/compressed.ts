/** Writes `.br` and `.gz` beside each built text: the server sends them as they are, and compresses nothing itself. */

import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin } from "vite";

/** A shorter file saves no packet worth the time (as in api/http/compression.py). */
const BYTES_MIN = 2 * 1024;
const TEXTS = /\.(?:css|html|js|json|mjs|svg|webmanifest)$/;

const brotli = promisify(brotliCompress);
const gzipped = promisify(gzip);

export function compressed(): Plugin {
  let folder = "";
  return {
    name: "livetwin:compressed",
    apply: "build",
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    async closeBundle() {
      for (const name of await readdir(folder, { recursive: true })) {
        const path = join(folder, name);
        if (!TEXTS.test(name) || (await stat(path)).size < BYTES_MIN) continue;
        const text = await readFile(path);
        await writeFile(`${path}.br`, await brotli(text, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: text.length } }));
        await writeFile(`${path}.gz`, await gzipped(text, { level: 9 }));
      }
    },
  };
}
