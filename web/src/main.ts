/** The page: the parts put together. Events change the twin; once per frame the twin is shown. */

import "maplibre-gl/dist/maplibre-gl.css";
import "./style.css";
import type { Alarm } from "./alarms/alarm";
import { AlarmDesk, type DeskListener } from "./alarms/alarmPanel";
import { Detail } from "./entities/detail";
import { byId } from "./page/element";
import { fetchEntities, type Entity } from "./entities/entity";
import { Finder } from "./entities/finder";
import { Health } from "./page/dataHealth";
import { Live, type LiveListener } from "./http/eventStream";
import { CityMap, type Appearance, type Padding } from "./map/cityMap";
import { Overview } from "./page/overview";
import { fetchPageSettings, type PageSettings } from "./page/pageSettings";
import { sentenceOf } from "./http/problem";
import type { Theme } from "./map/theme";
import { Twin, type StateEvent, type Value } from "./entities/liveState";

/** The map and the list are laid out anew at most this often; values show on the next frame. */
const LAYOUT_EVERY_MS = 500;
/** The model is asked for again at most this often when events name entities that it does not hold. */
const RELOAD_EVERY_MS = 10_000;
const RETRY_AFTER_MS = 3000;

class Page implements LiveListener, DeskListener {
  readonly #twin = new Twin();
  readonly #overview = new Overview(() => this.#layOut());
  readonly #finder = new Finder((id) => this.#choose(id));
  readonly #live = new Live(this);
  readonly #map: CityMap;
  readonly #detail: Detail;
  readonly #desk: AlarmDesk;
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
      chooseAlarm: (id) => this.#desk.chooseOf(id),
    });
    this.#desk = new AlarmDesk(this, (id) => this.#twin.entities.get(id)?.name ?? id, settings.timezone);
    this.#detail = new Detail(settings.timezone, () => this.#choose(undefined));
    if (settings.city !== undefined) this.#overview.city(settings.city);
    new Health();
  }

  async start(): Promise<void> {
    await this.#load();
    this.#layOut();
    this.#map.fit(paddingOfMap());
    this.#live.open();
    setInterval(() => {
      this.#overview.tick(Date.now());
      this.#detail.tick(Date.now());
      this.#desk.tick(Date.now());
    }, 1000);
  }

  connection(state: "connecting" | "live" | "reconnecting"): void {
    this.#overview.connection(state);
  }

  told(event: StateEvent): void {
    this.#twin.tell(event);
    this.#touch(event.entityId);
  }

  toldAlarm(alarm: Alarm): void {
    this.#desk.told(alarm);
  }

  complete(): void {
    this.#desk.complete();
    for (const id of this.#twin.complete()) this.#touch(id);
    this.#layoutDue = true;
    this.#frame();
  }

  changed(event: StateEvent): void {
    if (!this.#twin.change(event)) return;
    this.#touch(event.entityId);
    if (!this.#still.matches) this.#pulsing.add(event.entityId);
  }

  changedAlarm(alarm: Alarm): void {
    this.#desk.changed(alarm);
    this.#overview.event(Date.now());
  }

  show(entityId: string): void {
    this.#choose(entityId);
  }

  opened(alarm: Alarm | undefined): void {
    if (alarm !== undefined && this.#chosen !== undefined) this.#close();
    const entity = alarm === undefined ? undefined : this.#twin.entities.get(alarm.entityId);
    if (alarm !== undefined || this.#chosen === undefined) this.#map.choose(entity, paddingOfMap());
  }

  draw(worst: ReadonlyMap<string, Alarm>): void {
    this.#map.showAlarms(worst);
  }

  gap(): void {
    this.#overview.connection("reconnecting");
  }

  #touch(entityId: string): void {
    this.#changed.add(entityId);
    this.#overview.event(Date.now());
    if (!this.#twin.entities.has(entityId)) void this.#reload();
    this.#frame();
  }

  #frame(): void {
    if (this.#framed) return;
    this.#framed = true;
    // A page in the background gets no frames; the twin is bounded, so nothing piles up meanwhile.
    requestAnimationFrame(() => {
      this.#framed = false;
      this.#show();
    });
  }

  #show(): void {
    const now = Date.now();
    for (const id of this.#changed) {
      this.#finder.update(id, this.#leading(id));
      if (id === this.#chosen) this.#detail.update(this.#twin.valuesOf(id), now);
      const entity = this.#twin.entities.get(id);
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
    for (const entity of this.#twin.entities.values()) {
      for (const theme of entity.themes) byTheme.set(theme, (byTheme.get(theme) ?? 0) + 1);
      this.#looks.set(entity.id, this.#lookOf(entity));
      const theme = this.#themeOf(entity);
      const appearance = { entity, theme, freshness: this.#twin.freshnessOf(entity) };
      drawn.push(appearance);
      if (entity.themes.length === 0 || theme !== undefined) listed.push(appearance);
    }
    this.#overview.counts(this.#twin.counts(), byTheme);
    this.#map.show(drawn);
    this.#finder.show(listed);
    for (const id of this.#finder.listed()) this.#finder.update(id, this.#leading(id));
  }

  #lookOf(entity: Entity): string {
    return `${this.#twin.freshnessOf(entity)}`;
  }

  /** Returns the first theme of the entity that is switched on: it colours it. */
  #themeOf(entity: Entity): Theme | undefined {
    return entity.themes.find((theme) => this.#overview.isOn(theme));
  }

  #leading(id: string): readonly [string, Value] | undefined {
    return this.#twin.valuesOf(id).entries().next().value;
  }

  #choose(id: string | undefined): void {
    if (id === undefined && this.#chosen !== undefined)
      document.querySelector<HTMLElement>(`[data-row="${CSS.escape(this.#chosen)}"]`)?.focus();
    const entity = id === undefined ? undefined : this.#twin.entities.get(id);
    if (entity !== undefined) this.#desk.leave();
    this.#chosen = entity?.id;
    this.#finder.choose(entity?.id);
    if (entity !== undefined) this.#overview.explore(false);
    const area = entity?.parent === undefined ? undefined : this.#twin.entities.get(entity.parent)?.name;
    const values = this.#twin.valuesOf(entity?.id ?? "");
    this.#detail.open(entity, area, entity && this.#themeOf(entity), values, Date.now());
    this.#map.choose(entity, paddingOfMap());
  }

  /** Closes the detail; something else takes its place. */
  #close(): void {
    this.#chosen = undefined;
    this.#finder.choose(undefined);
    this.#detail.open(undefined, undefined, undefined, this.#twin.valuesOf(""), Date.now());
  }

  /** Fetches the model, for as long as it takes. */
  async #load(): Promise<void> {
    for (;;) {
      try {
        this.#twin.load(await fetchEntities());
        this.#desk.refresh();
        this.#overview.problem(undefined);
        break;
      } catch (error) {
        this.#overview.problem(`${sentenceOf(error)} Trying again.`);
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
    }
    const city = [...this.#twin.entities.values()].find((one) => one.type === "Municipality");
    if (city !== undefined && byId("city").textContent === "City") this.#overview.city(city.name);
  }

  async #reload(): Promise<void> {
    if (Date.now() - this.#reloaded < RELOAD_EVERY_MS) return;
    this.#reloaded = Date.now();
    await this.#load();
    this.#layOut();
  }
}

/** Returns the room that the overview and the detail take from the map, at its sides or at top and bottom. */
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
  // The page is of use without its settings: the model names the city, and tiles are an extra.
  console.warn(sentenceOf(error));
  return { city: undefined, timezone: undefined, tiles: undefined, attribution: "" };
});
await new Page(settings).start();
