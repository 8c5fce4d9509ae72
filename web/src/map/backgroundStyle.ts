/** What lies under the places: the background of the city folder, or tiles that the settings name. */

import type { ExpressionSpecification, LayerSpecification, SourceSpecification, StyleSpecification } from "maplibre-gl";
import type { PageSettings } from "../app/settings";
import type { MapColours, Scheme } from "./mapColours";
import { isStyleAddress, styledTiles } from "./tileStyle";

const BACKGROUND = "background";
const TILES = "tiles";
const FONT = ["sans-serif"];

export interface BackgroundStyle {
  readonly sources: Readonly<Record<string, SourceSpecification>>;
  readonly layers: readonly LayerSpecification[];
  /** Whether it has land as well as what lies on it. */
  readonly hasLand: boolean;
  /** Names of waters and quarters, which yield to those of places. */
  readonly labels: readonly LayerSpecification[];
}

/**
 * Returns the background of the settings; tiles come before the background of the folder. `tileStyle` is the style of
 * the tiles where the setting names one; without it, since it did not come, the background of the folder is shown.
 */
export function backgroundOf(settings: PageSettings, scheme: Scheme, colours: MapColours, tileStyle?: StyleSpecification): BackgroundStyle {
  const { tiles, background, attribution } = settings;
  if (tileStyle !== undefined) return styledTiles(tileStyle, scheme, colours, attribution);
  if (tiles !== undefined && !isStyleAddress(tiles)) {
    const source = tileSource(tiles, attribution);
    const layers = source.type === "vector" ? vectorLayers(colours) : [rasterLayer(scheme)];
    return { sources: { [TILES]: source }, layers, hasLand: true, labels: [] };
  }
  if (background === undefined) return { sources: {}, layers: [], hasLand: false, labels: [] };
  const data = new URL(background, document.baseURI).href;
  return { sources: { [BACKGROUND]: { type: "geojson", data, attribution } }, layers: folderLayers(colours), hasLand: false, labels: folderLabels(colours) };
}

/** Returns the source of a template: raster tiles, the same from a WMTS, or vector tiles by their suffix or format. */
export function tileSource(template: string, attribution: string): SourceSpecification {
  const tiles = [wmtsTemplate(template)];
  if (/\.(pbf|mvt)(\?|$)|[?&]f=(pbf|mvt)(&|$)/.test(template)) return { type: "vector", tiles, maxzoom: 14, attribution };
  return { type: "raster", tiles, tileSize: 256, maxzoom: 19, attribution };
}

/** Returns a template with the names of WMTS as {z}, {x} and {y}: {TileMatrix}, {TileCol} and {TileRow}. */
export function wmtsTemplate(template: string): string {
  return template.replace(/\{TileMatrix\}/gi, "{z}").replace(/\{TileCol\}/gi, "{x}").replace(/\{TileRow\}/gi, "{y}");
}

function rasterLayer(scheme: Scheme): LayerSpecification {
  const night = { "raster-brightness-max": 0.35, "raster-saturation": -0.5 };
  return { id: "tiles", type: "raster", source: TILES, paint: scheme === "dark" ? night : {} };
}

/** Layers of the schema of OpenMapTiles, which most servers of vector tiles have. */
function vectorLayers(colours: MapColours): LayerSpecification[] {
  const source = TILES;
  return [
    { id: "tiles-green", type: "fill", source, "source-layer": "landcover", paint: { "fill-color": colours.polder } },
    { id: "tiles-water", type: "fill", source, "source-layer": "water", paint: { "fill-color": colours.water } },
    { id: "tiles-canal", type: "line", source, "source-layer": "waterway", paint: { "line-color": colours.water, "line-width": width(0.5, 3) } },
    { id: "tiles-road", type: "line", source, "source-layer": "transportation", paint: { "line-color": colours.road, "line-width": width(0.4, 4) } },
  ];
}

const kind = (...kinds: string[]): ExpressionSpecification => ["in", ["get", "kind"], ["literal", kinds]];
const width = (far: number, near: number) => ["interpolate", ["exponential", 1.5], ["zoom"], 10, far, 16, near] as unknown as number;

function folderLayers(colours: MapColours): LayerSpecification[] {
  const fill = (id: string, colour: string, opacity: number, ...kinds: string[]): LayerSpecification => ({
    id: `background-${id}`,
    type: "fill",
    source: BACKGROUND,
    filter: ["all", ["==", ["geometry-type"], "Polygon"], kind(...kinds)],
    paint: { "fill-color": colour, "fill-opacity": opacity },
  });
  const line = (id: string, filter: ExpressionSpecification, colour: string, far: number, near: number, dash?: number[]): LayerSpecification => ({
    id: `background-${id}`,
    type: "line",
    source: BACKGROUND,
    filter,
    layout: { "line-join": "round", "line-cap": "butt" },
    paint: { "line-color": colour, "line-width": width(far, near), ...(dash === undefined ? {} : { "line-dasharray": dash }) },
  });
  const road = (name: string): ExpressionSpecification => ["all", kind("road"), ["==", ["get", "class"], name]];
  return [
    fill("land", colours.land, 1, "land"),
    fill("green", colours.polder, 1, "green", "dune"),
    fill("built", colours.border, 0.22, "built"),
    fill("water", colours.water, 1, "water"),
    line("ditch", kind("ditch"), colours.water, 0.2, 1.5),
    line("canal", kind("canal"), colours.water, 1, 8),
    line("street", road("street"), colours.road, 0.4, 4),
    line("main", road("main"), colours.road, 1, 7),
    line("motorway", road("motorway"), colours.border, 1.8, 10),
    line("rail", kind("rail"), colours.border, 1, 4, [3, 2]),
    { ...fill("building", colours.border, 0.5, "building"), minzoom: 13.5 },
  ];
}

function folderLabels(colours: MapColours): LayerSpecification[] {
  const paint = { "text-color": colours.ink, "text-halo-color": colours.halo, "text-halo-width": 1.2, "text-opacity": 0.75 };
  return [
    {
      id: "background-name",
      type: "symbol",
      source: BACKGROUND,
      filter: ["all", ["==", ["geometry-type"], "Point"], kind("label")],
      minzoom: 10.5,
      layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": 11, "text-max-width": 8, "text-padding": 8 },
      paint,
    },
    {
      id: "background-lake-name",
      type: "symbol",
      source: BACKGROUND,
      filter: ["all", ["==", ["geometry-type"], "Polygon"], kind("water"), ["has", "name"]],
      minzoom: 11,
      layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": 11, "text-max-width": 8, "text-padding": 8 },
      paint,
    },
    {
      id: "background-water-name",
      type: "symbol",
      source: BACKGROUND,
      filter: ["all", kind("canal"), ["has", "name"]],
      minzoom: 12.5,
      layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": 11, "symbol-placement": "line", "text-padding": 12 },
      paint,
    },
  ];
}
