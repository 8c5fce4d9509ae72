/** Layers of areas and lines. */

import type { ExpressionSpecification, FilterSpecification, LayerSpecification } from "maplibre-gl";
import type { MapColours } from "./mapColours";
import { DOUBTFUL, HATCH } from "./mapImages";
import { byFreshness, has, IS_BY_VALUE, shape, SHAPE_SOURCE, state } from "./styleExpressions";

/** Returns the ground of the municipality, below everything but tiles. */
export function landLayer(colours: MapColours): LayerSpecification {
  return {
    id: "land",
    type: "fill",
    source: SHAPE_SOURCE,
    filter: ["all", shape("Polygon"), ["==", ["get", "type"], "Municipality"]],
    paint: { "fill-color": colours.land },
  };
}

/** The city by its entities alone, where it has no background. */
export function groundLayers(colours: MapColours): LayerSpecification[] {
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
    fill("polder", ["Polder"], colours.polder),
    fill("lake", ["Waterway", "Lake", "Water"], colours.water),
    line("road", ["Road"], colours.road, 3.5),
    line("canal", ["Waterway"], colours.water, 4.5),
  ];
}

export function borderLayers(colours: MapColours): LayerSpecification[] {
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

/** Areas: filled by a value or lightly by a theme, with an outline whose pattern is the freshness. */
export function areaLayers(colours: MapColours): LayerSpecification[] {
  const shown: FilterSpecification = ["all", shape("Polygon"), has("colour")];
  const colour: ExpressionSpecification = ["get", "colour"];
  const opacity: ExpressionSpecification = [
    "+",
    ["match", ["get", "tint"], "value", byFreshness(0.62, 0.5, 0.4), "theme", byFreshness(0.2, 0.09, 0.02), 0],
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
      filter: ["all", shape("Polygon"), IS_BY_VALUE, ["get", "doubtful"]],
      paint: { "fill-pattern": HATCH },
    },
    {
      id: "area-outline",
      type: "line",
      source: SHAPE_SOURCE,
      filter: shown,
      layout: { "line-join": "round" },
      paint: {
        // Light classes need an outline that is seen.
        "line-color": ["case", IS_BY_VALUE, colours.ink, colour],
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

/** Lines: their pattern is the freshness, strokes across them are doubt. */
export function lineLayers(colours: MapColours): LayerSpecification[] {
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
      id: "line-edge",
      type: "line",
      source: SHAPE_SOURCE,
      filter: ["all", shape("LineString"), IS_BY_VALUE],
      layout: { "line-join": "round" },
      paint: { "line-color": colours.ink, "line-width": byFreshness(5.6, 5, 4.4) },
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
      id: "line-doubtful",
      type: "symbol",
      source: SHAPE_SOURCE,
      filter: ["all", shown, ["get", "doubtful"]] as FilterSpecification,
      layout: {
        "icon-image": DOUBTFUL,
        "icon-size": 0.7,
        "symbol-placement": "line",
        "symbol-spacing": 60,
        "icon-rotation-alignment": "viewport",
        "icon-allow-overlap": true,
        "icon-ignore-placement": true,
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
