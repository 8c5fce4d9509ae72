/** What the model says about one place beyond the list: attributes, relations, and the areas that it lies in. */

import type { Schemas } from "livetwin-client";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import { live } from "../live/live.svelte";
import type { LimitedPlace } from "./limits";
import { entitySentences } from "./sentences";

export type Relations = Schemas["Relations"];

export interface Place extends LimitedPlace {
  readonly related: Relations;
}

/** Fetches a place with its relations. Raises Problem. */
export async function fetchPlace(id: string, signal: AbortSignal): Promise<Place> {
  const both = Promise.all([
    openTwin().get("/v1/entities/{id}", { id }, { signal }),
    openTwin().get("/v1/entities/{id}/relations", { id }, { signal }),
  ]);
  const [entity, related] = await fetched(entitySentences().thePlace, both);
  return { id, type: entity.type, attributes: entity.attributes, relations: related.outgoing, related, line: lineOf(id) };
}

/** Returns the id of a place and of all areas that it lies in, the smallest first. */
export function lineOf(id: string): string[] {
  const line: string[] = [];
  for (let at: string | undefined = id; at !== undefined && !line.includes(at); at = live.entities.get(at)?.parent) line.push(at);
  return line;
}
