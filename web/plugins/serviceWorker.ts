/**
 * Builds the service worker of the duty page into one file without imports, `duty-worker.js`. It gets the paths of the
 * duty page's own files: its document, its icon, and the hashed assets that the document names.
 */

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { build, type Plugin, type Rolldown } from "vite";

/** The name has no hash: browsers look for a new version at the same address. */
const FILE = "duty-worker.js";
const SOURCE = fileURLToPath(new URL("../src/duty/worker/serviceWorker.ts", import.meta.url));
/** The entry whose files it keeps, as vite.config.ts names it. */
const ENTRY = "duty";

export function serviceWorker(): Plugin {
  return {
    name: "livetwin:service-worker",
    apply: "build",
    // After the bundle has its final names.
    enforce: "post",
    async generateBundle(_options, bundle) {
      const files = ["/duty.html", "/icon.svg", ...assetsOf(bundle).map((name) => `/${name}`)].sort();
      const document = bundle["duty.html"];
      if (document?.type !== "asset") throw new Error("the build has no duty.html, which the service worker keeps");
      // The names of assets have hashes of their contents; the document has none.
      const version = createHash("sha256").update(files.join("\n")).update(document.source).digest("hex").slice(0, 12);
      this.emitFile({ type: "asset", fileName: FILE, source: await built(files, version) });
    },
  };
}

/** Returns the names of the chunks and styles that the entry needs before it imports anything on demand. */
function assetsOf(bundle: Rolldown.OutputBundle): string[] {
  const names = new Set<string>();
  const waiting = Object.values(bundle).filter((one) => one.type === "chunk" && one.isEntry && one.name === ENTRY).map((one) => one.fileName);
  if (waiting.length === 0) throw new Error(`the build has no entry ${ENTRY}, whose files the service worker keeps`);
  while (waiting.length > 0) {
    const name = waiting.pop()!;
    const chunk = bundle[name];
    if (names.has(name) || chunk?.type !== "chunk") continue;
    names.add(name);
    waiting.push(...chunk.imports);
    for (const style of chunk.viteMetadata?.importedCss ?? []) names.add(style);
  }
  return [...names];
}

async function built(files: readonly string[], version: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    define: { DUTY_FILES: JSON.stringify(files), DUTY_VERSION: JSON.stringify(version) },
    build: { write: false, rolldownOptions: { input: SOURCE, output: { format: "iife", entryFileNames: FILE } } },
  });
  const [output] = [result].flat() as Rolldown.RolldownOutput[];
  const chunk = output?.output.find((one) => one.type === "chunk");
  if (chunk?.type !== "chunk") throw new Error("the build of the service worker made no program");
  return chunk.code;
}
