/** Reads a span of the past from the live stream, which plays stored history from `start` on. */

import { alarmOf, timeOf, type Alarm } from "../alarms/alarm";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import { stateEventOf } from "../live/entityValues";
import type { Span } from "./span";
import { HOUR_MS } from "./span";
import { timeSentences } from "./sentences";
import { Timeline, type IntervalOf } from "./timeline";

/** So much is played before a span, so that most places have a value where it begins. */
const LEAD_MS = 3 * HOUR_MS;
/** History that sends nothing for this long is played to its end. */
const QUIET_MS = 5000;
/** The largest number of datastreams and of alarms that are asked for: more than a city has. */
const ITEMS_MAX = 50_000;

/** Called with what is there so far, until the span is complete. */
export type TimelineListener = (timeline: Timeline, loadedTo: number, complete: boolean) => void;

/** Reads a span. Raises Problem. */
export function readTimeline(span: Span, listener: TimelineListener, signal: AbortSignal): Promise<void> {
  return fetched(timeSentences().thePast, read(span, listener, signal));
}

async function read(span: Span, listener: TimelineListener, signal: AbortSignal): Promise<void> {
  const start = span.start - LEAD_MS;
  const [intervals, standing] = await Promise.all([fetchIntervals(signal), fetchStanding(start, signal)]);
  const timeline = new Timeline(standing, intervals);
  const stop = new AbortController();
  const end = () => stop.abort();
  signal.addEventListener("abort", end, { once: true });
  let quiet = setTimeout(end, 4 * QUIET_MS);
  try {
    const query = { start: new Date(start).toISOString(), events: ["state", "alarm"] as ("state" | "alarm")[] };
    for await (const { event, data } of openTwin().live(query, { signal: stop.signal })) {
      if (event !== "state" && event !== "alarm") continue;
      clearTimeout(quiet);
      quiet = setTimeout(end, QUIET_MS);
      const values: Record<string, unknown> = data;
      const state = event === "state" ? stateEventOf(values) : undefined;
      const alarm = event === "alarm" ? alarmOf(values) : undefined;
      const known = timeOf(values["receivedTime"]) ?? timeOf(values["time"]);
      if (known === undefined) continue;
      // What has a revision comes from the log: history is over.
      if (known > span.end || (state !== undefined && state.revision > 0) || timeline.isFull) break;
      if (state !== undefined) timeline.add({ known, state });
      if (alarm !== undefined) timeline.add({ known, alarm });
      listener(timeline, known, false);
    }
  } catch (error) {
    // The end of history was waited for, not asked to be told.
    if (!stop.signal.aborted || signal.aborted) throw error;
  } finally {
    clearTimeout(quiet);
    signal.removeEventListener("abort", end);
    stop.abort();
  }
  listener(timeline, span.end, true);
}

/** The expected intervals of the datastreams, by entity and property. */
async function fetchIntervals(signal: AbortSignal): Promise<IntervalOf> {
  const intervals = new Map<string, number>();
  let count = 0;
  for await (const { entityId, property, interval } of openTwin().items("/v1/datastreams", { limit: 500 }, { signal })) {
    const key = `${entityId}\n${property}`;
    const length = durationMs(interval);
    if (length !== undefined) intervals.set(key, Math.min(length, intervals.get(key) ?? Infinity));
    if ((count += 1) === ITEMS_MAX) break;
  }
  return (entityId, property) => intervals.get(`${entityId}\n${property}`);
}

/** Alarms that were raised before a time and have not changed since, or stood longer than until then. */
async function fetchStanding(time: number, signal: AbortSignal): Promise<Alarm[]> {
  const standing: Alarm[] = [];
  let count = 0;
  for await (const document of openTwin().alarms({ limit: 500 }, { signal })) {
    const data: Record<string, unknown> = { ...document };
    const alarm = alarmOf(data);
    const returned = timeOf(data["returnedTime"]);
    if (alarm?.raisedTime !== undefined && alarm.raisedTime < time && (alarm.active || (returned !== undefined && returned > time)))
      // Any event of the span is newer.
      standing.push({ ...alarm, revision: -1, active: true, state: alarm.active ? alarm.state : "unacknowledged" });
    if ((count += 1) === ITEMS_MAX) break;
  }
  return standing;
}

/** Returns a duration of ISO 8601 in milliseconds: "PT10M", "PT1H30M", "P1D"; undefined for another text. */
export function durationMs(text: string): number | undefined {
  const parts = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text);
  if (parts === null || text === "P" || text.endsWith("T")) return undefined;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = parts;
  return (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}
