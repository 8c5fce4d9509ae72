/** The figures of the alarm system with what EEMUA 191 and ISA-18.2 aim for. Pure. */

import type { Schemas } from "livetwin-client";
import { SEVERITIES, type Severity } from "../alarm";
import { durationOf } from "../limits";

/** Names of the sentences of the rows. */
export type FigureName =
  | "annunciated"
  | "tenMinutes"
  | "peak"
  | "hour"
  | "day"
  | "flooded"
  | "standing"
  | "stale"
  | "chattering"
  | "fleeting"
  | "topTen"
  | "acknowledged"
  | "p50"
  | "p95";

export interface Figure {
  readonly name: FigureName;
  /** Undefined: nothing to measure it by. Shares are 0 to 1, durations milliseconds. */
  readonly value: number | undefined;
  readonly kind: "count" | "rate" | "share" | "duration";
  /** The largest value that is good; undefined: there is no such aim. */
  readonly target: number | undefined;
}

/** Manageable is up to 1 in ten minutes, and so 6 in an hour and 144 in a day (ISA-18.2, EEMUA 191). */
const PER_TEN_MINUTES = 1;
const IN_HOUR = 6;
const IN_DAY = 144;
/** No ten minutes with more than ten alarms, and less than 1 % of the time in floods (ISA-18.2). */
const PEAK = 10;
const FLOODED = 0.01;
/** Fewer than five stale ones, no chattering and no fleeting ones, ten alarms make at most 5 % of the load (ISA-18.2). */
const STALE = 5;
const TOP_TEN = 0.05;

/** Shares of the priorities, the worst first, that ISA-18.2 aims for with four of them. */
export const PRIORITY_TARGETS: Readonly<Record<Severity, number>> = { critical: 0.01, major: 0.05, minor: 0.15, warning: 0.8 };

export function figuresOf(counts: Schemas["AlarmStatistics"]): Figure[] {
  const { average, peak } = counts.perOperatorTenMinutes;
  const topTen = counts.badActors.reduce((sum, one) => sum + one.share, 0);
  const figure = (name: FigureName, kind: Figure["kind"], value: number | undefined, target?: number): Figure => ({ name, kind, value, target });
  return [
    figure("annunciated", "count", counts.annunciated),
    figure("tenMinutes", "rate", average, PER_TEN_MINUTES),
    figure("hour", "rate", average * IN_HOUR, PER_TEN_MINUTES * IN_HOUR),
    figure("day", "rate", average * IN_DAY, PER_TEN_MINUTES * IN_DAY),
    figure("peak", "rate", peak, PEAK),
    figure("flooded", "share", counts.floodedShare, FLOODED),
    figure("standing", "count", counts.standing),
    figure("stale", "count", counts.stale.length, STALE),
    figure("chattering", "count", counts.chattering.length, 0),
    figure("fleeting", "count", counts.fleeting.length, 0),
    // Of a few alarms the ten most frequent are all of them.
    figure("topTen", "share", counts.annunciated > IN_DAY ? topTen : undefined, TOP_TEN),
    figure("acknowledged", "count", counts.acknowledged),
    figure("p50", "duration", durationOf(counts.acknowledgeDelay.p50)),
    figure("p95", "duration", durationOf(counts.acknowledgeDelay.p95)),
  ];
}

/** Whether a figure meets its aim; undefined where there is none, or nothing to measure. */
export function isGood({ value, target }: Figure): boolean | undefined {
  return value === undefined || target === undefined ? undefined : value <= target;
}

/** Returns the share of each priority, the worst first; all are 0 without alarms. */
export function priorityShares(counts: Schemas["SeverityCounts"]): { readonly severity: Severity; readonly count: number; readonly share: number }[] {
  const all = SEVERITIES.reduce((sum, one) => sum + counts[one], 0);
  return SEVERITIES.map((severity) => ({ severity, count: counts[severity], share: all === 0 ? 0 : counts[severity] / all }));
}
