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
import { SEVERITIES, waits, type Alarm } from "../alarms/alarm";
import { alarmSentences, severityName } from "../alarms/sentences";
import type { PageSettings } from "../app/settings";
import { ALARM_LAYER, ALARM_SOURCE, CHOICE_LAYERS, SOURCE, styleFor } from "./mapStyle";
import { anchorOf, boundsOf, centreOf, extentOf, type Bounds, type Entity } from "../entities/entity";
import type { Freshness } from "../entities/freshness";
import type { Scheme } from "./mapColours";
import { THEME_COLOURS, type Theme } from "./theme";

/** How an entity is drawn now. */
export interface Appearance {
  readonly entity: Entity;
  /** The theme that colours it; undefined while it is only background. */
  readonly theme: Theme | undefined;
  readonly freshness: Freshness | undefined;
}

/** The entity under the pointer, or the mark of its alarm. */
interface Found {
  readonly id: string;
  readonly name: string;
  readonly alarm: boolean;
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
    if (settings.tiles !== undefined) this.#map.addControl(new AttributionControl({ compact: true }));
    this.#map.on("load", () => this.#draw());
    this.#map.on("idle", () => (document.body.dataset["mapIdle"] = "true"));
    this.#map.on("click", (event) => {
      const found = this.#at(event);
      if (found?.alarm === true) listener.chooseAlarm(found.id);
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

  /** Draws all entities anew; called when their appearance changed, not for each value. */
  show(appearances: readonly Appearance[]): void {
    this.#appearances = appearances;
    this.#fit();
    if (this.#map.getSource(SOURCE) !== undefined) this.#draw();
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
    if (this.#chosen !== undefined) this.#setState(this.#chosen, { chosen: 0 });
    this.#chosen = entity?.id;
    if (entity === undefined) return;
    this.#setState(entity.id, { chosen: 1 });
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
    const source = this.#map.getSource(SOURCE);
    if (!(source instanceof GeoJSONSource)) return;
    document.body.dataset["mapIdle"] = "false";
    const features = this.#appearances
      .filter((one) => one.entity.geometry !== undefined)
      .map((one) => this.#feature(one))
      // Small areas are drawn over large ones.
      .sort((one, other) => extentOf(other.geometry) - extentOf(one.geometry));
    void source.setData({ type: "FeatureCollection", features });
    if (this.#chosen !== undefined) this.#setState(this.#chosen, { chosen: 1 });
    this.#drawAlarms();
  }

  #drawAlarms(): void {
    const source = this.#map.getSource(ALARM_SOURCE);
    if (!(source instanceof GeoJSONSource)) return;
    const features: Feature[] = [];
    for (const { entity } of this.#appearances) {
      const alarm = this.#alarms.get(entity.id);
      const anchor = anchorOf(entity.geometry);
      if (alarm === undefined || anchor === undefined) continue;
      features.push({
        type: "Feature",
        geometry: { type: "Point", coordinates: anchor },
        properties: {
          id: entity.id,
          name: alarmSentences().onMap(entity.name, severityName(alarm.severity)),
          severity: alarm.severity,
          rank: SEVERITIES.length - SEVERITIES.indexOf(alarm.severity),
          waits: waits(alarm),
        },
      });
    }
    void source.setData({ type: "FeatureCollection", features });
    this.#map.getContainer().dataset["alarms"] = String(features.length);
  }

  #feature({ entity, theme, freshness }: Appearance): Feature {
    return {
      type: "Feature",
      geometry: entity.geometry!,
      properties: {
        id: entity.id,
        name: entity.name,
        type: entity.type,
        theme: theme ?? "",
        colour: theme === undefined ? "" : THEME_COLOURS[this.#scheme][theme],
        freshness: freshness ?? "",
      },
    };
  }

  /** Returns the uppermost feature at the pointer; of areas the smallest. */
  #at(event: MapMouseEvent): Found | undefined {
    const found = this.#map.queryRenderedFeatures(event.point, { layers: [...CHOICE_LAYERS] });
    const rank = (one: MapGeoJSONFeature) => CHOICE_LAYERS.indexOf(one.layer.id as (typeof CHOICE_LAYERS)[number]);
    const best = found.sort(
      (one, other) => rank(one) - rank(other) || extentOf(one.geometry) - extentOf(other.geometry),
    )[0];
    return best === undefined
      ? undefined
      : {
          id: String(best.properties["id"]),
          name: String(best.properties["name"]),
          alarm: best.layer.id === ALARM_LAYER,
        };
  }

  #hover(feature: Found | undefined): void {
    const canvas = this.#map.getCanvas();
    canvas.title = feature?.name ?? "";
    if (feature?.id === this.#hovered) return;
    if (this.#hovered !== undefined) this.#setState(this.#hovered, { hover: 0 });
    this.#hovered = feature?.id;
    if (feature !== undefined) this.#setState(feature.id, { hover: 1 });
    canvas.style.cursor = feature === undefined ? "" : "pointer";
  }

  #repaint(scheme: Scheme): void {
    this.#scheme = scheme;
    this.#map.once("style.load", () => this.#draw());
    this.#map.setStyle(styleFor(scheme, this.#settings), { diff: false });
  }

  #setState(id: string, state: Record<string, number>): void {
    if (this.#map.getSource(SOURCE) !== undefined) this.#map.setFeatureState({ source: SOURCE, id }, state);
  }
}
