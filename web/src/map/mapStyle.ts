/** The style of the map. No tiles, fonts or sprites are fetched, except tiles that the settings name. */

import type {
  ExpressionSpecification,
  FilterSpecification,
  LayerSpecification,
  StyleSpecification,
} from "maplibre-gl";
import type { PageSettings } from "../app/settings";
import { backgroundOf } from "./backgroundStyle";
import { SEVERITIES, SEVERITY_COLOURS } from "../alarms/alarm";
import { DOUBTFUL, HATCH } from "./mapImages";
import { MAP_COLOURS, type MapColours, type Scheme } from "./mapColours";

/** Areas and lines. */
export const SHAPE_SOURCE = "shapes";
/** Places that are points, in clusters where they lie close to each other. */
export const SITE_SOURCE = "sites";
/** The chosen place, which no cluster hides. */
export const CHOSEN_SOURCE = "chosen";
export const CLUSTER_LAYER = "cluster";

/** Pixels around a place in which others join it, and the zoom from which on each stands alone. */
const CLUSTER_RADIUS = 34;
const CLUSTER_ZOOM_MAX = 13;

/** Layers whose features can be chosen, the uppermost first. */
export const CHOICE_LAYERS = ["alarm", "chosen-site", "site", CLUSTER_LAYER, "line-hit", "area"] as const;

/** Marks of alarms: a point for each entity that has one. */
export const ALARM_SOURCE = "alarms";
export const ALARM_LAYER: (typeof CHOICE_LAYERS)[number] = "alarm";

const EMPTY = { type: "geojson" as const, data: { type: "FeatureCollection" as const, features: [] } };

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
  const background = backgroundOf(settings, scheme, colours);
  const isBare = background.layers.length === 0;
  return {
    version: 8,
    sources: {
      ...background.sources,
      [SHAPE_SOURCE]: { ...EMPTY, promoteId: "id" },
      [SITE_SOURCE]: {
        ...EMPTY,
        promoteId: "id",
        cluster: true,
        clusterRadius: CLUSTER_RADIUS,
        clusterMaxZoom: CLUSTER_ZOOM_MAX,
        clusterProperties: { silent: ["+", ["case", ["==", ["get", "freshness"], "silent"], 1, 0]] },
      },
      [CHOSEN_SOURCE]: { ...EMPTY, promoteId: "id" },
      [ALARM_SOURCE]: EMPTY,
    },
    layers: [
      { id: "beyond", type: "background", paint: { "background-color": colours.beyond } },
      ...(isBare ? groundLayers(colours) : background.layers),
      ...borderLayers(colours),
      ...areaLayers(colours),
      ...lineLayers(colours),
      ...background.labels,
      ...clusterLayers(colours),
      ...siteLayers(colours, SITE_SOURCE, "site"),
      ...siteLayers(colours, CHOSEN_SOURCE, "chosen-site"),
      ...labelLayers(colours),
      ...alarmLayers(scheme),
    ],
  };
}

/** The city by its entities alone, where it has no background. */
function groundLayers(colours: MapColours): LayerSpecification[] {
  const fill = (id: string, types: string[], colour: string): LayerSpecification => ({
    id,
    type: "fill",
    source: SHAPE_SOURCE,
    filter: ["all", shape("Polygon"), ["in", ["get", "type"], ["literal", types]]],
    paint: { "fill-color": colour },
  });
  const line = (id: string, types: string[], colour: string, width: number): LayerSpecification => ({
    id,
    type: "line",
    source: SHAPE_SOURCE,
    filter: ["all", shape("LineString"), ["in", ["get", "type"], ["literal", types]]],
    layout: { "line-cap": "round", "line-join": "round" },
    paint: {
      "line-color": colour,
      "line-width": ["interpolate", ["exponential", 1.5], ["zoom"], 10, width / 2, 16, width * 4],
    },
  });
  return [
    fill("land", ["Municipality"], colours.land),
    fill("polder", ["Polder"], colours.polder),
    fill("lake", ["Waterway", "Lake", "Water"], colours.water),
    line("road", ["Road"], colours.road, 3.5),
    line("canal", ["Waterway"], colours.water, 4.5),
  ];
}

function borderLayers(colours: MapColours): LayerSpecification[] {
  return [
    {
      id: "border",
      type: "line",
      source: SHAPE_SOURCE,
      filter: shape("Polygon"),
      paint: {
        "line-color": colours.border,
        "line-width": ["match", ["get", "type"], "Municipality", 2, "District", 1.4, 0.8],
      },
    },
  ];
}

function areaLayers(colours: MapColours): LayerSpecification[] {
  const shown: FilterSpecification = ["all", shape("Polygon"), has("colour")];
  const colour: ExpressionSpecification = ["get", "colour"];
  const opacity: ExpressionSpecification = [
    "+",
    ["case", ["get", "filled"], byFreshness(0.62, 0.5, 0.4), byFreshness(0.2, 0.09, 0.02)],
    ["*", 0.2, state("pulse")],
    ["*", 0.12, state("hover")],
  ];
  return [
    {
      id: "area",
      type: "fill",
      source: SHAPE_SOURCE,
      filter: shown,
      paint: { "fill-color": colour, "fill-opacity": opacity },
    },
    {
      id: "area-doubtful",
      type: "fill",
      source: SHAPE_SOURCE,
      filter: ["all", shape("Polygon"), ["get", "filled"], ["get", "doubtful"]],
      paint: { "fill-pattern": HATCH },
    },
    {
      id: "area-outline",
      type: "line",
      source: SHAPE_SOURCE,
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
      source: SHAPE_SOURCE,
      filter: shape("Polygon"),
      paint: { "line-color": colours.accent, "line-width": 3, "line-opacity": state("chosen") },
    },
  ];
}

