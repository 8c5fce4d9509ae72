import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** Where a running `livetwin up` answers while the page is developed with `npm run dev`. */
const API = "http://127.0.0.1:8080";

const CLIENT = "../clients/typescript";

/** The tests of the page and of the client; `vite build --ssr` makes programs for Node of them. */
const TESTS = [
  "test/page.test.ts",
  `${CLIENT}/test/sseParser.test.ts`,
  `${CLIENT}/test/liveStream.test.ts`,
  `${CLIENT}/test/requests.test.ts`,
];

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig(({ isSsrBuild }) => ({
  base: "./",
  resolve: { alias: { "livetwin-client": pathOf(`${CLIENT}/src/index.ts`) } },
  build: {
    outDir: "../api/static",
    emptyOutDir: true,
    // The map library alone is a megabyte; it is served once and then cached by its hashed name.
    chunkSizeWarningLimit: 1500,
    // Nothing inline: the Content-Security-Policy allows 'self' only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    ...(isSsrBuild ? { rolldownOptions: { input: TESTS.map(pathOf) } } : {}),
  },
  server: { proxy: { "/v1": API, "/page.json": API } },
}));
