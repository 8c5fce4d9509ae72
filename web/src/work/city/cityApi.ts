/** The city folder in use, what is computed again, and what was changed over the API. */

import type { Schemas } from "livetwin-client";
import { fetched } from "../../http/problem";
import { openTwin, ownTwin } from "../../http/twin";
import { session } from "../../session/session.svelte";
import { citySentences } from "./sentences";

export type Recompute = Schemas["Recompute"];
export type AuditRecord = Schemas["AuditRecord"];

/** The members of `GET /v1/city` that the page uses. */
export interface CityAnswer {
  readonly id: string;
  readonly name: string;
  readonly timezone: string;
  readonly model: {
    readonly version: number;
    readonly appliedTime: string | null;
    readonly appliedBy: string | null;
    readonly changes: readonly { readonly kind: string; readonly action: string; readonly count: number }[] | null;
  };
}

/** What is in force and differs from the city folder. */
export interface Differences {
  readonly rules: readonly Schemas["Rule"][];
}

const RULES_MAX = 1000;
const RECOMPUTES_MAX = 100;
const RECORDS_MAX = 50;

const twin = () => (session.isSignedIn ? ownTwin() : openTwin());

/** Fetches what the city is, and the version of its model. Raises Problem. */
export async function fetchCity(signal: AbortSignal): Promise<CityAnswer> {
  return (await fetched(citySentences().theCity, twin().follow("/v1/city", { signal }))) as CityAnswer;
}

/** Fetches the rules that were changed over the API, and not by the folder. Raises Problem. */
export async function fetchDifferences(signal: AbortSignal): Promise<Differences> {
  const { items } = await fetched(citySentences().theDifferences, twin().get("/v1/rules", { limit: RULES_MAX }, { signal }));
  return { rules: items.filter((one) => one.origin === "api") };
}

/** Fetches what is computed again, newest first. Raises Problem. */
export async function fetchRecomputes(signal: AbortSignal): Promise<readonly Recompute[]> {
  return (await fetched(citySentences().theRecomputes, openTwin().get("/v1/recomputes", { limit: RECOMPUTES_MAX }, { signal }))).items;
}

/** Fetches the last records of who changed what. Raises Problem. */
export async function fetchRecords(signal: AbortSignal): Promise<readonly AuditRecord[]> {
  const answer = ownTwin().get("/v1/audit-records", { limit: RECORDS_MAX }, { signal });
  return (await fetched(citySentences().theRecords, answer)).items;
}
