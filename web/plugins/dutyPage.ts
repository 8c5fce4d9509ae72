/**
 * Builds the duty page on its own, beside the others. A chunk that pages share has whatever any of them needs, also of
 * Svelte; built alone, the duty page has only what it needs itself, so that it comes fast over a slow line.
 */

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { build, type Plugin, type ResolvedConfig } from "vite";
import { serviceWorker } from "./serviceWorker.ts";

export function dutyPage(): Plugin {
  let page: ResolvedConfig;
  return {
    name: "livetwin:duty-page",
    apply: "build",
    configResolved(config) {
      page = config;
    },
    // Before the bundle is closed, when its files are compressed.
    async writeBundle() {
      const { outDir, assetsInlineLimit, modulePreload } = page.build;
      await build({
        configFile: false,
        root: page.root,
        base: page.base,
        logLevel: page.logLevel ?? "info",
        publicDir: false,
        plugins: [svelte(), serviceWorker()],
        resolve: { alias: page.resolve.alias },
        build: { outDir, emptyOutDir: false, assetsInlineLimit, modulePreload, rolldownOptions: { input: { duty: "duty.html" } } },
      });
    },
  };
}
