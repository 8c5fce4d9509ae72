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
} from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "virtual:map-worker";
import type { Feature } from "geojson";
import type { Alarm } from "../alarms/alarm";
import type { PageSettings } from "../app/settings";
import { boundsOf, centreOf, extentOf, type Bounds, type Entity } from "../entities/entity";
import { alarmFeatures, cityFeatures, lookOf, type Appearance } from "./mapFeatures";
import type { Scheme } from "./mapColours";
import { imageOf } from "./mapImages";
import { ALARM_LAYER, ALARM_SOURCE, CHOICE_LAYERS, CHOSEN_SOURCE, CLUSTER_LAYER, SHAPE_SOURCE, SITE_SOURCE, styleFor } from "./mapStyle";
import type { ValueClasses } from "./valueClasses";

/** The entity under the pointer, or the mark of its alarm. */
interface Found {
  readonly id: string;
  readonly name: string;
  readonly alarm: boolean;
  /** The number of a cluster, where one was pressed. */
  readonly cluster: number | undefined;
  readonly position: [number, number];
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

/** Pixels at the sides of the map in which nothing that matters should lie. */
const EDGE = 36;
/** A pulse fades in these steps. */
const PULSE_STEPS = [1, 0.6, 0.2];
const PULSE_STEP_MS = 200;
/** The largest number of entities that pulse at the same time. */
const PULSES_MAX = 150;

export class CityMap {
  readonly #map: MapLibre;
  readonly #settings: PageSettings;
  readonly #pulses = new Map<string, number>();
  readonly #stop: () => void;
  #appearances: readonly Appearance[] = [];
  #classes: ValueClasses | undefined;
  /** What is drawn: values come all the time, and most change no class. */
  #look = "";
  /** Entities that are points: those of the clustered source. */
  #sites: ReadonlySet<string> = new Set();
  #alarms: ReadonlyMap<string, Alarm> = new Map();
  #scheme: Scheme;
  #chosen: string | undefined;
  #hovered: string | undefined;
  #pulsing = false;
  /** Whether it shows a part of the city that somebody chose, or all of it. */
  #fitted: boolean;

