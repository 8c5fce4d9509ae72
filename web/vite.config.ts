import { svelte } from "@sveltejs/vite-plugin-svelte";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { compressed } from "./plugins/compressed.ts";
import { dutyPage } from "./plugins/dutyPage.ts";
import { mapWorker } from "./plugins/mapWorker.ts";

/** Where a running `livetwin up` answers while the page is developed with `npm run dev`. */
const API = "http://127.0.0.1:8080";

const CLIENT = "../clients/typescript";

/** The tests of the client; `vite build --ssr` makes programs for Node of them. */
const TESTS = [`${CLIENT}/test/sseParser.test.ts`, `${CLIENT}/test/liveStream.test.ts`, `${CLIENT}/test/requests.test.ts`];

/**
 * What the frame of the page needs comes in one file. Otherwise each piece of it that a view which is loaded later needs
 * too would be a file of its own: some twenty, each with headers as large as itself.
 */
const FIRST = { name: "page", test: /\/src\/app\/App\.svelte$/ };

/** The operations room, the public page, and the messages of a phone; the duty page is built on its own. */
const ENTRIES = { index: "index.html", openbaar: "openbaar.html", messages: "messages.html" };

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig(({ isSsrBuild }) => ({
  // Absolute: the page is also the answer to the paths of its views.
  base: "/",
  plugins: [svelte(), ...(isSsrBuild ? [] : [mapWorker(), dutyPage(), compressed()])],
  resolve: {
    alias: { "livetwin-client": pathOf(`${CLIENT}/src/index.ts`) },
    // Tests run in a document, and so need the Svelte of browsers.
    ...(process.env["VITEST"] === undefined ? {} : { conditions: ["browser"] }),
  },
  build: {
    outDir: "../api/static",
    emptyOutDir: true,
    // The map library alone is a megabyte; it comes after the list, once, and is cached by its hashed name.
    chunkSizeWarningLimit: 1500,
    // Nothing inline: the Content-Security-Policy allows 'self' only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: isSsrBuild
      ? { input: TESTS.map(pathOf) }
      : { input: ENTRIES, output: { advancedChunks: { groups: [FIRST] } } },
  },
  server: { proxy: { "/v1": API, "/page.json": API } },
  test: { environment: "happy-dom", include: ["test/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 },
}));
