import { defineConfig } from "vite";

/** Where a running `livetwin up` answers while the page is developed with `npm run dev`. */
const API = "http://127.0.0.1:8080";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../api/static",
    emptyOutDir: true,
    // The map library alone is a megabyte; it is served once and then cached by its hashed name.
    chunkSizeWarningLimit: 1500,
    // Nothing inline: the Content-Security-Policy allows 'self' only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/v1": API, "/page.json": API } },
});
