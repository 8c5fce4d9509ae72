/** The page: its parts put together. Events change the live state; each frame shows the changes. */

import "maplibre-gl/dist/maplibre-gl.css";
import "./style.css";
import type { Alarm } from "./alarms/alarm";
import { AlarmPanel, type AlarmPanelListener } from "./alarms/alarmPanel";
import { Detail } from "./entities/detail";
import { byId } from "./page/element";
import { fetchEntities, type Entity } from "./entities/entity";
import { Finder } from "./entities/finder";
import { setDisplayTexts } from "./entities/quantity";
import { DataHealth } from "./page/dataHealth";
import { EventStream, type EventStreamListener } from "./http/eventStream";
import { CityMap, type Appearance, type Padding } from "./map/cityMap";
import { Overview } from "./page/overview";
import { fetchPageSettings, type PageSettings } from "./page/pageSettings";
import { sentenceOf } from "./http/problem";
import type { Theme } from "./map/theme";
import { LiveState, type StateEvent, type Value } from "./entities/liveState";

/** Shortest time between two layouts of map and list; values are shown on the next frame. */
const LAYOUT_EVERY_MS = 500;
/** Shortest time between two fetches of the model, when events name entities that it does not contain. */
const RELOAD_EVERY_MS = 10_000;
const RETRY_AFTER_MS = 3000;

class Page implements EventStreamListener, AlarmPanelListener {
  readonly #state = new LiveState();
  readonly #overview = new Overview(() => this.#layOut());
  readonly #finder = new Finder((id) => this.#choose(id));
  readonly #stream = new EventStream(this);
  readonly #map: CityMap;
  readonly #detail: Detail;
  readonly #alarms: AlarmPanel;
  readonly #still = matchMedia("(prefers-reduced-motion: reduce)");
  /** Entities whose values changed since the last frame. */
  readonly #changed = new Set<string>();
  readonly #pulsing = new Set<string>();
  #looks = new Map<string, string>();
  #chosen: string | undefined;
  #framed = false;
  #laidOut = 0;
  #layoutDue = false;
  #reloaded = 0;

