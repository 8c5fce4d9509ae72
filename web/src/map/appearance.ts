/** How an entity is drawn now: by its theme, or by the value that the map shows. Pure. */

import type { Entity } from "../entities/entity";
import type { Freshness } from "../entities/freshness";
import type { Value } from "../live/entityValues";
import { isArea, type ShownValues } from "./shownValues";
import type { Theme } from "./theme";

export interface Appearance {
  readonly entity: Entity;
  /** The theme that colours it; undefined while it is only background. */
  readonly theme: Theme | undefined;
  readonly freshness: Freshness | undefined;
  /** The value that the map shows, by whose class it is coloured. Areas that lie around smaller ones have none. */
  readonly value?: number | undefined;
  /** The value shown, or one of its values, is suspect. */
  readonly isDoubtful?: boolean;
}

/** What is known of an entity. */
export interface Known {
  readonly theme: Theme | undefined;
  readonly freshness: Freshness | undefined;
  readonly values: ReadonlyMap<string, Value>;
}

/** Returns the appearance of an entity; by the value shown, where there is one, else by its theme. */
export function appearanceOf(entity: Entity, { theme, freshness, values }: Known, shown: ShownValues | undefined): Appearance {
  if (shown === undefined) return { entity, theme, freshness, isDoubtful: [...values.values()].some(isSuspect) };
  const value = shown.byEntity.get(entity.id);
  if (value === undefined || (isArea(entity) && shown.covered.has(entity.id))) return { entity, theme, freshness };
  return { entity, theme, freshness: value.freshness, value: value.value, isDoubtful: isSuspect(value) };
}

function isSuspect({ quality }: Value): boolean {
  return quality === "suspect";
}
