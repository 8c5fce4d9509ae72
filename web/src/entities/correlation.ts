/** Correlations of two values: what the API reckons, and the hourly means behind it, for a scatter plot. */

import type { Schemas } from "livetwin-client";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import { entitySentences } from "./sentences";

export type Correlation = Schemas["Correlation"];

/** One value of one place. */
export interface Operand {
  readonly entity: string;
  readonly property: string;
}

/** Hourly means of both, at the same hour or, with a lag, the second so many hours later. */
export interface Pair {
  readonly x: number;
  readonly y: number;
}

export interface Correlated {
  readonly correlation: Correlation;
  readonly pairs: readonly Pair[];
}

export const DAYS = 30;
/** Hours that one may follow the other by. */
const LAG = 24;
const HOUR_MS = 3_600_000;

/** Fetches the correlation of two values in the days before `end`, in epoch milliseconds. Raises Problem. */
export async function fetchCorrelation(x: Operand, y: Operand, end: number, signal: AbortSignal): Promise<Correlated> {
  const span = { start: new Date(end - DAYS * 24 * HOUR_MS).toISOString(), end: new Date(end).toISOString() };
  const name = ({ entity, property }: Operand) => `${entity}:${property}`;
  const means = ({ entity, property }: Operand) =>
    openTwin().get("/v1/entities/{id}/history", { ...span, id: entity, property, interval: "PT1H", aggregate: ["mean"] }, { signal });
  const all = Promise.all([openTwin().get("/v1/insights/correlations", { ...span, x: name(x), y: name(y), lag: LAG }, { signal }), means(x), means(y)]);
  const [correlation, first, second] = await fetched(entitySentences().theCorrelation, all);
  return { correlation, pairs: pairsOf(first.buckets ?? [], second.buckets ?? [], correlation.best?.lag ?? 0) };
}

type HourMean = Pick<Schemas["Bucket"], "start" | "mean">;

/** Returns the pairs of two series of hourly means, the second one taken `lag` hours later. */
export function pairsOf(first: readonly HourMean[], second: readonly HourMean[], lag: number): Pair[] {
  const later = new Map(second.map((one) => [Date.parse(one.start) - lag * HOUR_MS, one.mean]));
  return first.flatMap(({ start, mean: x }) => {
    const y = later.get(Date.parse(start));
    return x == null || y == null ? [] : [{ x, y }];
  });
}

/** Returns a function from values to places along an axis; a constant value lies in the middle. */
export function scale(values: readonly number[], from: number, to: number): (value: number) => number {
  const low = values.reduce((one, other) => Math.min(one, other), Infinity);
  const high = values.reduce((one, other) => Math.max(one, other), -Infinity);
  return (value) => (high > low ? from + ((value - low) / (high - low)) * (to - from) : (from + to) / 2);
}
