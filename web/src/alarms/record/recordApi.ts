/** The record of alarms: what happened in a period, and the statistics of the alarm system. Times are epoch milliseconds. */

import { ConnectionError, ProblemError, type Schemas } from "livetwin-client";
import { fetched } from "../../http/problem";
import { ownTwin } from "../../http/twin";
import type { Bilingual } from "../../language/language.svelte";
import { session } from "../../session/session.svelte";
import { SEVERITIES, timeOf, type Severity } from "../alarm";
import { recordSentences } from "./sentences";

export interface RecordedEvent {
  readonly key: string;
  readonly time: number;
  readonly toldTime: number;
  readonly alarmId: string;
  readonly entityId: string;
  readonly kind: string;
  readonly severity: Severity;
  readonly sentence: Bilingual;
  readonly actor: string | undefined;
  readonly text: string | undefined;
}

export interface Period {
  readonly start: number;
  readonly end: number;
}

/** Which events: of the places in an area, of a theme. */
export interface RecordFilter {
  readonly within: string | undefined;
  readonly theme: string | undefined;
}

export interface RecordPage {
  /** Newest first. */
  readonly events: readonly RecordedEvent[];
  /** Whether the period has more than is answered: the newest ones are missing then. */
  readonly isTruncated: boolean;
}

/** The largest number of events of one period. */
export const EVENTS_MAX = 2000;
/** What was published later than this is not in a download yet. */
export const DELAY_MS = 30_000;

/** Fetches the events that were published in a period. Raises Problem. */
export async function fetchRecord(period: Period, filter: RecordFilter, signal: AbortSignal): Promise<RecordPage> {
  const rows = await fetched(recordSentences().theRecord, download(period, filter, signal));
  const events = rows.flatMap(eventOf).reverse();
  return { events, isTruncated: rows.length === EVENTS_MAX };
}

/** Fetches the statistics of a period. Raises Problem. */
export function fetchStatistics(period: Period, operators: number, signal: AbortSignal): Promise<Schemas["AlarmStatistics"]> {
  const query = { start: new Date(period.start).toISOString(), end: new Date(period.end).toISOString(), operators };
  return fetched(recordSentences().theStatistics, ownTwin().get("/v1/alarms/_statistics", query, { signal }));
}

/** The client reads JSON; a download is JSON lines. */
async function download(period: Period, filter: RecordFilter, signal: AbortSignal): Promise<Schemas["AlarmEventRow"][]> {
  const url = new URL("/v1/alarm-events", location.origin);
  const { searchParams } = url;
  searchParams.set("start", new Date(period.start).toISOString());
  searchParams.set("end", new Date(period.end).toISOString());
  searchParams.set("limit", String(EVENTS_MAX));
  if (filter.within !== undefined) searchParams.set("parent", filter.within);
  if (filter.theme !== undefined) searchParams.set("theme", filter.theme);
  const headers: Record<string, string> = { Accept: "application/jsonl" };
  if (session.key !== "") headers["Authorization"] = `Bearer ${session.key}`;
  let response: Response;
  try {
    response = await fetch(url, { headers, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ConnectionError(`${url.origin} does not answer`, { cause: error });
  }
  if (!response.ok) throw new ProblemError(response.status, undefined, 0);
  return parseLines(await response.text());
}

/** Returns the objects of JSON lines. */
export function parseLines(text: string): Schemas["AlarmEventRow"][] {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Schemas["AlarmEventRow"]);
}

function eventOf(row: Schemas["AlarmEventRow"]): RecordedEvent[] {
  const severity = SEVERITIES.find((one) => one === row.severity);
  const told = timeOf(row.toldTime);
  if (severity === undefined || told === undefined) return [];
  return [
    {
      key: `${row.alarmId} ${row.revision} ${row.amendment}`,
      time: timeOf(row.time) ?? told,
      toldTime: told,
      alarmId: row.alarmId,
      entityId: row.entityId,
      kind: row.kind,
      severity,
      sentence: { en: row.sentenceEn, nl: row.sentenceNl },
      actor: row.actor || undefined,
      text: row.text || undefined,
    },
  ];
}