  /** `place` is where it begins; without one it shows the places with sensors as soon as it has them. */
  constructor(container: HTMLElement, settings: PageSettings, place: MapPlace | undefined, listener: MapListener) {
    setWorkerUrl(new URL(workerUrl, document.baseURI).href);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    this.#settings = settings;
    this.#scheme = dark.matches ? "dark" : "light";
    this.#map = new MapLibre({
      container,
      style: styleFor(this.#scheme, settings),
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      maxPitch: 0,
      ...(place === undefined ? {} : { center: [place.longitude, place.latitude], zoom: place.zoom }),
    });
    this.#fitted = place !== undefined;
    this.#map.touchZoomRotate.disableRotation();
    this.#map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    this.#map.addControl(new ScaleControl({ maxWidth: 120 }), "bottom-right");
    if (settings.tiles !== undefined || settings.attribution !== "") this.#map.addControl(new AttributionControl({ compact: true }));
    this.#map.on("styleimagemissing", ({ id }) => {
      const found = imageOf(id, this.#scheme);
      if (found !== undefined && !this.#map.hasImage(id)) this.#map.addImage(id, found.image, { pixelRatio: found.pixelRatio });
    });
    this.#map.on("load", () => this.#draw());
    this.#map.on("idle", () => (document.body.dataset["mapIdle"] = "true"));
    this.#map.on("click", (event) => {
      const found = this.#at(event);
      if (found?.cluster !== undefined) void this.#expand(found.cluster, found.position);
      else if (found?.alarm === true) listener.chooseAlarm(found.id);
      else listener.choose(found?.id);
    });
    this.#map.on("mousemove", (event) => this.#hover(this.#at(event)));
    this.#map.on("mouseout", () => this.#hover(undefined));
    this.#map.on("moveend", (event) => {
      // Moves of the page itself have no event of the reader behind them.
      if (event.originalEvent === undefined) return;
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
    this.#fit();
    this.#draw();
  }

  /** Marks the entities that have an alarm, each with its most urgent one. */
  showAlarms(alarms: ReadonlyMap<string, Alarm>): void {
    this.#alarms = alarms;
    this.#drawAlarms();
  }

  /** Fits the map to the places with sensors, the first time that there are any. */
  #fit(): void {
    if (this.#fitted) return;
    const bounds = boundsOf(this.#appearances.filter((one) => one.theme !== undefined).map((one) => one.entity.geometry));
    if (bounds === undefined) return;
    this.#fitted = true;
    this.#map.fitBounds(bounds, { padding: EDGE, maxZoom: 15, animate: false });
  }

  /** Marks the entity as chosen, and moves the map when it is not visible. */
  choose(entity: Entity | undefined): void {
    if (this.#chosen === entity?.id) return;
    if (this.#chosen !== undefined) this.#setState(this.#chosen, { chosen: 0 });
    this.#chosen = entity?.id;
    this.#drawChosen();
    if (entity === undefined) return;
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

  #draw(): void {
    if (!(this.#map.getSource(SHAPE_SOURCE) instanceof GeoJSONSource)) return;
    const features = cityFeatures(this.#appearances, this.#classes, this.#scheme);
    const look = lookOf(features);
    if (look === this.#look) return;
    this.#look = look;
    document.body.dataset["mapIdle"] = "false";
    const { shapes, points } = features;
    this.#sites = new Set(points.map((one) => String(one.properties!["id"])));
    this.#set(SHAPE_SOURCE, shapes);
    this.#set(SITE_SOURCE, points.filter((one) => one.properties!["colour"] !== ""));
    this.#drawChosen();
    this.#drawAlarms();
    const { dataset } = this.#map.getContainer();
    dataset["classes"] = this.#classes === undefined ? "" : String(this.#classes.edges.length + 1);
    dataset["filled"] = String(shapes.filter((one) => one.properties!["filled"] === true).length);
    dataset["points"] = String(points.length);
  }

  /** The chosen place is drawn by itself, also while others around it are one cluster. */
  #drawChosen(): void {
    const chosen = this.#appearances.filter((one) => one.entity.id === this.#chosen);
    this.#set(CHOSEN_SOURCE, cityFeatures(chosen, this.#classes, this.#scheme).points);
    if (this.#chosen !== undefined) this.#setState(this.#chosen, { chosen: 1 });
  }

  #drawAlarms(): void {
    const features = alarmFeatures(this.#appearances, this.#alarms);
    this.#set(ALARM_SOURCE, features);
    this.#map.getContainer().dataset["alarms"] = String(features.length);
  }

  #set(name: string, features: readonly Feature[]): void {
    const source = this.#map.getSource(name);
    if (source instanceof GeoJSONSource) void source.setData({ type: "FeatureCollection", features: [...features] });
  }

  /** Zooms in as far as a cluster comes apart. */
  async #expand(cluster: number, center: [number, number]): Promise<void> {
    const source = this.#map.getSource(SITE_SOURCE);
    if (!(source instanceof GeoJSONSource)) return;
    const zoom = await source.getClusterExpansionZoom(cluster);
    this.#map.easeTo({ center, zoom });
  }

  /** Returns the uppermost feature at the pointer; of areas the smallest. */
  #at(event: MapMouseEvent): Found | undefined {
    const found = this.#map.queryRenderedFeatures(event.point, { layers: [...CHOICE_LAYERS] });
    const rank = (one: MapGeoJSONFeature) => CHOICE_LAYERS.indexOf(one.layer.id as (typeof CHOICE_LAYERS)[number]);
    const best = found.sort(
      (one, other) => rank(one) - rank(other) || extentOf(one.geometry) - extentOf(other.geometry),
    )[0];
    if (best === undefined) return undefined;
    const cluster = best.layer.id === CLUSTER_LAYER ? Number(best.properties["cluster_id"]) : undefined;
    const { lng, lat } = event.lngLat;
    return {
      id: String(best.properties["id"] ?? ""),
      name: String(best.properties["name"] ?? ""),
      alarm: best.layer.id === ALARM_LAYER,
      cluster,
      position: [lng, lat],
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
    this.#look = "";
    this.#map.once("style.load", () => this.#draw());
    this.#map.setStyle(styleFor(scheme, this.#settings), { diff: false });
  }

  #setState(id: string, state: Record<string, number>): void {
    for (const source of this.#sites.has(id) ? [SITE_SOURCE, CHOSEN_SOURCE] : [SHAPE_SOURCE])
      if (this.#map.getSource(source) !== undefined) this.#map.setFeatureState({ source, id }, state);
  }
}
