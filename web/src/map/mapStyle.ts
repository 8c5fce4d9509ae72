/** The style of the map. No tiles, fonts or sprites are fetched, except tiles that the settings name. */

import type { FilterSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";
import type { PageSettings } from "../app/settings";
import { backgroundOf } from "./backgroundStyle";
import { MAP_COLOURS, type MapColours, type Scheme } from "./mapColours";
import { areaLayers, borderLayers, groundLayers, landLayer, lineLayers } from "./shapeLayers";
import { ALARM_LAYER, alarmLayers, CLUSTER_LAYER, CLUSTER_SUMS, clusterLayers, siteLayers } from "./siteLayers";
import { ALARM_SOURCE, byFreshness, CHOSEN_SOURCE, FONT, has, shape, SHAPE_SOURCE, SITE_SOURCE } from "./styleExpressions";

/** Pixels around a place in which others join it, and the zoom from which on each stands alone. */
const CLUSTER_RADIUS = 34;
const CLUSTER_ZOOM_MAX = 13;

/** Layers whose features can be chosen, the uppermost first. */
export const CHOICE_LAYERS = [ALARM_LAYER, "chosen-site", "site", CLUSTER_LAYER, "line-hit", "area"] as const;

const EMPTY = { type: "geojson" as const, data: { type: "FeatureCollection" as const, features: [] } };

/** Returns the whole style for a light or a dark screen, with the style of the tiles where they have one. */
export function styleFor(scheme: Scheme, settings: PageSettings, tileStyle?: StyleSpecification): StyleSpecification {
  const colours = MAP_COLOURS[scheme];
  const background = backgroundOf(settings, scheme, colours, tileStyle);
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
        clusterProperties: CLUSTER_SUMS,
      },
      [CHOSEN_SOURCE]: { ...EMPTY, promoteId: "id" },
      [ALARM_SOURCE]: EMPTY,
    },
    layers: [
      { id: "beyond", type: "background", paint: { "background-color": colours.beyond } },
      ...(background.hasLand ? [] : [landLayer(colours)]),
      ...(isBare ? groundLayers(colours) : background.layers),
      ...borderLayers(colours),
      ...areaLayers(colours),
      ...lineLayers(colours),
      ...background.labels,
      ...clusterLayers(scheme, colours),
      ...siteLayers(colours, SITE_SOURCE, "site"),
      ...siteLayers(colours, CHOSEN_SOURCE, "chosen-site"),
      ...labelLayers(colours),
      ...alarmLayers(scheme, colours),
    ],
  };
}

/** Names: one that would lie over another, or over the sign of an alarm, is left out. */
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
  const beside = {
    "text-variable-anchor": ["top", "bottom", "left", "right"],
    "text-radial-offset": 1.2,
    "text-justify": "auto",
    "text-size": 11.5,
  };
  const areas = (types: string[]): FilterSpecification => [
    "all",
    shape("Polygon"),
    ["in", ["get", "type"], ["literal", types]],
  ];
  return [
    label("district-name", SHAPE_SOURCE, areas(["District"]), 9, { "text-size": 13, "text-transform": "uppercase", "text-letter-spacing": 0.08 }),
    label("area-name", SHAPE_SOURCE, areas(["Neighbourhood", "Polder"]), 11.2, {}),
    label("line-name", SHAPE_SOURCE, shape("LineString"), 11.5, { "symbol-placement": "line", "text-size": 11 }),
    label("site-name", SITE_SOURCE, ["all", ["!", ["has", "point_count"]], has("colour")], 12.6, { ...beside, "symbol-sort-key": byFreshness(1, 2, 3) }),
    // Last, and so first of all: a name that finds no place is left out, and that of the chosen place should be there.
    label("chosen-name", CHOSEN_SOURCE, true, 0, beside),
  ];
}
