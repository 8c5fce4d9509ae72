/** The liveability card of an area: score, value and source of each domain. */

import type { Schemas } from "livetwin-client";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import { entitySentences } from "./sentences";

const AREA_TYPES = ["Municipality", "District", "Neighbourhood"];

export type DomainScore = Schemas["DomainScore"];

export function isArea(type: string): boolean {
  return AREA_TYPES.includes(type);
}

/** Fetches the domains of the card of an area. Raises Problem. */
export async function fetchDomains(id: string, signal: AbortSignal): Promise<readonly DomainScore[]> {
  const answer = openTwin().get("/v1/entities/{id}/liveability", { id }, { signal });
  return (await fetched(entitySentences().theCard, answer)).domains;
}
