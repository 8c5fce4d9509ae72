/** Back-tests: what a rule would have raised, and how that differs from the rule in force. */

import type { Schemas } from "livetwin-client";
import { done, fetched } from "../../http/problem";
import { ownTwin } from "../../http/twin";
import { ruleSentences } from "./sentences";
import type { RuleDocument } from "./rule";

export type BacktestResult = Schemas["BacktestResult"];
type Firing = Schemas["Firing"];

/** How an episode differs from what the rule in force would have raised. */
export const CHANGES = ["added", "removed", "changed", "unchanged"] as const;
export type Change = (typeof CHANGES)[number];

export interface Episode {
  readonly key: string;
  readonly change: Change;
  readonly entityId: string;
  /** Epoch milliseconds. */
  readonly start: number;
  /** Undefined while it lasted at the end of the back-test. */
  readonly end: number | undefined;
  readonly severity: string;
  readonly firing: Firing;
  /** What the rule in force raised instead, of a changed one. */
  readonly before: Firing | undefined;
}

/** A mean with its extremes; null where nothing was measured. */
export interface Sample {
  readonly time: number;
  readonly low: number | null;
  readonly mean: number | null;
  readonly high: number | null;
}

/** The largest number of episodes that the API lists. */
const FIRINGS_MAX = 1000;
/** The largest number of fetched pages of values: more would be narrower than a pixel. */
const PAGES_MAX = 6;

const HOUR = 3_600_000;

/** Runs a rule over history; it changes nothing. Raises Problem, with the faults of the rule below `/rule`. */
export async function runBacktest(rule: RuleDocument, start: number, end: number, signal: AbortSignal): Promise<BacktestResult> {
  const body = { rule, start: new Date(start).toISOString(), end: new Date(end).toISOString(), limit: FIRINGS_MAX };
  const sent = ownTwin().post("/v1/rules/_backtest", {}, body as unknown as Schemas["BacktestBody"], { signal });
  return (await done(sent)).body;
}

/** Returns the episodes of a result, and those that the rule in force alone has, oldest first. */
export function episodesOf(result: BacktestResult): Episode[] {
  const { difference, firings } = result;
  const added = new Set((difference?.added ?? (difference === null ? firings : [])).map(keyOf));
  const before = new Map((difference?.changed ?? []).map((one) => [keyOf(one.after), one.before]));
  const now = firings.map((one) => {
    const key = keyOf(one);
    const change: Change = added.has(key) ? "added" : before.has(key) ? "changed" : "unchanged";
    return episode(one, change, before.get(key));
  });
  const removed = (difference?.removed ?? []).map((one) => episode(one, "removed", undefined));
  return [...now, ...removed].sort((a, b) => a.start - b.start || a.key.localeCompare(b.key));
}

/** Fetches the values over which episodes are drawn. Raises Problem. */
export async function fetchSamples(entityId: string, property: string, start: number, end: number, signal: AbortSignal): Promise<Sample[]> {
  const interval = end - start <= 3 * 24 * HOUR ? "PT10M" : end - start <= 62 * 24 * HOUR ? "PT1H" : "P1D";
  const query = {
    property,
    interval,
    aggregate: ["min" as const, "mean" as const, "max" as const],
    start: new Date(start).toISOString(),
    end: new Date(end).toISOString(),
    limit: 1000,
  };
  const pages = ownTwin().history(entityId, query, { signal });
  const samples: Sample[] = [];
  for (let count = 0; count < PAGES_MAX; count += 1) {
    const page = await fetched(ruleSentences().theValues, pages.next());
    if (page.done) break;
    for (const { start: from, end: to, min, mean, max } of page.value.buckets ?? [])
      samples.push({ time: (Date.parse(from) + Date.parse(to)) / 2, low: min ?? null, mean: mean ?? null, high: max ?? null });
  }
  return samples;
}

/** Returns the name of the value that a rule watches on its own entity; undefined for one of another, or of several. */
export function watchedProperty(rule: RuleDocument | undefined): string | undefined {
  const when = (rule?.["when"] ?? {}) as Record<string, unknown>;
  const name = when["value"] ?? when["rateOf"] ?? when["deviationOf"] ?? when["qualityOf"];
  return typeof name === "string" && /^\w+$/.test(name) ? name : undefined;
}

const keyOf = (one: Firing) => `${one.alarmId} ${one.raisedTime}`;

function episode(firing: Firing, change: Change, before: Firing | undefined): Episode {
  return {
    key: `${keyOf(firing)} ${change}`,
    change,
    entityId: firing.entityId,
    start: Date.parse(firing.raisedTime),
    end: firing.returnedTime === null ? undefined : Date.parse(firing.returnedTime),
    severity: firing.severity,
    firing,
    before,
  };
}
