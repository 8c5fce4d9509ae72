/** Periods of the record. Epoch milliseconds. */

import type { Period } from "./recordApi";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Lengths by their name in the address. The statistics have at most 31 days. */
export const LENGTHS = { PT1H: HOUR_MS, PT8H: 8 * HOUR_MS, P1D: DAY_MS, P7D: 7 * DAY_MS, P31D: 31 * DAY_MS } as const;
export type LengthName = keyof typeof LENGTHS;

/** Returns the length that the address names; a day without one. */
export function lengthOf(name: string | undefined): LengthName {
  return (Object.keys(LENGTHS) as LengthName[]).find((one) => one === name) ?? "P1D";
}

/** Returns the period of a length that ends at a time of the address, or at `now`. */
export function periodOf(length: LengthName, end: string | undefined, now: number): Period {
  const asked = Date.parse(end ?? "");
  const until = Number.isNaN(asked) ? now : Math.min(asked, now);
  return { start: until - LENGTHS[length], end: until };
}
