/**
 * Builds the map library from its own modules, so that the page and its worker share the code that both need: the
 * published bundles have a copy each. `virtual:map-worker` is the address of the worker.
 */

import { fileURLToPath } from "node:url";
import { transformWithOxc, type Plugin } from "vite";

const ADDRESS = "virtual:map-worker";

/** The decoder of MapLibre tiles, a format of its own beside vector tiles (MVT): 15 kB of the first load. */
const DECODER = "@maplibre/mlt";

const NO_DECODER = `export const GEOMETRY_TYPE = {};
export function decodeTile() {
  throw new Error("these tiles are MapLibre tiles (MLT), and the map reads vector tiles (MVT): set LIVETWIN_TILES to such");
}
`;

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
      if (id === DECODER && isBuild) return `\0${DECODER}`;
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
      if (id === `\0${DECODER}`) return NO_DECODER;
      if (id !== `\0${ADDRESS}`) return undefined;
      if (!isBuild) return 'export { default } from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";';
      const worker = this.emitFile({ type: "chunk", id: moduleOf("source/worker.ts"), name: "map-worker" });
      return `export default import.meta.ROLLUP_FILE_URL_${worker};`;
    },
  };
}
