/** The ledger: what was received, by feed and minute, and the equations that must hold. */

import type { Schemas } from "livetwin-client";
import { fetched } from "../../http/problem";
import { openTwin } from "../../http/twin";
import { dataSentences } from "./sentences";

export type LedgerRow = Schemas["LedgerRow"];
export type LedgerPage = Schemas["LedgerPage"];

export interface Ledger {
  /** The first page: balance, totals, interruptions. */
  readonly page: LedgerPage;
  readonly rows: readonly LedgerRow[];
  readonly isTruncated: boolean;
}

/** A term such as "received 290"; the name is "" for a bare number. */
export interface Term {
  readonly name: string;
  readonly count: number;
}

export interface Equation {
  readonly left: readonly Term[];
  readonly right: readonly Term[];
  readonly holds: boolean;
}

/** The messages of a bar of the chart. */
export interface Bar {
  /** Epoch milliseconds. */
  readonly start: number;
  readonly received: number;
  readonly quarantined: number;
}

/** Rows of a page, and pages: a day of seven feeds has some ten thousand rows. */
const PAGE = 1000;
const PAGES_MAX = 12;
const MINUTE = 60_000;

/** Fetches the ledger between two times. Raises Problem. */
export async function fetchLedger(start: number, end: number, feed: string | undefined, signal: AbortSignal): Promise<Ledger> {
  const query = {
    start: new Date(start).toISOString(),
    end: new Date(end).toISOString(),
    limit: PAGE,
    ...(feed === undefined ? {} : { feed }),
  };
  const pages = openTwin().pages("/v1/ledger", query, { signal });
  let first: LedgerPage | undefined;
  const rows: LedgerRow[] = [];
  for (let count = 0; count < PAGES_MAX; count += 1) {
    const page = await fetched(dataSentences().theLedger, pages.next());
    if (page.done) return { page: first!, rows, isTruncated: false };
    first ??= page.value;
    rows.push(...page.value.items);
    if (page.value._links.next === undefined) return { page: first, rows, isTruncated: false };
  }
  return { page: first!, rows, isTruncated: true };
}

/** Reads an equation of the ledger, "received 290 = accepted 285 + quarantined 5", and checks it. */
export function equationOf(text: string): Equation {
  const [left = [], right = []] = text.split("=").map((side) => side.split("+").map(termOf));
  const sum = (terms: readonly Term[]) => terms.reduce((total, one) => total + one.count, 0);
  return { left, right, holds: sum(left) === sum(right) };
}

function termOf(text: string): Term {
  const read = /^(?:([a-z]+)\s+)?(-?\d+)$/.exec(text.trim());
  return { name: read?.[1] ?? "", count: Number(read?.[2]) };
}

/** Returns the counts of rows in bars of as many whole minutes as are needed for at most `most` bars. */
export function barsOf(rows: readonly LedgerRow[], start: number, end: number, most: number): Bar[] {
  const minutes = Math.max(1, Math.ceil((end - start) / MINUTE / Math.max(most, 1)));
  const width = minutes * MINUTE;
  const begin = Math.floor(start / MINUTE) * MINUTE;
  const bars = Array.from({ length: Math.max(1, Math.ceil((end - begin) / width)) }, (_, index) => ({ start: begin + index * width, received: 0, quarantined: 0 }));
  for (const row of rows) {
    const bar = bars[Math.floor((Date.parse(row.minute) - begin) / width)];
    if (bar === undefined) continue;
    bar.received += row.received;
    bar.quarantined += row.quarantined;
  }
  return bars;
}

/** Returns the sums of rows by feed, in the order of the feeds' names. */
export function sumsByFeed(rows: readonly LedgerRow[]): LedgerRow[] {
  const sums = new Map<string, LedgerRow>();
  for (const row of rows) {
    const before = sums.get(row.feed);
    sums.set(row.feed, before === undefined ? row : added(before, row));
  }
  return [...sums.values()].sort((a, b) => a.feed.localeCompare(b.feed));
}

function added(a: LedgerRow, b: LedgerRow): LedgerRow {
  const names = ["received", "accepted", "quarantined", "observations", "new", "corrected", "superseded", "duplicate", "replayed", "resolved"] as const;
  return { ...a, ...Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) };
}
