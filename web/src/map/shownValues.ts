/** Which entities have the value that the map shows, and which areas are filled by it. Pure. */

import type { Entity } from "../entities/entity";
import type { Value } from "../live/entityValues";
import { THEMES, type Theme } from "./theme";
import { classesOf, type ValueClasses } from "./valueClasses";

const AREA_PREFIX = "area_";

export interface ShownValues {
  readonly property: string;
  /** UCUM. */
  readonly unit: string;
  readonly classes: ValueClasses;
  readonly byEntity: ReadonlyMap<string, Value>;
  /** Areas in which a smaller area has a value: only the smallest are filled. */
  readonly covered: ReadonlySet<string>;
  /** The newest time of a value, in epoch milliseconds. */
  readonly newest: number | undefined;
}

type ValuesOf = (entityId: string) => ReadonlyMap<string, Value>;

/** Returns what the entities have of a value; an area that does not have it itself has its roll-up. */
export function shownValuesOf(property: string, entities: ReadonlyMap<string, Entity>, valuesOf: ValuesOf): ShownValues {
  const byEntity = new Map<string, Value>();
  const covered = new Set<string>();
  let newest: number | undefined;
  let unit = "";
  for (const entity of entities.values()) {
    const values = valuesOf(entity.id);
    const value = values.get(property) ?? values.get(AREA_PREFIX + property);
    if (value === undefined) continue;
    byEntity.set(entity.id, value);
    unit = value.unit;
    newest = Math.max(newest ?? -Infinity, value.phenomenonTime);
    if (isArea(entity))
      for (let at = entity.parent; at !== undefined && !covered.has(at); at = entities.get(at)?.parent) covered.add(at);
  }
  const numbers = [...byEntity.values()].map((one) => one.value);
  return { property, unit, classes: classesOf(property, numbers), byEntity, covered, newest };
}

/**
 * Returns the names of all values that an entity has, without roll-ups, which go with what they are of, each with the
 * theme that most of its entities have.
 */
export function namesOf(entities: ReadonlyMap<string, Entity>, valuesOf: ValuesOf): Map<string, Theme | undefined> {
  const counts = new Map<string, Map<Theme, number>>();
  for (const { id, themes } of entities.values())
    for (const full of valuesOf(id).keys()) {
      const name = full.startsWith(AREA_PREFIX) ? full.slice(AREA_PREFIX.length) : full;
      const ofName = counts.get(name) ?? new Map<Theme, number>();
      counts.set(name, ofName);
      for (const theme of themes) ofName.set(theme, (ofName.get(theme) ?? 0) + 1);
    }
  return new Map([...counts].map(([name, ofName]) => [name, mostOf(ofName)]));
}

function mostOf(counts: ReadonlyMap<Theme, number>): Theme | undefined {
  return THEMES.filter((one) => counts.has(one)).sort((one, other) => counts.get(other)! - counts.get(one)!)[0];
}

export function isArea({ geometry }: Entity): boolean {
  return geometry?.type === "Polygon" || geometry?.type === "MultiPolygon";
}
