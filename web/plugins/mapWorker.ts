/**
 * Builds the map library from its own modules, so that the page and its worker share the code that both need: the
 * published bundles have a copy each. `virtual:map-worker` is the address of the worker.
 */

import { fileURLToPath } from "node:url";
import { transformWithOxc, type Plugin } from "vite";

const ADDRESS = "virtual:map-worker";

const SOURCES = fileURLToPath(new URL("../node_modules/maplibre-gl/src/", import.meta.url));

const moduleOf = (name: string) => `${SOURCES}${name}`;

export function mapWorker(): Plugin {
  let isBuild = false;
  return {
    name: "livetwin:map-worker",
    enforce: "pre",
    configResolved(config) {
      isBuild = config.command === "build";
    },
    resolveId(id) {
      if (id === ADDRESS) return `\0${ADDRESS}`;
      return id === "maplibre-gl" && isBuild ? moduleOf("index.ts") : undefined;
    },
    transform(code, id) {
      if (!isBuild || !id.startsWith(SOURCES) || !id.endsWith(".ts")) return undefined;
      // The library declares fields that its base classes set: a declaration must not make them undefined again.
      return transformWithOxc(code, id, {
        typescript: { removeClassFieldsWithoutInitializer: true },
        assumptions: { setPublicClassFields: true },
      });
    },
    load(id) {
      if (id !== `\0${ADDRESS}`) return undefined;
      if (!isBuild) return 'export { default } from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";';
      const worker = this.emitFile({ type: "chunk", id: moduleOf("source/worker.ts"), name: "map-worker" });
      return `export default import.meta.ROLLUP_FILE_URL_${worker};`;
    },
  };
}
