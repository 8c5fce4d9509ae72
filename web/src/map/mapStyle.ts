/** The style of the map. No tiles, fonts or sprites are fetched, except tiles that the settings name. */

import type {
  ExpressionSpecification,
  FilterSpecification,
  LayerSpecification,
  StyleSpecification,
} from "maplibre-gl";
import { SEVERITIES, SEVERITY_COLOURS } from "../alarms/alarm";
import type { PageSettings } from "../app/settings";
import { MAP_COLOURS, type MapColours, type Scheme } from "./mapColours";

export const SOURCE = "city";

/** Layers whose features can be chosen, the uppermost first. */
export const CHOICE_LAYERS = ["alarm", "site", "line-hit", "area"] as const;

/** Marks of alarms: a point for each entity that has one. */
export const ALARM_SOURCE = "alarms";
export const ALARM_LAYER: (typeof CHOICE_LAYERS)[number] = "alarm";

/** Drawn by the browser itself: the map library renders glyphs locally where no glyph address is set. */
const FONT = ["sans-serif"];

const has = (property: string): ExpressionSpecification => ["to-boolean", ["get", property]];
const state = (name: string): ExpressionSpecification => ["coalesce", ["feature-state", name], 0];
const shape = (kind: "Polygon" | "LineString" | "Point"): ExpressionSpecification => [
  "==",
  ["geometry-type"],
  kind,
];
const byFreshness = (live: unknown, stale: unknown, silent: unknown): ExpressionSpecification =>
  ["match", ["get", "freshness"], "live", live, "stale", stale, silent] as unknown as ExpressionSpecification;

/** Returns the whole style for a light or a dark screen. */
export function styleFor(scheme: Scheme, settings: PageSettings): StyleSpecification {
  const colours = MAP_COLOURS[scheme];
  const style: StyleSpecification = {
    version: 8,
    sources: {
      [SOURCE]: { type: "geojson", data: { type: "FeatureCollection", features: [] }, promoteId: "id" },
      [ALARM_SOURCE]: { type: "geojson", data: { type: "FeatureCollection", features: [] } },
    },
    layers: [
      { id: "beyond", type: "background", paint: { "background-color": colours.beyond } },
      ...(settings.tiles === undefined ? [] : [tileLayer(scheme)]),
      ...groundLayers(colours, settings.tiles !== undefined),
      ...areaLayers(colours),
      ...lineLayers(colours),
      ...siteLayers(colours),
      ...labelLayers(colours),
      ...alarmLayers(scheme, colours),
    ],
  };
  if (settings.tiles !== undefined) {
    style.sources["tiles"] = {
      type: "raster",
      tiles: [settings.tiles],
      tileSize: 256,
      maxzoom: 19,
      attribution: settings.attribution,
    };
  }
  return style;
}

function tileLayer(scheme: Scheme): LayerSpecification {
  const night = { "raster-brightness-max": 0.35, "raster-saturation": -0.5 };
  return { id: "tiles", type: "raster", source: "tiles", paint: scheme === "dark" ? night : {} };
}

/** The city without its sensors; over tiles only the outlines remain. */
function groundLayers(colours: MapColours, tiled: boolean): LayerSpecification[] {
  const fill = (id: string, types: string[], colour: string): LayerSpecification => ({
    id,
    type: "fill",
    source: SOURCE,
    filter: ["all", shape("Polygon"), ["in", ["get", "type"], ["literal", types]]],
    paint: { "fill-color": colour, "fill-opacity": tiled ? 0 : 1 },
  });
  const line = (id: string, types: string[], colour: string, width: number): LayerSpecification => ({
    id,
    type: "line",
    source: SOURCE,
    filter: ["all", shape("LineString"), ["in", ["get", "type"], ["literal", types]]],
    layout: { "line-cap": "round", "line-join": "round" },
    paint: {
      "line-color": colour,
      "line-width": ["interpolate", ["exponential", 1.5], ["zoom"], 10, width / 2, 16, width * 4],
      "line-opacity": tiled ? 0 : 1,
    },
  });
  return [
    fill("land", ["Municipality"], colours.land),
    fill("polder", ["Polder"], colours.polder),
    fill("lake", ["Waterway", "Lake", "Water"], colours.water),
    line("road", ["Road"], colours.road, 3.5),
    line("canal", ["Waterway"], colours.water, 4.5),
    {
      id: "border",
      type: "line",
      source: SOURCE,
      filter: shape("Polygon"),
      paint: {
        "line-color": colours.border,
        "line-width": ["match", ["get", "type"], "Municipality", 2, "District", 1.4, 0.8],
      },
    },
  ];
}

