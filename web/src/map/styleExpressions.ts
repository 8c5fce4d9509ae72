/** Expressions that the layers of the map share, and the names of their sources. */

import type { ExpressionSpecification } from "maplibre-gl";

/** Areas and lines. */
export const SHAPE_SOURCE = "shapes";
/** Places that are points, in clusters where they lie close to each other. */
export const SITE_SOURCE = "sites";
/** The chosen place, which no cluster hides. */
export const CHOSEN_SOURCE = "chosen";
/** Marks of alarms: a point for each entity that has one. */
export const ALARM_SOURCE = "alarms";

/** Drawn by the browser itself: the map library renders glyphs locally where no glyph address is set. */
export const FONT = ["sans-serif"];

export const has = (property: string): ExpressionSpecification => ["to-boolean", ["get", property]];

export const state = (name: string): ExpressionSpecification => ["coalesce", ["feature-state", name], 0];

export const shape = (kind: "Polygon" | "LineString" | "Point"): ExpressionSpecification => ["==", ["geometry-type"], kind];

/** Whether it has the colour of a class of the value that the map shows. */
export const IS_BY_VALUE: ExpressionSpecification = ["==", ["get", "tint"], "value"];

export const byFreshness = (live: unknown, stale: unknown, silent: unknown): ExpressionSpecification =>
  ["match", ["get", "freshness"], "live", live, "stale", stale, silent] as unknown as ExpressionSpecification;

/** A size in pixels that grows from the city to the street. */
export const grown = (small: unknown, large: unknown): ExpressionSpecification =>
  ["interpolate", ["linear"], ["zoom"], 11, small, 16, large] as unknown as ExpressionSpecification;
