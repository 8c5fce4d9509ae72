/** The value that the map shows, from the address: its classes, and what each place has of it. */

import { address } from "../app/address.svelte";
import type { Entity } from "../entities/entity";
import type { Value } from "../live/entityValues";
import { live } from "../live/live.svelte";
import { clock } from "../live/clock.svelte";
import { moment } from "../time/moment.svelte";
import { classesOf, type ValueClasses } from "./valueClasses";

const AREA_PREFIX = "area_";
/** Time between two looks at the values: the map is no list, and drawing a city takes a while. */
const LOOK_MS = 2000;

export interface ShownValues {
  readonly property: string;
  readonly unit: string;
  readonly classes: ValueClasses;
  readonly byEntity: ReadonlyMap<string, Value>;
  /** Areas in which a smaller area has a value: only the smallest are filled. */
  readonly covered: ReadonlySet<string>;
  /** The newest time of a value, in epoch milliseconds. */
  readonly newest: number | undefined;
}

class ShownValue {
  /** The name of the value; undefined while places have the colours of their themes. */
  readonly property = $derived(address.get("show"));

  /** Names of all values that a place has, without roll-ups, which go with what they are of. */
  readonly offered = $derived.by(() => {
    void live.layout;
    const names = new Set<string>();
    for (const { id } of live.entities.values()) for (const name of live.cell(id).values.keys()) names.add(withoutPrefix(name));
    if (this.property !== undefined) names.add(this.property);
    return [...names];
  });

  readonly #look = $derived(moment.isPast ? live.layout : Math.floor(clock.now / LOOK_MS));

  /** What the map shows now; renewed every two seconds, and with each scene of the past. */
  readonly values = $derived.by<ShownValues | undefined>(() => {
    const { property } = this;
    if (property === undefined) return undefined;
    void this.#look;
    return look(property, live.entities);
  });

  choose(property: string): void {
    address.go({ show: property === "" ? undefined : property });
  }
}

function look(property: string, entities: ReadonlyMap<string, Entity>): ShownValues {
  const byEntity = new Map<string, Value>();
  const covered = new Set<string>();
  let newest: number | undefined;
  let unit = "";
  for (const entity of entities.values()) {
    const value = valueOf(entity, property);
    if (value === undefined) continue;
    byEntity.set(entity.id, value);
    unit = value.unit;
    newest = Math.max(newest ?? -Infinity, value.phenomenonTime);
    if (isArea(entity))
      for (let at = entity.parent; at !== undefined && !covered.has(at); at = entities.get(at)?.parent) covered.add(at);
  }
  const values = [...byEntity.values()].map((one) => one.value);
  return { property, unit, classes: classesOf(property, values), byEntity, covered, newest };
}

function valueOf(entity: Entity, property: string): Value | undefined {
  const { values } = live.cell(entity.id);
  return values.get(property) ?? values.get(AREA_PREFIX + property);
}

export function isArea({ geometry }: Entity): boolean {
  return geometry?.type === "Polygon" || geometry?.type === "MultiPolygon";
}

function withoutPrefix(name: string): string {
  return name.startsWith(AREA_PREFIX) ? name.slice(AREA_PREFIX.length) : name;
}

export const shownValue = new ShownValue();
