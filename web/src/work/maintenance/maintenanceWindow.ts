/** Maintenance windows: what the API has of them, and their changes. */

import { done, fetched } from "../../http/problem";
import { put, remove } from "../../http/send";
import { openTwin, ownTwin } from "../../http/twin";
import { session } from "../../session/session.svelte";
import { maintenanceSentences } from "./sentences";

export interface Occurrence {
  readonly start: string;
  /** Null while it is open. */
  readonly end: string | null;
}

/** The members of the answer that the page uses; a missing one has its default. */
export interface WindowContent {
  readonly id: string;
  readonly title: string;
  readonly note?: string;
  readonly sensors?: readonly string[];
  readonly entities?: readonly string[];
  readonly areas?: readonly string[];
  readonly properties?: readonly string[];
  readonly start: string;
  readonly end?: string;
  readonly recurrence?: { readonly rule: string; readonly exdates?: readonly string[] };
}

export interface MaintenanceWindow extends WindowContent {
  readonly active: boolean;
  readonly occurrences: readonly Occurrence[];
  readonly version: number;
  readonly origin: "api" | "folder" | null;
  readonly changedTime: string | null;
  readonly changedBy: string | null;
}

/** The largest number of windows that a city has. */
const WINDOWS_MAX = 1000;
/** Occurrences that are fetched of each window: enough for a month of a daily one. */
const OCCURRENCES = 31;

/** Fetches the windows in force, by id. Raises Problem. */
export async function fetchWindows(signal: AbortSignal): Promise<readonly MaintenanceWindow[]> {
  const twin = session.isSignedIn ? ownTwin() : openTwin();
  const address = `/v1/maintenance-windows?limit=${WINDOWS_MAX}&occurrences=${OCCURRENCES}`;
  return ((await fetched(maintenanceSentences().theWindows, twin.follow(address, { signal }))) as { items: MaintenanceWindow[] }).items;
}

/** Puts a window into force; `version` is the one that was edited, undefined for a new one. Raises Problem. */
export async function putWindow(window: WindowContent, version: number | undefined): Promise<MaintenanceWindow> {
  const condition: Record<string, string> = version === undefined ? { "If-None-Match": "*" } : { "If-Match": `"${version}"` };
  return (await done(put(pathOf(window.id), window, condition))).body as MaintenanceWindow;
}

/** Puts a window out of force; what it covered is judged again. Raises Problem. */
export function deleteWindow(id: string, version: number): Promise<void> {
  return done(remove(pathOf(id), { "If-Match": `"${version}"` }));
}

const pathOf = (id: string) => `/v1/maintenance-windows/${encodeURIComponent(id)}`;
