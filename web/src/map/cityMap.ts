/** The map: the entities of the city with theme and freshness; the user can select one. */

import {
  AttributionControl,
  GeoJSONSource,
  Map as MapLibre,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
  type MapGeoJSONFeature,
  type MapMouseEvent,
  type StyleSpecification,
} from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "virtual:map-worker";
import type { Feature, Point } from "geojson";
import type { Alarm } from "../alarms/alarm";
import type { PageSettings } from "../app/settings";
import { boundsOf, centreOf, extentOf, type Bounds, type Entity } from "../entities/entity";
import type { Appearance } from "./appearance";
import { MAP_COLOURS, type Scheme } from "./mapColours";
import { alarmFeatures, cityFeatures, lookOf, type CityFeatures } from "./mapFeatures";
import { EDGE, fitPadding, type Size } from "./mapFit";
import { IMAGES, imageOf } from "./mapImages";
import { CHOICE_LAYERS, styleFor } from "./mapStyle";
import { fetchTileStyle, isStyleAddress } from "./tileStyle";
import { ALARM_LAYER, CLUSTER_LAYER } from "./siteLayers";
import { ALARM_SOURCE, CHOSEN_SOURCE, SHAPE_SOURCE, SITE_SOURCE } from "./styleExpressions";
import type { ValueClasses } from "./valueClasses";

/** The entity under the pointer, or the mark of its alarm. */
interface Found {
  readonly id: string;
  readonly name: string;
  readonly alarm: boolean;
  /** The cluster of places, where it is one. */
  readonly cluster: { readonly id: number; readonly centre: [number, number] } | undefined;
}

/** Actions of the user on the map. */
export interface MapListener {
  choose(entityId: string | undefined): void;
  /** The mark of an alarm was pressed, on this entity. */
  chooseAlarm(entityId: string): void;
  /** The reader moved the map. */
  moved(place: MapPlace): void;
}

/** What part of the city the map shows. */
export interface MapPlace {
  readonly longitude: number;
  readonly latitude: number;
  readonly zoom: number;
}

export interface MapOptions {
  readonly settings: PageSettings;
  /** The style of the tiles, where the settings name one and it came. */
  readonly tileStyle: StyleSpecification | undefined;
  readonly listener: MapListener;
  /** Where it begins; without one it shows the places with sensors as soon as it has them. */
  readonly place?: MapPlace | undefined;
  /** Returns how much of its lower left corner the legend takes. */
  readonly legend?: () => Size | undefined;
}

const WORKER = new URL(workerUrl, document.baseURI).href;

/**
 * Fetches what the map needs before it begins: its worker, which the browser then keeps, and the style of the tiles.
 * Rejects with an `Error` if the worker does not come: without one a map never draws anything, and does not say so.
 */
export async function fetchForMap(settings: PageSettings): Promise<StyleSpecification | undefined> {
  const [tileStyle, worker] = await Promise.all([tileStyleOf(settings), fetch(WORKER)]);
  if (!worker.ok) throw new Error(`the worker of the map, ${WORKER}, was answered with ${worker.status}`);
  await worker.arrayBuffer();
  return tileStyle;
}

async function tileStyleOf({ tiles }: PageSettings): Promise<StyleSpecification | undefined> {
  if (tiles === undefined || !isStyleAddress(tiles)) return undefined;
  try {
    return await fetchTileStyle(tiles);
  } catch (reason) {
    // Another server: the map is of use without it.
    console.error(reason);
    return undefined;
  }
}

/** A pulse fades in these steps. */
const PULSE_STEPS = [1, 0.6, 0.2];
const PULSE_STEP_MS = 200;
/** The largest number of entities that pulse at the same time. */
const PULSES_MAX = 150;
/** The largest number of clusters that the container names. */
const NAMED_CLUSTERS_MAX = 50;

