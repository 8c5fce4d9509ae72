/**
 * A style that a server of vector tiles publishes for layers of its own, as PDOK does (OGC API Styles, `f=mapbox`).
 * Its names are drawn by the browser, like ours: a map has one source of glyphs.
 */

import { validateStyleMin } from "@maplibre/maplibre-gl-style-spec";
import type { LayerSpecification, SourceSpecification, StyleSpecification, SymbolLayerSpecification } from "maplibre-gl";
import type { BackgroundStyle } from "./backgroundStyle";
import type { MapColours, Scheme } from "./mapColours";
import { FONT } from "./styleExpressions";

const PREFIX = "tiles-";

/** Dims tiles that have colours for a light screen only. */
const NIGHT_OPACITY = 0.65;

/** The map waits for the style of another server no longer than this. */
const ANSWER_MS_MAX = 8_000;

/** Whether the setting is the address of a style: a template of tiles has places for numbers. */
export function isStyleAddress(tiles: string): boolean {
  return !/\{(z|TileMatrix)\}/i.test(tiles);
}

/** Fetches a style. Rejects with an `Error` that says what was found: no answer in time, no style, or a faulty one. */
export async function fetchTileStyle(address: string): Promise<StyleSpecification> {
  const answer = await fetch(address, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  if (!answer.ok) throw new Error(`the style of the tiles, ${address}, was answered with ${answer.status}`);
  const style = (await answer.json()) as StyleSpecification;
  // One fault in a layer of theirs would keep the map from drawing any of ours.
  const [fault] = validateStyleMin(style);
  if (fault !== undefined) throw new Error(`the style of the tiles, ${address}, is not valid: ${fault.message}`);
  return withAddresses(style, answer.url);
}

/** Returns the style with whole addresses: they may be relative to it. */
function withAddresses(style: StyleSpecification, base: string): StyleSpecification {
  // The places for numbers stay as they are: an address would have them escaped.
  const whole = (address: string) => (/^https?:/i.test(address) ? address : decodeURI(new URL(address, base).href));
  const sources = Object.entries(style.sources).map(([name, source]): [string, SourceSpecification] => {
    if (source.type !== "vector" && source.type !== "raster") return [name, source];
    const { url, tiles } = source;
    return [name, { ...source, ...(url === undefined ? {} : { url: whole(url) }), ...(tiles === undefined ? {} : { tiles: tiles.map(whole) }) }];
  });
  return { ...style, sources: Object.fromEntries(sources) };
}

/** Returns the layers and sources of a style with names that ours do not have; its labels apart, without pictures. */
export function styledTiles(style: StyleSpecification, scheme: Scheme, colours: MapColours, attribution: string): BackgroundStyle {
  const sources = Object.fromEntries(
    Object.entries(style.sources).map(([name, source]) => [
      PREFIX + name,
      attribution === "" || (source.type !== "vector" && source.type !== "raster") ? source : { ...source, attribution },
    ]),
  );
  const layers: LayerSpecification[] = [];
  const labels: LayerSpecification[] = [];
  for (const layer of style.layers) {
    const renamed = { ...layer, id: PREFIX + layer.id, ...("source" in layer ? { source: PREFIX + layer.source } : {}) } as LayerSpecification;
    if (renamed.type === "symbol") labels.push(...labelOf(renamed, scheme, colours));
    else if (!isPattern(renamed)) layers.push(renamed);
  }
  if (scheme === "dark")
    layers.push({ id: `${PREFIX}night`, type: "background", paint: { "background-color": colours.beyond, "background-opacity": NIGHT_OPACITY } });
  return { sources, layers, hasLand: true, labels };
}

/** Pictures of a style are in a file of its own, which the map does not fetch. */
function isPattern(layer: LayerSpecification): boolean {
  return Object.keys(layer.paint ?? {}).some((name) => name.endsWith("-pattern"));
}

function labelOf(layer: SymbolLayerSpecification, scheme: Scheme, colours: MapColours): LayerSpecification[] {
  const layout = Object.fromEntries(Object.entries(layer.layout ?? {}).filter(([name]) => !name.startsWith("icon-")));
  if (layout["text-field"] === undefined) return [];
  const night = scheme === "dark" ? { "text-color": colours.ink, "text-halo-color": colours.halo } : {};
  const paint = Object.fromEntries(Object.entries({ ...layer.paint, ...night }).filter(([name]) => !name.startsWith("icon-")));
  return [{ ...layer, layout: { ...layout, "text-font": FONT }, paint }];
}