  constructor(settings: PageSettings) {
    this.#map = new CityMap(byId("map"), settings, {
      choose: (id) => this.#choose(id),
      chooseAlarm: (id) => this.#alarms.chooseOf(id),
    });
    this.#alarms = new AlarmPanel(this, (id) => this.#state.entities.get(id)?.name ?? id, settings.timezone);
    this.#detail = new Detail(settings.timezone, () => this.#choose(undefined));
    if (settings.city !== undefined) this.#overview.city(settings.city);
    new DataHealth();
  }

  async start(): Promise<void> {
    await this.#load();
    this.#layOut();
    this.#map.fit(paddingOfMap());
    void this.#stream.run();
    setInterval(() => {
      this.#overview.tick(Date.now());
      this.#detail.tick(Date.now());
      this.#alarms.tick(Date.now());
    }, 1000);
  }

  onConnection(state: "connecting" | "live" | "reconnecting"): void {
    this.#overview.connection(state);
  }

  onSnapshotState(event: StateEvent): void {
    this.#state.addFromSnapshot(event);
    this.#touch(event.entityId);
  }

  onSnapshotAlarm(alarm: Alarm): void {
    this.#alarms.addFromSnapshot(alarm);
  }

  onSnapshotComplete(): void {
    this.#alarms.endSnapshot();
    for (const id of this.#state.endSnapshot()) this.#touch(id);
    this.#layoutDue = true;
    this.#frame();
  }

  onState(event: StateEvent): void {
    if (!this.#state.apply(event)) return;
    this.#touch(event.entityId);
    if (!this.#still.matches) this.#pulsing.add(event.entityId);
  }

  onAlarm(alarm: Alarm): void {
    this.#alarms.apply(alarm);
    this.#overview.event(Date.now());
  }

  onShowEntity(entityId: string): void {
    this.#choose(entityId);
  }

  onAlarmOpened(alarm: Alarm | undefined): void {
    if (alarm !== undefined && this.#chosen !== undefined) this.#close();
    const entity = alarm === undefined ? undefined : this.#state.entities.get(alarm.entityId);
    if (alarm !== undefined || this.#chosen === undefined) this.#map.choose(entity, paddingOfMap());
  }

  onWorstAlarms(worst: ReadonlyMap<string, Alarm>): void {
    this.#map.showAlarms(worst);
  }

  onGap(): void {
    this.#overview.connection("reconnecting");
  }

  #touch(entityId: string): void {
    this.#changed.add(entityId);
    this.#overview.event(Date.now());
    if (!this.#state.entities.has(entityId)) void this.#reload();
    this.#frame();
  }

  #frame(): void {
    if (this.#framed) return;
    this.#framed = true;
    // A page in the background gets no frames; the live state is bounded, so its memory does not grow.
    requestAnimationFrame(() => {
      this.#framed = false;
      this.#show();
    });
  }

  #show(): void {
    const now = Date.now();
    for (const id of this.#changed) {
      this.#finder.update(id, this.#leading(id));
      if (id === this.#chosen) this.#detail.update(this.#state.valuesOf(id), now);
      const entity = this.#state.entities.get(id);
      if (entity !== undefined && this.#lookOf(entity) !== this.#looks.get(id)) this.#layoutDue = true;
    }
    for (const id of this.#pulsing) this.#map.pulse(id);
    this.#changed.clear();
    this.#pulsing.clear();
    this.#overview.tick(now);
    if (!this.#layoutDue) return;
    const wait = this.#laidOut + LAYOUT_EVERY_MS - now;
    if (wait <= 0) this.#layOut();
    else setTimeout(() => this.#frame(), wait);
  }

  /** Lays out map, list and counts for the freshness of each entity and the themes that are on. */
  #layOut(): void {
    this.#layoutDue = false;
    this.#laidOut = Date.now();
    const byTheme = new Map<Theme, number>();
    const drawn: Appearance[] = [];
    const listed: Appearance[] = [];
    this.#looks = new Map();
    for (const entity of this.#state.entities.values()) {
      for (const theme of entity.themes) byTheme.set(theme, (byTheme.get(theme) ?? 0) + 1);
      this.#looks.set(entity.id, this.#lookOf(entity));
      const theme = this.#themeOf(entity);
      const appearance = { entity, theme, freshness: this.#state.freshnessOf(entity) };
      drawn.push(appearance);
      if (entity.themes.length === 0 || theme !== undefined) listed.push(appearance);
    }
    this.#overview.counts(this.#state.counts(), byTheme);
    this.#map.show(drawn);
    this.#finder.show(listed);
    for (const id of this.#finder.listed()) this.#finder.update(id, this.#leading(id));
  }

  #lookOf(entity: Entity): string {
    return `${this.#state.freshnessOf(entity)}`;
  }

  /** Returns the first theme of the entity that is switched on; its colour is that of the entity. */
  #themeOf(entity: Entity): Theme | undefined {
    return entity.themes.find((theme) => this.#overview.isOn(theme));
  }

  #leading(id: string): readonly [string, Value] | undefined {
    return this.#state.valuesOf(id).entries().next().value;
  }

  #choose(id: string | undefined): void {
    if (id === undefined && this.#chosen !== undefined)
      document.querySelector<HTMLElement>(`[data-row="${CSS.escape(this.#chosen)}"]`)?.focus();
    const entity = id === undefined ? undefined : this.#state.entities.get(id);
    if (entity !== undefined) this.#alarms.leave();
    this.#chosen = entity?.id;
    this.#finder.choose(entity?.id);
    if (entity !== undefined) this.#overview.explore(false);
    const area = entity?.parent === undefined ? undefined : this.#state.entities.get(entity.parent)?.name;
    const values = this.#state.valuesOf(entity?.id ?? "");
    this.#detail.open(entity, area, entity && this.#themeOf(entity), values, Date.now());
    this.#map.choose(entity, paddingOfMap());
  }

  /** Closes the detail panel, because another panel opens. */
  #close(): void {
    this.#chosen = undefined;
    this.#finder.choose(undefined);
    this.#detail.open(undefined, undefined, undefined, this.#state.valuesOf(""), Date.now());
  }

  /** Fetches the model, and retries until that succeeds. */
  async #load(): Promise<void> {
    for (;;) {
      try {
        this.#state.load(await fetchEntities());
        this.#alarms.refresh();
        this.#overview.problem(undefined);
        break;
      } catch (error) {
        this.#overview.problem(`${sentenceOf(error)} Retrying.`);
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
    }
    const city = [...this.#state.entities.values()].find((one) => one.type === "Municipality");
    if (city !== undefined && byId("city").textContent === "City") this.#overview.city(city.name);
  }

  async #reload(): Promise<void> {
    if (Date.now() - this.#reloaded < RELOAD_EVERY_MS) return;
    this.#reloaded = Date.now();
    await this.#load();
    this.#layOut();
  }
}

/** Returns the pixels of the map that the overview and the detail cover, at its sides or at top and bottom. */
function paddingOfMap(): Padding {
  const edge = 36;
  const padding = { top: edge, bottom: edge, left: edge, right: edge };
  const overview = byId("overview").getBoundingClientRect();
  const side = byId("alarm").hidden ? byId("detail") : byId("alarm");
  const detail = side.getBoundingClientRect();
  if (overview.width < innerWidth / 2) {
    padding.left += overview.right;
    padding.right += detail.width === 0 ? 0 : innerWidth - detail.left;
  } else {
    padding.top += Math.min(overview.bottom, innerHeight / 3);
    padding.bottom += detail.height === 0 ? 0 : innerHeight - detail.top;
  }
  return padding;
}

const settings = await fetchPageSettings().catch((error: unknown): PageSettings => {
  // The page works without its settings: the model has the name of the city, and tiles are optional.
  console.warn(sentenceOf(error));
  return { city: undefined, timezone: undefined, tiles: undefined, attribution: "", texts: { names: {}, unitSymbols: {} } };
});
setDisplayTexts(settings.texts);
await new Page(settings).start();
