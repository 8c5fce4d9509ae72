/** What the list of places shows: the search, the themes that are off and the area, from the address. */

import { address } from "../app/address.svelte";
import { fetched, Problem } from "../http/problem";
import { openTwin } from "../http/twin";
import { live } from "../live/live.svelte";
import { THEMES, type Theme } from "../map/theme";
import { language } from "../language/language.svelte";
import type { Entity } from "./entity";
import { propertyLabels } from "./quantity";
import { SearchIndex, type Found } from "./search";
import { entitySentences, typeName } from "./sentences";

/** The largest number of datastreams that are searched: more than a city has. */
const DATASTREAMS_MAX = 50_000;

class Finder {
  /** Ids of sensors by entity; empty until somebody searches. */
  #sensors = $state.raw<ReadonlyMap<string, string>>(new Map());
  #asked = false;

  readonly search = $derived(address.get("q") ?? "");
  readonly area = $derived(address.get("area"));
  readonly off = $derived(new Set((address.get("off") ?? "").split(",").filter(isTheme)));

  readonly #sorted = $derived.by(() => {
    const collator = new Intl.Collator(language.locale, { numeric: true });
    return [...live.entities.values()].sort((one, other) => collator.compare(one.name, other.name));
  });
  readonly #index = $derived(new SearchIndex(this.#sorted, (entity) => this.#textOf(entity)));
  readonly #inArea = $derived(this.area === undefined ? undefined : within(this.area));

  /** What is found, those that are measured first; entities without sensors are listed whatever the themes. */
  readonly found: Found = $derived.by(() => {
    void live.layout;
    const { entities, similar } = this.#index.find(this.search);
    const shown = entities.filter((one) => this.isOn(one) && (this.#inArea?.has(one.id) ?? true));
    const measured = shown.filter((one) => live.cell(one.id).freshness !== undefined);
    const others = shown.filter((one) => live.cell(one.id).freshness === undefined);
    return { entities: [...measured, ...others], similar };
  });

  /** Whether an entity is listed with the themes that are on. */
  isOn(entity: Entity): boolean {
    return entity.themes.length === 0 || this.themeOf(entity) !== undefined;
  }

  /** Returns the first theme of the entity that is on; its colour is that of the entity. */
  themeOf(entity: Entity): Theme | undefined {
    return entity.themes.find((theme) => !this.off.has(theme));
  }

  switch(theme: Theme, on: boolean): void {
    const off = THEMES.filter((one) => (one === theme ? !on : this.off.has(one)));
    address.note({ off: off.length === 0 ? undefined : off.join(",") });
  }

  type(search: string): void {
    address.note({ q: search === "" ? undefined : search });
  }

  /** Fetches the ids of the sensors, once: only a search needs them. */
  async learnSensors(): Promise<void> {
    if (this.#asked) return;
    this.#asked = true;
    const sensors = new Map<string, string>();
    const fetching = async () => {
      let count = 0;
      for await (const { entityId, sensorId } of openTwin().items("/v1/datastreams", { limit: 500 })) {
        sensors.set(entityId, `${sensors.get(entityId) ?? ""} ${sensorId}`);
        if ((count += 1) === DATASTREAMS_MAX) break;
      }
    };
    try {
      await fetched(entitySentences().theSensors, fetching());
      this.#sensors = sensors;
    } catch (error) {
      // The search works without sensors, and asks again when it is used again.
      if (!(error instanceof Problem)) throw error;
      this.#asked = false;
    }
  }

  #textOf(entity: Entity): string {
    const { id, name, type, themes, properties } = entity;
    return [
      name,
      id,
      type,
      typeName(type),
      ...themes.map((theme) => `${theme} ${entitySentences().themeNames[theme]}`),
      ...properties.flatMap(propertyLabels),
      this.#sensors.get(id) ?? "",
    ].join(" ");
  }
}

export const finder = new Finder();

function isTheme(name: string): name is Theme {
  return THEMES.some((one) => one === name);
}

/** Returns the ids of an area and of all that lies in it. */
function within(area: string): Set<string> {
  const inside = new Set([area]);
  for (const { id } of live.entities.values()) {
    const line: string[] = [];
    for (let at: string | undefined = id; at !== undefined && !line.includes(at); at = live.entities.get(at)?.parent) {
      line.push(at);
      if (inside.has(at)) {
        for (const one of line) inside.add(one);
        break;
      }
    }
  }
  return inside;
}
