/** The values of the chart of an alarm: over its window, from before it was raised until it was over, or now. */

import { fetched } from "../../http/problem";
import { openTwin } from "../../http/twin";
import { propertyOf, timeOf } from "../alarm";
import type { Operand } from "../alarmApi";
import { cardSentences } from "./sentences";

/** Times in epoch seconds, as the chart needs them; null where nothing was measured. */
export interface Series {
  readonly times: readonly number[];
  readonly values: readonly (number | null)[];
}

/** Epoch milliseconds. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The windows that a rule compares: their length in milliseconds, and the aggregate of each. */
export interface Windows {
  readonly length: number;
  readonly aggregate: "mean" | "sum" | "last" | "min" | "max";
}

/** Returns the windows that an operand is one of; undefined for a single value. Raises Problem. */
export async function windowsOf(operand: Operand, signal: AbortSignal): Promise<Windows | undefined> {
  const { window } = operand;
  if (window === undefined) return undefined;
  const length = window.end - window.start;
  if (window.statistic !== "value") return { length, aggregate: window.statistic === "maximum" ? "max" : "min" };
  const name = propertyOf(operand.name);
  const { aggregation } = await fetched(cardSentences().theChart, openTwin().get("/v1/properties/{name}", { name }, { signal }));
  // A counter is summed by its growth, and the mean of directions is their vector's: both are that of the API's mean.
  return { length, aggregate: aggregation === "sum" || aggregation === "max" || aggregation === "last" ? aggregation : "mean" };
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** An alarm may stand for months; the chart has its last month. */
const SPAN_MAX_MS = 31 * DAY_MS;
/** So much is shown before and after what happened, at least. */
const MARGIN_MS = HOUR_MS;

/** Lengths of buckets with the longest span that has a readable number of them. */
const INTERVALS: readonly (readonly [spanMax: number, interval: string, length: number])[] = [
  [6 * HOUR_MS, "PT1M", MINUTE_MS],
  [2 * DAY_MS, "PT10M", 10 * MINUTE_MS],
  [Infinity, "PT1H", HOUR_MS],
];

/** What happened to the alarm; `now` is the moment that the page shows. */
export interface Course {
  readonly raised: number | undefined;
  readonly returned: number | undefined;
  readonly onDelay: number;
  readonly now: number;
}

/** Returns the span of the chart: the delay and some windows (of this length) before it was raised are in it. */
export function spanOf({ raised, returned, onDelay, now }: Course, window = 0): Span {
  const end = returned === undefined ? now : Math.min(now, returned + MARGIN_MS);
  const start = Math.min(raised ?? now, end) - onDelay - Math.max(MARGIN_MS, 4 * window);
  return { start: Math.max(start, end - SPAN_MAX_MS), end };
}

/** Fetches the values of a span; with windows they are of buckets of that length, as the rule compares them. Raises Problem. */
export async function fetchSeries(
  entityId: string,
  property: string,
  span: Span,
  windows: Windows | undefined,
  signal: AbortSignal,
): Promise<Series> {
  const wide = span.end - span.start;
  const fitting = INTERVALS.find(([spanMax]) => wide <= spanMax)!;
  const asked = INTERVALS.find(([, , length]) => length === windows?.length);
  const [, interval, length] = asked !== undefined && asked[2] >= fitting[2] ? asked : fitting;
  // Longer buckets than the windows of the rule: a sum over them would be another quantity.
  const aggregate = asked?.[2] === length ? (windows?.aggregate ?? "mean") : "mean";
  const start = new Date(Math.floor(span.start / length) * length).toISOString();
  const answer = openTwin().get(
    "/v1/entities/{id}/history",
    { id: entityId, property, start, end: new Date(span.end).toISOString(), interval, aggregate: [aggregate], limit: 1000 },
    { signal },
  );
  const { buckets = [] } = await fetched(cardSentences().theChart, answer);
  const points = buckets.flatMap((one) => {
    const time = timeOf(one.start);
    return time === undefined ? [] : [{ time: Math.min(time + length / 2, span.end), value: one[aggregate] ?? null }];
  });
  return withGaps(points, length);
}

/** A gap of more than some buckets is shown as one: values that come each ten minutes are not torn apart. */
const GAP_BUCKETS = 3;
const GAP_MS_MIN = 25 * MINUTE_MS;

/** Returns a series with a null where nothing was measured for long. Times in epoch milliseconds. */
export function withGaps(points: readonly { readonly time: number; readonly value: number | null }[], length: number): Series {
  const times: number[] = [];
  const values: (number | null)[] = [];
  for (const { time, value } of points) {
    const before = times.at(-1);
    if (before !== undefined && time - before * 1000 > Math.max(GAP_BUCKETS * length, GAP_MS_MIN)) {
      times.push(before + length / 1000);
      values.push(null);
    }
    times.push(time / 1000);
    values.push(value);
  }
  return { times, values };
}