function areaLayers(colours: MapColours): LayerSpecification[] {
  const shown: FilterSpecification = ["all", shape("Polygon"), has("theme")];
  const colour: ExpressionSpecification = ["get", "colour"];
  const opacity: ExpressionSpecification = [
    "+",
    byFreshness(0.2, 0.09, 0.02),
    ["*", 0.2, state("pulse")],
    ["*", 0.12, state("hover")],
  ];
  return [
    {
      id: "area",
      type: "fill",
      source: SOURCE,
      filter: shown,
      paint: { "fill-color": colour, "fill-opacity": opacity },
    },
    {
      id: "area-outline",
      type: "line",
      source: SOURCE,
      filter: shown,
      layout: { "line-join": "round" },
      paint: {
        "line-color": colour,
        "line-width": byFreshness(1.6, 1.4, 1.2),
        "line-opacity": byFreshness(0.85, 0.8, 0.7),
        "line-dasharray": byFreshness(["literal", [1, 0]], ["literal", [4, 2]], ["literal", [0.6, 2.4]]),
      },
    },
    {
      id: "area-chosen",
      type: "line",
      source: SOURCE,
      filter: shape("Polygon"),
      paint: { "line-color": colours.accent, "line-width": 3, "line-opacity": state("chosen") },
    },
  ];
}

function lineLayers(colours: MapColours): LayerSpecification[] {
  const shown: FilterSpecification = ["all", shape("LineString"), has("theme")];
  return [
    {
      id: "line-chosen",
      type: "line",
      source: SOURCE,
      filter: shape("LineString"),
      layout: { "line-cap": "round", "line-join": "round" },
      paint: {
        "line-color": colours.accent,
        "line-width": 9,
        "line-opacity": ["max", ["*", 0.9, state("chosen")], ["*", 0.35, state("hover")]],
      },
    },
    {
      id: "line",
      type: "line",
      source: SOURCE,
      filter: shown,
      layout: { "line-join": "round" },
      paint: {
        "line-color": ["get", "colour"],
        "line-width": ["+", byFreshness(3.6, 3, 2.4), ["*", 3, state("pulse")]],
        "line-dasharray": byFreshness(["literal", [1, 0]], ["literal", [3, 1.4]], ["literal", [0.7, 2.2]]),
      },
    },
    {
      // A finger is wider than a canal.
      id: "line-hit",
      type: "line",
      source: SOURCE,
      filter: shown,
      paint: { "line-color": colours.ink, "line-width": 16, "line-opacity": 0 },
    },
  ];
}

