/** The time that a chart shows, and how finely: from single readings for hours to days for a year. Epoch milliseconds. */

export const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Lengths that end at the moment that the page shows. */
export const RANGES = { "1h": HOUR_MS, "1d": DAY_MS, "1w": 7 * DAY_MS, "1m": 30 * DAY_MS, "1y": 365 * DAY_MS } as const;

export type RangeName = keyof typeof RANGES;

export const RANGE_NAMES = Object.keys(RANGES) as RangeName[];

/** A range of one's own is at least a minute and at most two years. */
export const RANGE_MS_MIN = 60_000;
export const RANGE_MS_MAX = 2 * 366 * DAY_MS;

export interface ChartRange {
  readonly start: number;
  readonly end: number;
  /** The length that it has until now; undefined for a range of one's own, which does not move. */
  readonly name: RangeName | undefined;
}

/** How finely a range is read: single readings, or buckets of a length. */
export interface Resolution {
  /** ISO 8601; undefined for single readings. */
  readonly interval: string | undefined;
  /** Of a bucket; 0 for single readings. */
  readonly length: number;
}

/** Up to this length a chart shows single readings. */
export const RAW_MS_MAX = 3 * HOUR_MS;

const RESOLUTIONS: readonly (readonly [number, Resolution])[] = [
  [RAW_MS_MAX, { interval: undefined, length: 0 }],
  [2 * DAY_MS, { interval: "PT10M", length: 600_000 }],
  [16 * DAY_MS, { interval: "PT1H", length: HOUR_MS }],
  [93 * DAY_MS, { interval: "PT6H", length: 6 * HOUR_MS }],
];

/** Returns the range that an address names, up to `now`: "1w", or "start~end"; the last day for anything else. */
export function rangeOf(text: string | undefined, now: number): ChartRange {
  const [from, to] = (text ?? "").split("~").map((part) => Date.parse(part));
  if (from !== undefined && to !== undefined && to - from >= RANGE_MS_MIN && to - from <= RANGE_MS_MAX)
    return { start: from, end: to, name: undefined };
  const name = RANGE_NAMES.find((one) => one === text) ?? "1d";
  return { start: now - RANGES[name], end: now, name };
}

/** Returns a range of one's own as it stands in the address. */
export function rangeText(start: number, end: number): string {
  const text = (time: number) => new Date(Math.round(time / 1000) * 1000).toISOString().replace(".000Z", "Z");
  return `${text(start)}~${text(end)}`;
}

export function resolutionOf({ start, end }: Pick<ChartRange, "start" | "end">): Resolution {
  const found = RESOLUTIONS.find(([most]) => end - start <= most);
  return found?.[1] ?? { interval: "P1D", length: DAY_MS };
}
