/** The duty roster and the messages to people. */

import type { Schemas } from "livetwin-client";
import { done, fetched } from "../../http/problem";
import { remove } from "../../http/send";
import { ownTwin } from "../../http/twin";
import { dutySentences } from "./sentences";

export type OnCall = Schemas["OnCall"];
export type Shift = Schemas["DutyShift"];
export type Override = Schemas["DutyOverride"];
export type Notification = Schemas["Notification"];
export type Incident = Schemas["Incident"];
export type Outcome = Notification["outcome"];

export const OUTCOMES: readonly Outcome[] = ["sending", "sent", "failed", "given-up", "withdrawn"];

/** The largest number of messages, and of open incidents, that are fetched at a time. */
const ITEMS_MAX = 500;

const iso = (time: number) => new Date(time).toISOString();

/** Fetches who is on call at a time, of each team. Raises Problem. */
export async function fetchOnCall(at: number | undefined, signal: AbortSignal): Promise<readonly OnCall[]> {
  const query = at === undefined ? {} : { at: iso(at) };
  return (await fetched(dutySentences().theOnCall, ownTwin().get("/v1/duty/on-call", query, { signal }))).items;
}

/** Fetches the shifts between two times. Raises Problem. */
export async function fetchShifts(start: number, end: number, signal: AbortSignal): Promise<readonly Shift[]> {
  const answer = ownTwin().get("/v1/duty/roster", { start: iso(start), end: iso(end) }, { signal });
  return (await fetched(dutySentences().theRoster, answer)).items;
}

/** Fetches all overrides that are still to come, or were withdrawn lately. Raises Problem. */
export async function fetchOverrides(signal: AbortSignal): Promise<readonly Override[]> {
  return (await fetched(dutySentences().theOverrides, ownTwin().get("/v1/duty/overrides", {}, { signal }))).items;
}

/** Replaces who is on call between two times. Raises Problem. */
export async function createOverride(teamId: string, contactId: string, start: number, end: number, note: string): Promise<Override> {
  const body = { teamId, contactId, start: iso(start), end: iso(end), ...(note === "" ? {} : { note }) };
  return (await done(ownTwin().post("/v1/duty/overrides", {}, body))).body;
}

/** Withdraws an override; it stays on record. Raises Problem. */
export function withdrawOverride(id: string): Promise<void> {
  return done(remove(`/v1/duty/overrides/${encodeURIComponent(id)}`));
}

export interface MessageFilter {
  readonly outcome: Outcome | undefined;
  readonly contact: string | undefined;
  readonly incident: string | undefined;
}

/** Fetches the last messages to people, newest first. Raises Problem. */
export async function fetchMessages(filter: MessageFilter, signal: AbortSignal): Promise<readonly Notification[]> {
  const query = {
    limit: ITEMS_MAX,
    ...(filter.outcome === undefined ? {} : { outcome: [filter.outcome] }),
    ...(filter.contact === undefined ? {} : { contact: filter.contact }),
    ...(filter.incident === undefined ? {} : { incident: filter.incident }),
  };
  return (await fetched(dutySentences().theMessages, ownTwin().get("/v1/notifications", query, { signal }))).items;
}

/** Fetches the incidents that are open. Raises Problem. */
export async function fetchOpenIncidents(signal: AbortSignal): Promise<readonly Incident[]> {
  const answer = ownTwin().get("/v1/incidents", { open: true, limit: ITEMS_MAX }, { signal });
  return (await fetched(dutySentences().theIncidents, answer)).items;
}