function lineLayers(colours: MapColours): LayerSpecification[] {
  const shown: FilterSpecification = ["all", shape("LineString"), has("colour")];
  return [
    {
      id: "line-chosen",
      type: "line",
      source: SHAPE_SOURCE,
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
      source: SHAPE_SOURCE,
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
      source: SHAPE_SOURCE,
      filter: shown,
      paint: { "line-color": colours.ink, "line-width": 16, "line-opacity": 0 },
    },
  ];
}

/** Places that lie close to each other: their number, and how many of them are silent. */
function clusterLayers(colours: MapColours): LayerSpecification[] {
  const filter: FilterSpecification = ["has", "point_count"];
  const silent: ExpressionSpecification = ["get", "silent"];
  return [
    {
      id: CLUSTER_LAYER,
      type: "circle",
      source: SITE_SOURCE,
      filter,
      paint: {
        "circle-color": colours.paper,
        "circle-radius": ["step", ["get", "point_count"], 13, 10, 16, 100, 20],
        "circle-stroke-color": colours.ink,
        "circle-stroke-width": 1.5,
      },
    },
    {
      id: "cluster-count",
      type: "symbol",
      source: SITE_SOURCE,
      filter,
      layout: {
        "text-field": [
          "case",
          [">", silent, 0],
          ["concat", ["get", "point_count_abbreviated"], "\n○", silent],
          ["get", "point_count_abbreviated"],
        ],
        "text-font": FONT,
        "text-size": 11.5,
        "text-line-height": 1,
        "text-allow-overlap": true,
      },
      paint: { "text-color": colours.ink },
    },
  ];
}

/** A site is a full disc when live, a ring with a dot when stale, an empty ring when silent; a stroke is doubt. */
function siteLayers(colours: MapColours, source: string, id: string): LayerSpecification[] {
  const shown: FilterSpecification = ["all", ["!", ["has", "point_count"]], has("colour")];
  const grown = (small: number, large: number): ExpressionSpecification =>
    ["interpolate", ["linear"], ["zoom"], 11, small, 16, large] as unknown as ExpressionSpecification;
  return [
    {
      id: `${id}-halo`,
      type: "circle",
      source,
      filter: shown,
      paint: {
        "circle-color": ["get", "colour"],
        "circle-radius": grown(12, 22),
        "circle-opacity": ["*", 0.4, ["max", state("pulse"), ["*", 0.6, state("hover")]]],
      },
    },
    {
      id: `${id}-mark`,
      type: "circle",
      source,
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
      id,
      type: "circle",
      source,
      filter: shown,
      layout: { "circle-sort-key": byFreshness(3, 2, 1) },
      paint: {
        "circle-color": colours.paper,
        "circle-radius": grown(6, 10),
        "circle-stroke-color": ["get", "colour"],
        "circle-stroke-width": byFreshness(2, 2, 1.5),
      },
    },
    {
      id: `${id}-dot`,
      type: "circle",
      source,
      filter: [...shown, ["!=", ["get", "freshness"], "silent"]] as FilterSpecification,
      paint: {
        "circle-color": ["get", "colour"],
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 11, byFreshness(6.1, 2.4, 0), 16, byFreshness(10, 4.4, 0)],
      },
    },
    {
      id: `${id}-doubtful`,
      type: "symbol",
      source,
      filter: [...shown, ["get", "doubtful"]] as FilterSpecification,
      layout: { "icon-image": DOUBTFUL, "icon-size": grown(0.6, 1), "icon-allow-overlap": true, "icon-ignore-placement": true },
    },
  ];
}

/** An alarm is the sign of its priority beside its entity, a shape and a number after ISA-101; one that waits has a halo. */
function alarmLayers(scheme: Scheme): LayerSpecification[] {
  const colour = [
    "match",
    ["get", "severity"],
    ...SEVERITIES.flatMap((one) => [one, SEVERITY_COLOURS[scheme][one]]),
    SEVERITY_COLOURS[scheme].warning,
  ] as unknown as ExpressionSpecification;
  const shift: [number, number] = [0, -15];
  return [
    {
      id: "alarm-halo",
      type: "circle",
      source: ALARM_SOURCE,
      filter: ["==", ["get", "waits"], true],
      paint: { "circle-color": colour, "circle-radius": 19, "circle-opacity": 0.3, "circle-translate": shift },
    },
    {
      id: ALARM_LAYER,
      type: "symbol",
      source: ALARM_SOURCE,
      layout: {
        "icon-image": ["concat", "alarm-", ["get", "severity"]],
        "icon-offset": shift,
        "icon-allow-overlap": true,
        "icon-ignore-placement": true,
        "symbol-sort-key": ["get", "rank"],
      },
    },
  ];
}

function labelLayers(colours: MapColours): LayerSpecification[] {
  const label = (id: string, source: string, filter: FilterSpecification, minzoom: number, more: object): LayerSpecification =>
    ({
      id,
      type: "symbol",
      source,
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
    label("district-name", SHAPE_SOURCE, areas(["District"]), 9, { "text-size": 13, "text-transform": "uppercase", "text-letter-spacing": 0.08 }),
    label("area-name", SHAPE_SOURCE, areas(["Neighbourhood", "Polder"]), 11.2, {}),
    label("line-name", SHAPE_SOURCE, shape("LineString"), 11.5, { "symbol-placement": "line", "text-size": 11 }),
    label("site-name", SITE_SOURCE, ["all", ["!", ["has", "point_count"]], has("colour")], 12.6, {
      "text-variable-anchor": ["top", "bottom", "left", "right"],
      "text-radial-offset": 1,
      "text-size": 11.5,
    }),
  ];
}