/** A site is a full disc when live, a ring with a dot when stale, an empty ring when silent. */
function siteLayers(colours: MapColours): LayerSpecification[] {
  const shown: FilterSpecification = ["all", shape("Point"), has("theme")];
  const grown = (small: number, large: number): ExpressionSpecification =>
    ["interpolate", ["linear"], ["zoom"], 11, small, 16, large] as unknown as ExpressionSpecification;
  return [
    {
      id: "site-halo",
      type: "circle",
      source: SOURCE,
      filter: shown,
      paint: {
        "circle-color": ["get", "colour"],
        "circle-radius": grown(12, 22),
        "circle-opacity": ["*", 0.4, ["max", state("pulse"), ["*", 0.6, state("hover")]]],
      },
    },
    {
      id: "site-chosen",
      type: "circle",
      source: SOURCE,
      filter: shown,
      paint: {
        "circle-color": colours.paper,
        "circle-radius": grown(10, 16),
        "circle-opacity": state("chosen"),
        "circle-stroke-color": colours.accent,
        "circle-stroke-width": 3,
        "circle-stroke-opacity": state("chosen"),
      },
    },
    {
      id: "site",
      type: "circle",
      source: SOURCE,
      filter: shown,
      layout: { "circle-sort-key": byFreshness(3, 2, 1) },
      paint: {
        "circle-color": colours.paper,
        "circle-radius": grown(5.5, 10),
        "circle-stroke-color": ["get", "colour"],
        "circle-stroke-width": byFreshness(2, 2, 1.5),
      },
    },
    {
      id: "site-dot",
      type: "circle",
      source: SOURCE,
      filter: [...shown, ["!=", ["get", "freshness"], "silent"]] as FilterSpecification,
      paint: {
        "circle-color": ["get", "colour"],
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 11, byFreshness(5.6, 2.4, 0), 16, byFreshness(10, 4.4, 0)],
      },
    },
  ];
}

/** An alarm is a badge with an exclamation mark next to its entity; a waiting one has a halo. */
function alarmLayers(scheme: Scheme, colours: MapColours): LayerSpecification[] {
  const severityColours = SEVERITY_COLOURS[scheme];
  const pairs = SEVERITIES.flatMap((one) => [one, severityColours[one]]);
  const colour = ["match", ["get", "severity"], ...pairs, severityColours.warning] as unknown as ExpressionSpecification;
  const shift: [number, number] = [0, -13];
  return [
    {
      id: "alarm-halo",
      type: "circle",
      source: ALARM_SOURCE,
      filter: ["==", ["get", "waits"], true],
      paint: { "circle-color": colour, "circle-radius": 17, "circle-opacity": 0.3, "circle-translate": shift },
    },
    {
      id: ALARM_LAYER,
      type: "circle",
      source: ALARM_SOURCE,
      layout: { "circle-sort-key": ["get", "rank"] },
      paint: {
        "circle-color": colour,
        "circle-radius": 10,
        "circle-stroke-color": colours.paper,
        "circle-stroke-width": 2,
        "circle-translate": shift,
      },
    },
    {
      id: "alarm-mark",
      type: "symbol",
      source: ALARM_SOURCE,
      layout: {
        "text-field": "!",
        "text-font": FONT,
        "text-size": 15,
        "text-allow-overlap": true,
        "text-ignore-placement": true,
        "symbol-sort-key": ["get", "rank"],
      },
      paint: { "text-color": colours.paper, "text-translate": shift, "text-halo-color": colours.paper, "text-halo-width": 0.6 },
    },
  ];
}

function labelLayers(colours: MapColours): LayerSpecification[] {
  const label = (id: string, filter: FilterSpecification, minzoom: number, more: object): LayerSpecification =>
    ({
      id,
      type: "symbol",
      source: SOURCE,
      filter,
      minzoom,
      layout: {
        "text-field": ["get", "name"],
        "text-font": FONT,
        "text-size": 12,
        "text-max-width": 8,
        "text-padding": 6,
        ...more,
      },
      paint: { "text-color": colours.ink, "text-halo-color": colours.halo, "text-halo-width": 1.4 },
    }) as LayerSpecification;
  const areas = (types: string[]): FilterSpecification => [
    "all",
    shape("Polygon"),
    ["in", ["get", "type"], ["literal", types]],
  ];
  return [
    label("district-name", areas(["District"]), 9, { "text-size": 13, "text-transform": "uppercase", "text-letter-spacing": 0.08 }),
    label("area-name", areas(["Neighbourhood", "Polder"]), 11.2, {}),
    label("line-name", shape("LineString"), 11.5, { "symbol-placement": "line", "text-size": 11 }),
    label("site-name", ["all", shape("Point"), has("theme")], 12.6, {
      "text-variable-anchor": ["top", "bottom", "left", "right"],
      "text-radial-offset": 1,
      "text-size": 11.5,
    }),
  ];
}
