/** The present values of the entities. Bounded by the entities and their properties. */

import type { Entity } from "../entities/entity";
import { FRESHNESSES, freshest, type Freshness } from "../entities/freshness";
import { rankOf } from "../entities/quantity";

/** The value of one property of one entity. */
export interface Value {
  readonly value: number;
  /** UCUM. */
  readonly unit: string;
  /** Epoch milliseconds. */
  readonly phenomenonTime: number;
  readonly quality: string;
  readonly freshness: Freshness;
  readonly revision: number;
  /** Sensors or connections behind it. */
  readonly count: number;
  /** The newest good value, next to a suspect one. */
  readonly lastGood: { readonly value: number; readonly phenomenonTime: number } | undefined;
}

export interface StateEvent extends Value {
  readonly entityId: string;
  readonly property: string;
}

export type Counts = Record<Freshness, number>;

/** The largest number of entities with values that the model does not contain (yet). */
const UNKNOWN_ENTITIES_MAX = 1000;

export class EntityValues {
  readonly entities = new Map<string, Entity>();
  readonly #values = new Map<string, Map<string, Value>>();
  /** Values of the snapshot being received; undefined outside a snapshot. */
  #snapshot: Set<string> | undefined;
  #unknown = 0;

  /** Replaces the entities by those of the model. */
  load(entities: Iterable<Entity>): void {
    this.entities.clear();
    for (const entity of entities) this.entities.set(entity.id, entity);
    this.#unknown = 0;
    for (const id of this.#values.keys()) if (!this.entities.has(id)) this.#values.delete(id);
  }

  /** Adds one value of a snapshot. Values missing in the whole snapshot are removed at its end. */
  addFromSnapshot(event: StateEvent): void {
    this.#snapshot ??= new Set();
    this.#snapshot.add(key(event.entityId, event.property));
    this.#keep(event);
  }

  /** Ends a snapshot; returns the entities that lost a value. */
  endSnapshot(): string[] {
    const named = this.#snapshot ?? new Set<string>();
    this.#snapshot = undefined;
    const changed: string[] = [];
    for (const [id, values] of this.#values) {
      const before = values.size;
      for (const property of values.keys()) if (!named.has(key(id, property))) values.delete(property);
      if (values.size !== before) changed.push(id);
      if (values.size === 0) this.#values.delete(id);
    }
    return changed;
  }

  /** Applies a change; returns false for a repeated or older one. */
  apply(event: StateEvent): boolean {
    const known = this.#values.get(event.entityId)?.get(event.property);
    if (known !== undefined && isOlder(event, known)) return false;
    if (
      known !== undefined &&
      event.revision === known.revision &&
      event.freshness === known.freshness &&
      event.value === known.value
    )
      return false;
    return this.#keep(event);
  }

  /** Returns the values of an entity by property, the most important ones first. */
  valuesOf(entityId: string): ReadonlyMap<string, Value> {
    return this.#values.get(entityId) ?? NO_VALUES;
  }

  /**
   * Returns the freshness of an entity; "silent" for one whose sensors never reported, undefined for one that has
   * neither sensors nor values. Roll-ups do not count for an entity with sensors.
   */
  freshnessOf(entity: Entity): Freshness | undefined {
    const own = entity.properties.length > 0;
    const freshnesses: Freshness[] = [];
    for (const [property, value] of this.valuesOf(entity.id))
      if (!own || entity.properties.includes(property)) freshnesses.push(value.freshness);
    return freshest(freshnesses) ?? (own ? "silent" : undefined);
  }

  counts(): Counts {
    const counts: Counts = { live: 0, stale: 0, silent: 0 };
    for (const entity of this.entities.values()) {
      const freshness = this.freshnessOf(entity);
      if (freshness !== undefined) counts[freshness] += 1;
    }
    return counts;
  }

  #keep(event: StateEvent): boolean {
    let values = this.#values.get(event.entityId);
    if (values === undefined) {
      if (!this.entities.has(event.entityId)) {
        if (this.#unknown >= UNKNOWN_ENTITIES_MAX) return false;
        this.#unknown += 1;
      }
      values = new Map();
      this.#values.set(event.entityId, values);
    }
    const isNew = !values.has(event.property);
    values.set(event.property, event);
    if (isNew) {
      const sorted = [...values].sort(([one], [other]) => rankOf(one) - rankOf(other));
      this.#values.set(event.entityId, new Map(sorted));
    }
    return true;
  }
}

/** Values that are played from history have no revision, and come in order. */
function isOlder(event: StateEvent, known: Value): boolean {
  if (event.revision > 0) return event.revision < known.revision;
  if (event.phenomenonTime === known.phenomenonTime) return event.value === known.value;
  return event.phenomenonTime < known.phenomenonTime;
}

/** Returns the state event of a message's data, or undefined for data without a value. */
export function stateEventOf(data: Record<string, unknown>): StateEvent | undefined {
  const { entityId, property, value, unit, phenomenonTime, quality, freshness, revision, count, lastGood } = data;
  if (typeof entityId !== "string" || typeof property !== "string" || typeof value !== "number") return undefined;
  const time = Date.parse(String(phenomenonTime));
  if (Number.isNaN(time)) return undefined;
  return {
    entityId,
    property,
    value,
    unit: String(unit ?? "1"),
    phenomenonTime: time,
    quality: String(quality ?? "good"),
    freshness: FRESHNESSES.find((one) => one === freshness) ?? "silent",
    revision: Number(revision ?? 0),
    count: Number(count ?? 1),
    lastGood: lastGoodOf(lastGood),
  };
}

function lastGoodOf(data: unknown): Value["lastGood"] {
  if (typeof data !== "object" || data === null) return undefined;
  const { value, phenomenonTime } = data as Record<string, unknown>;
  const time = Date.parse(String(phenomenonTime));
  return typeof value === "number" && !Number.isNaN(time) ? { value, phenomenonTime: time } : undefined;
}

export const NO_VALUES: ReadonlyMap<string, Value> = new Map();

function key(entityId: string, property: string): string {
  return `${entityId}\n${property}`;
}
