/** Where a value comes from, step by step, as `GET /v1/entities/{id}/provenance` tells it. */

import type { Schemas } from "livetwin-client";
import { fetched } from "../../http/problem";
import { openTwin, ownTwin } from "../../http/twin";
import { session } from "../../session/session.svelte";
import { dataSentences } from "./sentences";

export type Provenance = Schemas["ObservedProvenance"] | Schemas["IndicatorProvenance"] | Schemas["RollUpProvenance"];
export type ObservationLineage = Schemas["ObservationLineage"];
export type LineageMessage = Schemas["LineageMessage"];

/** Returns the address of the provenance of a value; `time` (epoch milliseconds) is now by default. */
export function provenanceHref(entityId: string, property: string, time?: number): string {
  const query = new URLSearchParams({ property, ...(time === undefined ? {} : { time: new Date(time).toISOString() }) });
  return `/v1/entities/${encodeURIComponent(entityId)}/provenance?${query}`;
}

/** Fetches a provenance by its address, such as a link of an alarm's operand. Raises Problem. */
export async function fetchProvenance(href: string, signal: AbortSignal): Promise<Provenance> {
  const twin = session.isSignedIn ? ownTwin() : openTwin();
  return (await fetched(dataSentences().theOrigin, twin.follow(href, { signal }))) as Provenance;
}