export class CityMap {
  readonly #map: MapLibre;
  readonly #settings: PageSettings;
  readonly #tileStyle: StyleSpecification | undefined;
  readonly #pulses = new Map<string, number>();
  readonly #stop: () => void;
  readonly #legend: () => Size | undefined;
  #appearances: readonly Appearance[] = [];
  #classes: ValueClasses | undefined;
  #features: CityFeatures = { shapes: [], points: [] };
  /** What is drawn: values come all the time, and most change no class. */
  #look = "";
  /** The entities that are drawn; another model has others, perhaps of the same look. */
  #entities: readonly Entity[] = [];
  /** Entities that are points: those of the clustered source. */
  #sites: ReadonlySet<string> = new Set();
  #alarms: ReadonlyMap<string, Alarm> = new Map();
  #scheme: Scheme;
  #chosen: string | undefined;
  #hovered: string | undefined;
  #pulsing = false;
  /** Whether the whole city has been shown, or a part that somebody chose. */
  #isFitted: boolean;
  /** Whether it fits the whole city again when its size changes: until the reader has touched it. */
  #keepsFit: boolean;

  constructor(container: HTMLElement, { settings, tileStyle, place, listener, legend = () => undefined }: MapOptions) {
    setWorkerUrl(WORKER);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    this.#settings = settings;
    this.#tileStyle = tileStyle;
    this.#scheme = dark.matches ? "dark" : "light";
    this.#map = new MapLibre({
      container,
      style: styleFor(this.#scheme, settings, tileStyle),
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      maxPitch: 0,
      ...(place === undefined ? {} : { center: [place.longitude, place.latitude], zoom: place.zoom }),
    });
    this.#legend = legend;
    this.#isFitted = place !== undefined;
    this.#keepsFit = place === undefined;
    this.#map.touchZoomRotate.disableRotation();
    this.#map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    this.#map.addControl(new ScaleControl({ maxWidth: 120 }), "bottom-right");
    if (settings.tiles !== undefined || settings.attribution !== "") this.#map.addControl(new AttributionControl({ compact: true }));
    // Not at "load", which waits for tiles: alarms must be drawn where the tiles do not come.
    this.#map.on("style.load", () => this.#begin());
    this.#map.on("idle", () => {
      document.body.dataset["mapIdle"] = "true";
      this.#nameClusters();
    });
    this.#map.on("resize", () => {
      if (this.#keepsFit) this.#fit();
    });
    this.#map.on("click", (event) => {
      this.#touched();
      const found = this.#at(event);
      if (found?.cluster !== undefined) void this.#expand(found.cluster, event.originalEvent);
      else if (found?.alarm === true) listener.chooseAlarm(found.id);
      else listener.choose(found?.id);
    });
    this.#map.on("mousemove", (event) => this.#hover(this.#at(event)));
    this.#map.on("mouseout", () => this.#hover(undefined));
    this.#map.on("moveend", (event) => {
      // Moves of the page itself have no event of the reader behind them.
      if (event.originalEvent === undefined) return;
      this.#touched();
      const { lng, lat } = this.#map.getCenter();
      listener.moved({ longitude: lng, latitude: lat, zoom: this.#map.getZoom() });
    });
    const repaint = () => this.#repaint(dark.matches ? "dark" : "light");
    dark.addEventListener("change", repaint);
    this.#stop = () => dark.removeEventListener("change", repaint);
  }

  /** Ends the map. */
  destroy(): void {
    this.#stop();
    this.#pulses.clear();
    this.#map.remove();
  }

  /** Draws all entities anew, with classes by their values; called when their appearance changed, not for each value. */
  show(appearances: readonly Appearance[], classes?: ValueClasses): void {
    this.#appearances = appearances;
    this.#classes = classes;
    if (!this.#isFitted) this.#fit();
    this.#draw();
  }

  /** Marks the entities that have an alarm, each with its most urgent one. */
  showAlarms(alarms: ReadonlyMap<string, Alarm>): void {
    this.#alarms = alarms;
    this.#drawAlarms();
  }

  /** Draws as many pixels as a container that the page shows so many times larger needs, and fits it again. */
  enlarge(scale: number): void {
    const ratio = devicePixelRatio * scale;
    if (this.#map.getPixelRatio() === ratio) return;
    this.#map.setPixelRatio(ratio);
    this.#map.resize();
  }

  /** Fits the map to the places with sensors, once there are any and the map has a size. */
  #fit(): void {
    const shown = this.#appearances.filter(({ entity, theme }) => theme !== undefined || entity.themes.length > 0);
    const bounds = boundsOf(shown.map((one) => one.entity.geometry));
    const { clientWidth: width, clientHeight: height } = this.#map.getContainer();
    if (bounds === undefined || width === 0 || height === 0) return;
    this.#isFitted = true;
    this.#map.fitBounds(bounds, { padding: fitPadding({ width, height }, this.#legend()), maxZoom: 15, animate: false });
  }

  /** From now on the map stays where the reader sees it. */
  #touched(): void {
    if (this.#isFitted) this.#keepsFit = false;
  }

  /** Marks the entity as chosen, and moves the map when it is not visible. */
  choose(entity: Entity | undefined): void {
    if (this.#chosen === entity?.id) return;
    // What is chosen changes its source, and leaves no state behind.
    this.#hover(undefined);
    if (this.#chosen !== undefined) this.#setState(this.#chosen, { chosen: 0, pulse: 0 });
    this.#chosen = entity?.id;
    this.#drawPoints();
    if (entity === undefined) return;
    this.#touched();
    const bounds: Bounds | undefined = boundsOf([entity.geometry]);
    if (bounds === undefined) return;
    const centre = centreOf(bounds);
    const { x, y } = this.#map.project(centre);
    const { clientWidth: width, clientHeight: height } = this.#map.getContainer();
    if (x >= EDGE && x <= width - EDGE && y >= EDGE && y <= height - EDGE) return;
    this.#map.easeTo({ center: centre });
  }

  /** Highlights a changed entity for a moment. */
  pulse(entityId: string): void {
    if (!this.#pulses.has(entityId) && this.#pulses.size >= PULSES_MAX) return;
    this.#pulses.set(entityId, 0);
    if (!this.#pulsing) {
      this.#pulsing = true;
      this.#stepPulses();
    }
  }

  #stepPulses(): void {
    for (const [id, step] of this.#pulses) {
      this.#setState(id, { pulse: PULSE_STEPS[step] ?? 0 });
      if (step < PULSE_STEPS.length) this.#pulses.set(id, step + 1);
      else this.#pulses.delete(id);
    }
    this.#pulsing = this.#pulses.size > 0;
    if (this.#pulsing) setTimeout(() => requestAnimationFrame(() => this.#stepPulses()), PULSE_STEP_MS);
  }

  /** Draws on a new style, which has no images, features nor states. */
  #begin(): void {
    for (const name of IMAGES) {
      const drawn = imageOf(name, this.#scheme);
      if (drawn !== undefined && !this.#map.hasImage(name)) this.#map.addImage(name, drawn.image, { pixelRatio: drawn.pixelRatio });
    }
    this.#entities = [];
    this.#draw();
    this.#drawAlarms();
  }

  #draw(): void {
    if (!(this.#map.getSource(SHAPE_SOURCE) instanceof GeoJSONSource)) return;
    const entities = this.#appearances.map((one) => one.entity);
    const isSameCity = isSame(entities, this.#entities);
    const features = cityFeatures(this.#appearances, this.#classes, this.#scheme);
    const look = lookOf(features);
    const { dataset } = this.#map.getContainer();
    dataset["classes"] = this.#classes === undefined ? "" : String(this.#classes.edges.length + 1);
    if (isSameCity && look === this.#look) return;
    this.#look = look;
    this.#entities = entities;
    this.#features = features;
    document.body.dataset["mapIdle"] = "false";
    const { shapes, points } = features;
    this.#sites = new Set(points.map((one) => String(one.properties!["id"])));
    this.#set(SHAPE_SOURCE, shapes);
    this.#drawPoints();
    if (!isSameCity) this.#drawAlarms();
    // A canvas has no elements that say what is drawn.
    dataset["filled"] = String(shapes.filter((one) => one.geometry.type.endsWith("Polygon") && one.properties!["tint"] === "value").length);
    dataset["points"] = String(points.length);
    dataset["byClass"] = countsOf([...shapes, ...points].map((one) => String(one.properties!["class"])));
  }

  /** Draws the places that are points. The chosen one is by itself, also while others around it are one cluster. */
  #drawPoints(): void {
    const isChosen = (one: Feature) => one.properties!["id"] === this.#chosen;
    const { points } = this.#features;
    this.#set(SITE_SOURCE, points.filter((one) => one.properties!["colour"] !== "" && !isChosen(one)));
    this.#set(CHOSEN_SOURCE, points.filter(isChosen).map((one) => this.#always(one)));
    if (this.#chosen !== undefined) this.#setState(this.#chosen, { chosen: 1 });
  }

  /** Returns the feature with a colour, also when its theme is off. */
  #always(point: Feature): Feature {
    const colour = point.properties!["colour"] || MAP_COLOURS[this.#scheme].lacking;
    return { ...point, properties: { ...point.properties, colour } };
  }

  #drawAlarms(): void {
    const features = alarmFeatures(this.#appearances, this.#alarms);
    this.#set(ALARM_SOURCE, features);
    const { dataset } = this.#map.getContainer();
    dataset["alarms"] = String(features.length);
    dataset["alarmSigns"] = countsOf(features.map((one) => String(one.properties!["image"])));
  }

  #set(name: string, features: readonly Feature[]): void {
    const source = this.#map.getSource(name);
    if (source instanceof GeoJSONSource) void source.setData({ type: "FeatureCollection", features: [...features] });
  }

  /** Zooms in as far as a cluster comes apart; the reader's press makes it a move of the reader. */
  async #expand({ id, centre }: NonNullable<Found["cluster"]>, originalEvent: MouseEvent): Promise<void> {
    const source = this.#map.getSource(SITE_SOURCE);
    if (!(source instanceof GeoJSONSource)) return;
    let zoom: number;
    try {
      zoom = await source.getClusterExpansionZoom(id);
    } catch {
      // New features came between the press and the answer, and have clusters of their own.
      return;
    }
    this.#map.easeTo({ center: centre, zoom }, { originalEvent });
  }

  /** Names the clusters that are seen, as x,y,number in pixels of the container. */
  #nameClusters(): void {
    const found = this.#map.queryRenderedFeatures({ layers: [CLUSTER_LAYER] }).slice(0, NAMED_CLUSTERS_MAX);
    const names = found.map((one) => {
      const { x, y } = this.#map.project((one.geometry as Point).coordinates as [number, number]);
      return `${Math.round(x)},${Math.round(y)},${one.properties["point_count"]}`;
    });
    this.#map.getContainer().dataset["clusters"] = [...new Set(names)].join(" ");
  }

  /** Returns the uppermost feature at the pointer; of areas the smallest. */
  #at(event: MapMouseEvent): Found | undefined {
    const found = this.#map.queryRenderedFeatures(event.point, { layers: [...CHOICE_LAYERS] });
    const rank = (one: MapGeoJSONFeature) => CHOICE_LAYERS.indexOf(one.layer.id as (typeof CHOICE_LAYERS)[number]);
    const best = found.sort(
      (one, other) => rank(one) - rank(other) || extentOf(one.geometry) - extentOf(other.geometry),
    )[0];
    if (best === undefined) return undefined;
    const isCluster = best.layer.id === CLUSTER_LAYER;
    const centre = (best.geometry as Point).coordinates as [number, number];
    return {
      id: String(best.properties["id"] ?? ""),
      name: String(best.properties["name"] ?? ""),
      alarm: best.layer.id === ALARM_LAYER,
      cluster: isCluster ? { id: Number(best.properties["cluster_id"]), centre } : undefined,
    };
  }

  #hover(found: Found | undefined): void {
    const canvas = this.#map.getCanvas();
    canvas.style.cursor = found === undefined ? "" : "pointer";
    const feature = found?.cluster === undefined ? found : undefined;
    canvas.title = feature?.name ?? "";
    if (feature?.id === this.#hovered) return;
    if (this.#hovered !== undefined) this.#setState(this.#hovered, { hover: 0 });
    this.#hovered = feature?.id;
    if (feature !== undefined) this.#setState(feature.id, { hover: 1 });
  }

  #repaint(scheme: Scheme): void {
    this.#scheme = scheme;
    this.#map.setStyle(styleFor(scheme, this.#settings, this.#tileStyle), { diff: false });
  }

  #setState(id: string, state: Record<string, number>): void {
    const sources = !this.#sites.has(id) ? [SHAPE_SOURCE] : id === this.#chosen ? [SITE_SOURCE, CHOSEN_SOURCE] : [SITE_SOURCE];
    for (const source of sources)
      if (this.#map.getSource(source) !== undefined) this.#map.setFeatureState({ source, id }, state);
  }
}

function isSame(one: readonly Entity[], other: readonly Entity[]): boolean {
  return one.length === other.length && one.every((entity, index) => entity === other[index]);
}

/** Returns how often each name occurs, in order: "0:3 2:1". */
function countsOf(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of [...names].sort()) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${name}:${count}`).join(" ");
}
