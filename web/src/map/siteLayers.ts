/** Layers of places that are points: clusters, the places, and the signs of alarms. */

import type { ExpressionSpecification, FilterSpecification, LayerSpecification } from "maplibre-gl";
import { SEVERITIES, SEVERITY_COLOURS } from "../alarms/alarm";
import type { MapColours, Scheme } from "./mapColours";
import { DOUBTFUL } from "./mapImages";
import { CLASS_COLOURS } from "./valueClasses";
import { ALARM_SOURCE, byFreshness, FONT, grown, has, IS_BY_VALUE, SITE_SOURCE, state } from "./styleExpressions";

export const CLUSTER_LAYER = "cluster";
export const ALARM_LAYER = "alarm";

/** What a cluster has of its places: how many are not live, and the highest colour of a class. */
export const CLUSTER_SUMS: Record<string, ExpressionSpecification> = {
  stale: ["+", ["case", ["==", ["get", "freshness"], "stale"], 1, 0]] as unknown as ExpressionSpecification,
  silent: ["+", ["case", ["==", ["get", "freshness"], "silent"], 1, 0]] as unknown as ExpressionSpecification,
  shade: ["max", ["get", "shade"]] as unknown as ExpressionSpecification,
};

/**
 * Places that lie close to each other: their number, below it the worst freshness with the number of those, and around
 * it the colour of their highest class.
 */
export function clusterLayers(scheme: Scheme, colours: MapColours): LayerSpecification[] {
  const filter: FilterSpecification = ["has", "point_count"];
  const count: ExpressionSpecification = ["get", "point_count_abbreviated"];
  const notLive = (sign: string, name: string): ExpressionSpecification => ["concat", count, `\n${sign}`, ["get", name]];
  const radius = (more: number): ExpressionSpecification => ["step", ["get", "point_count"], 14 + more, 10, 17 + more, 100, 21 + more];
  const shade = ["match", ["get", "shade"], ...CLASS_COLOURS[scheme].flatMap((colour, number) => [number, colour]), colours.paper];
  return [
    {
      id: "cluster-class",
      type: "circle",
      source: SITE_SOURCE,
      filter: ["all", filter, [">=", ["get", "shade"], 0]] as FilterSpecification,
      paint: {
        "circle-color": shade as unknown as ExpressionSpecification,
        "circle-radius": radius(6),
        "circle-stroke-color": colours.ink,
        "circle-stroke-width": 1,
      },
    },
    {
      id: CLUSTER_LAYER,
      type: "circle",
      source: SITE_SOURCE,
      filter,
      paint: {
        "circle-color": colours.paper,
        "circle-radius": radius(0),
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
          [">", ["get", "silent"], 0],
          notLive("○", "silent"),
          [">", ["get", "stale"], 0],
          notLive("⊙", "stale"),
          count,
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
export function siteLayers(colours: MapColours, source: string, id: string): LayerSpecification[] {
  const shown: FilterSpecification = ["all", ["!", ["has", "point_count"]], has("colour")];
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
      // Light classes need an edge that is seen.
      id: `${id}-edge`,
      type: "circle",
      source,
      filter: ["all", shown, IS_BY_VALUE] as FilterSpecification,
      paint: { "circle-color": colours.ink, "circle-radius": grown(9, 13) },
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
      filter: ["all", shown, ["!=", ["get", "freshness"], "silent"]] as FilterSpecification,
      paint: {
        "circle-color": ["get", "colour"],
        "circle-radius": grown(byFreshness(6.1, 2.4, 0), byFreshness(10, 4.4, 0)),
        "circle-stroke-color": colours.ink,
        "circle-stroke-width": ["case", IS_BY_VALUE, byFreshness(0, 1, 0), 0],
      },
    },
    {
      id: `${id}-doubtful`,
      type: "symbol",
      source,
      filter: ["all", shown, ["get", "doubtful"]] as FilterSpecification,
      layout: { "icon-image": DOUBTFUL, "icon-size": grown(0.6, 1), "icon-allow-overlap": true, "icon-ignore-placement": true },
    },
  ];
}

/** An alarm is the sign of its priority beside its entity, a shape and a number after ISA-101; one that waits has a halo. */
export function alarmLayers(scheme: Scheme, colours: MapColours): LayerSpecification[] {
  const colour = [
    "match",
    ["case", ["get", "well"], "", ["get", "severity"]],
    ...SEVERITIES.flatMap((one) => [one, SEVERITY_COLOURS[scheme][one]]),
    colours.ink,
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
        "icon-image": ["get", "image"],
        "icon-offset": shift,
        // It is always drawn, and names make place for it.
        "icon-allow-overlap": true,
        "symbol-sort-key": ["get", "rank"],
      },
    },
  ];
}
