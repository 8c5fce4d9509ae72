/** The values of a chart: means with their lowest and highest values, or single readings; gaps stay gaps. */

import type { Schemas } from "livetwin-client";
import { fetched, Problem } from "../http/problem";
import { openTwin } from "../http/twin";
import type { Value } from "../live/entityValues";
import { resolutionOf, type ChartRange, type Resolution } from "./chartRange";
import { entitySentences } from "./sentences";

/** Columns of one length. Times are epoch seconds, as the chart needs them; null where nothing was measured. */
export interface ValueSeries {
  readonly times: number[];
  readonly means: (number | null)[];
  readonly lows: (number | null)[];
  readonly highs: (number | null)[];
  readonly resolution: Resolution;
  /** Readings that were left out because they are suspect. */
  readonly suspect: number;
}

type History = Pick<Schemas["History"], "buckets" | "observations">;

/** Readings of one chart; a sensor that reports each second has 10,800 in three hours. */
const READINGS_MAX = 12_000;
const READINGS_PAGE = 5000;
/** The largest number of points of a live tail: a sensor that reports each second must not fill the memory. */
export const POINTS_MAX = READINGS_MAX;

/** Fetches the values of a range. Readings that are personal come as published sums. Raises Problem. */
export async function fetchSeries(id: string, property: string, range: ChartRange, signal: AbortSignal): Promise<ValueSeries> {
  const what = entitySentences().theValues;
  const resolution = resolutionOf(range);
  try {
    return await fetched(what, read(id, property, range, resolution, signal));
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 403 || resolution.interval !== undefined) throw error;
    const published = { interval: "PT10M", length: 600_000 };
    return fetched(what, read(id, property, range, published, signal));
  }
}

async function read(
  id: string,
  property: string,
  { start, end }: ChartRange,
  resolution: Resolution,
  signal: AbortSignal,
): Promise<ValueSeries> {
  const span = { property, start: new Date(start).toISOString(), end: new Date(end).toISOString() };
  const { interval } = resolution;
  if (interval !== undefined) {
    const answer = await openTwin().get("/v1/entities/{id}/history", { ...span, id, interval, aggregate: ["mean", "min", "max"] }, { signal });
    return bucketSeries(answer, resolution, end);
  }
  const observations: Schemas["StoredValue"][] = [];
  for await (const page of openTwin().history(id, { ...span, limit: READINGS_PAGE }, { signal })) {
    observations.push(...(page.observations ?? []));
    if (observations.length >= READINGS_MAX) break;
  }
  return readingSeries({ observations }, resolution);
}

/** Returns the series of buckets; a point stands in the middle of its bucket, and not after `end`. */
export function bucketSeries({ buckets = [] }: History, resolution: Resolution, end: number): ValueSeries {
  const series = emptySeries(resolution);
  let suspect = 0;
  let before: number | undefined;
  for (const bucket of buckets) {
    const from = Date.parse(bucket.start);
    const to = Date.parse(bucket.end);
    suspect += bucket.suspect;
    if (bucket.mean == null) continue;
    if (before !== undefined && from > before) addGap(series, before / 1000);
    series.times.push(Math.min((from + to) / 2, end) / 1000);
    series.means.push(bucket.mean);
    series.lows.push(bucket.min ?? bucket.mean);
    series.highs.push(bucket.max ?? bucket.mean);
    before = to;
  }
  return { ...series, suspect };
}

/** A gap is a time without readings of so many of the usual distances between two. */
const GAP_DISTANCES = 2.5;

/** Returns the series of single readings; those that are not usable are left out. */
export function readingSeries({ observations = [] }: History, resolution: Resolution): ValueSeries {
  const usable = observations.filter((one) => isUsable(one));
  const times = usable.map((one) => Date.parse(one.phenomenonTime) / 1000);
  const distances = times.slice(1).map((time, index) => time - times[index]!).filter((one) => one > 0).sort((a, b) => a - b);
  const gap = (distances[Math.floor(distances.length / 2)] ?? Infinity) * GAP_DISTANCES;
  const series = emptySeries(resolution);
  for (const [index, { value }] of usable.entries()) {
    const time = times[index]!;
    const before = series.times.at(-1);
    // Several sensors of one place may measure at one time: the chart has one point of it, with their range.
    if (before === time) {
      const last = series.times.length - 1;
      series.lows[last] = Math.min(series.lows[last]!, value);
      series.highs[last] = Math.max(series.highs[last]!, value);
      series.means[last] = (series.lows[last] + series.highs[last]) / 2;
      continue;
    }
    if (before !== undefined && time - before > gap) addGap(series, (before + time) / 2);
    push(series, time, value);
  }
  return { ...series, suspect: observations.length - usable.length };
}

/** Adds a live value that is newer than the series. Returns the series, without what is older than its range. */
export function goneOn(series: ValueSeries, time: number, value: number, length: number): ValueSeries {
  const last = series.times.at(-1);
  if (last !== undefined && time < last) return series;
  const { times, means, lows, highs } = series;
  const inRange = times.findIndex((one) => one >= time - length);
  const from = Math.max(inRange === -1 ? times.length : inRange, times.length - POINTS_MAX + 1);
  const until = last === time ? times.length - 1 : times.length;
  return {
    ...series,
    times: [...times.slice(from, until), time],
    means: [...means.slice(from, until), value],
    lows: [...lows.slice(from, until), value],
    highs: [...highs.slice(from, until), value],
  };
}

/** Lowest and highest value and the mean; undefined without any. */
export function summaryOf(series: ValueSeries): { low: number; mean: number; high: number; count: number } | undefined {
  const known = (values: readonly (number | null)[]) => values.filter((one) => one !== null);
  const means = known(series.means);
  if (means.length === 0) return undefined;
  const low = known(series.lows).reduce((one, other) => Math.min(one, other), Infinity);
  const high = known(series.highs).reduce((one, other) => Math.max(one, other), -Infinity);
  return { low, high, mean: means.reduce((sum, one) => sum + one, 0) / means.length, count: means.length };
}

/** Whether a value takes part in means, and so belongs in a chart. */
export function isUsable({ quality }: Pick<Value, "quality">): boolean {
  return quality !== "suspect" && quality !== "maintenance";
}

function emptySeries(resolution: Resolution): ValueSeries {
  return { times: [], means: [], lows: [], highs: [], resolution, suspect: 0 };
}

function push(series: ValueSeries, time: number, value: number | null): void {
  series.times.push(time);
  series.means.push(value);
  series.lows.push(value);
  series.highs.push(value);
}

function addGap(series: ValueSeries, time: number): void {
  if (time > (series.times.at(-1) ?? -Infinity)) push(series, time, null);
}
