import assert from "node:assert/strict";
import { afterEach, test, vi } from "vitest";
import type { StyleSpecification } from "maplibre-gl";
import { NO_SETTINGS } from "../src/app/settings";
import { backgroundOf } from "../src/map/backgroundStyle";
import { MAP_COLOURS } from "../src/map/mapColours";
import { CHOICE_LAYERS, styleFor } from "../src/map/mapStyle";
import { fetchTileStyle, isStyleAddress } from "../src/map/tileStyle";

const ADDRESS = "https://tiles.example/ogc/v1/styles/plain?f=mapbox";
const SETTINGS = { ...NO_SETTINGS, tiles: ADDRESS, background: "/background.geojson", attribution: "a register" };

const STYLE: StyleSpecification = {
  version: 8,
  glyphs: "https://tiles.example/fonts/{fontstack}/{range}.pbf",
  sources: { area: { type: "vector", tiles: ["../tiles/{z}/{y}/{x}?f=mvt"], maxzoom: 12 } },
  layers: [
    { id: "area", type: "background", paint: { "background-color": "#ffffff" } },
    { id: "dike", type: "line", source: "area", "source-layer": "dijk", paint: { "line-color": "#123456" } },
    { id: "marsh", type: "fill", source: "area", "source-layer": "moeras", paint: { "fill-pattern": "reed" } },
    { id: "name", type: "symbol", source: "area", "source-layer": "namen", layout: { "text-field": ["get", "naam"], "text-font": ["Theirs"], "icon-image": "dot" }, paint: { "icon-opacity": 0.5 } },
    { id: "dot", type: "symbol", source: "area", "source-layer": "punten", layout: { "icon-image": "dot" } },
  ],
};

afterEach(() => vi.unstubAllGlobals());

function answering(body: unknown, status = 200): void {
  const answer = new Response(JSON.stringify(body), { status });
  Object.defineProperty(answer, "url", { value: ADDRESS });
  vi.stubGlobal("fetch", async () => answer);
}

test("an address without places for numbers is that of a style", () => {
  assert.ok(isStyleAddress(ADDRESS));
  for (const template of ["https://tiles.example/{z}/{x}/{y}.png", "https://wmts.example/{TileMatrix}/{TileCol}/{TileRow}"])
    assert.ok(!isStyleAddress(template));
});

test("tiles of a style are drawn below ours, with names by the browser and without its pictures", async () => {
  answering(STYLE);
  const style = styleFor("light", SETTINGS, await fetchTileStyle(ADDRESS));
  const ids = style.layers.map((one) => one.id);
  assert.deepEqual(ids.filter((id) => id.startsWith("tiles-")), ["tiles-area", "tiles-dike", "tiles-name"]);
  assert.deepEqual(["land", "background-water"].filter((id) => ids.includes(id)), []);
  assert.ok(Math.max(...CHOICE_LAYERS.filter((one) => one !== "area" && one !== "line-hit").map((one) => ids.indexOf(one))) > ids.indexOf("tiles-name"));
  const source = style.sources["tiles-area"] as { tiles: string[]; attribution: string };
  assert.deepEqual(source.tiles, ["https://tiles.example/ogc/v1/tiles/{z}/{y}/{x}?f=mvt"]);
  assert.equal(source.attribution, "a register");
  const name = style.layers.find((one) => one.id === "tiles-name")!;
  assert.deepEqual([name.layout, name.paint], [{ "text-field": ["get", "naam"], "text-font": ["sans-serif"] }, {}]);
  assert.equal(style.glyphs, undefined);
});

test("on a dark screen the tiles are dimmed, and their names are light", async () => {
  answering(STYLE);
  const { layers, labels } = backgroundOf(SETTINGS, "dark", MAP_COLOURS.dark, await fetchTileStyle(ADDRESS));
  assert.equal(layers.at(-1)!.id, "tiles-night");
  assert.equal((labels[0]!.paint as Record<string, unknown>)["text-color"], MAP_COLOURS.dark.ink);
});

test("a style that does not come or is faulty is an error, and the background of the folder is drawn without it", async () => {
  answering({}, 404);
  await assert.rejects(fetchTileStyle(ADDRESS), /answered with 404/);
  answering({ ...STYLE, layers: [{ id: "x", type: "fill", source: "missing" }] });
  await assert.rejects(fetchTileStyle(ADDRESS), /is not valid: .*missing/);
  assert.deepEqual(Object.values(backgroundOf(SETTINGS, "light", MAP_COLOURS.light).sources).map((one) => one.type), ["geojson"]);
});
