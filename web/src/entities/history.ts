/** History: the last day of one property, as means of ten minutes. */

import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import type { Value } from "../live/entityValues";
import { entitySentences } from "./sentences";

/** Times in epoch seconds, as the chart needs them; null for a time without a measurement. */
export interface Series {
  times: number[];
  values: (number | null)[];
}

export const DAY_S = 24 * 60 * 60;
const INTERVAL_S = 600;

interface Answer {
  buckets?: readonly { start: string; mean?: number | null }[];
}

/** Fetches the means of the day before `now` (epoch milliseconds). Raises Problem. */
export async function fetchDay(entityId: string, property: string, now: number, signal: AbortSignal): Promise<Series> {
  const start = new Date(now - DAY_S * 1000).toISOString();
  const end = new Date(now).toISOString();
  const answer = openTwin().get(
    "/v1/entities/{id}/history",
    { id: entityId, property, start, end, interval: "PT10M", aggregate: ["mean"] },
    { signal },
  );
  const series = seriesOf(await fetched(entitySentences().theDay, answer));
  // The middle of the last bucket may lie in the future; live values must still come after it.
  series.times = series.times.map((time) => Math.min(time, now / 1000));
  return series;
}

/** Returns the series of the buckets, with a null where buckets are missing. */
export function seriesOf(answer: Answer): Series {
  const series: Series = { times: [], values: [] };
  for (const bucket of answer.buckets ?? []) {
    const time = Date.parse(bucket.start) / 1000 + INTERVAL_S / 2;
    const before = series.times.at(-1);
    if (before !== undefined && time - before > 2 * INTERVAL_S) {
      series.times.push(before + INTERVAL_S);
      series.values.push(null);
    }
    series.times.push(time);
    series.values.push(bucket.mean ?? null);
  }
  return series;
}

/** Adds a live value that is newer than the series, and drops values older than a day. */
export function append(series: Series, time: number, value: number): void {
  const last = series.times.at(-1);
  if (last !== undefined && time < last) return;
  if (last === time) {
    series.values[series.values.length - 1] = value;
    return;
  }
  series.times.push(time);
  series.values.push(value);
  thin(series);
  while (series.times[0]! < time - DAY_S) {
    series.times.shift();
    series.values.shift();
  }
}

/** The largest number of points of a chart: a sensor that reports each second must not fill the memory. */
const POINTS_MAX = 2000;

/** Drops every second point of the newer half once there are too many. */
function thin(series: Series): void {
  if (series.times.length <= POINTS_MAX) return;
  const from = series.times.length / 2;
  const keep = (_: unknown, index: number) => index < from || index % 2 === 0 || index === series.times.length - 1;
  const values = series.values.filter(keep);
  series.times = series.times.filter(keep);
  series.values = values;
}

/** Whether a value is used in means, and so belongs in the chart of means. */
export function isUsable(value: Value): boolean {
  return value.quality !== "suspect" && value.quality !== "maintenance";
}
