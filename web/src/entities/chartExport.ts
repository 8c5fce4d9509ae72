/** Takes away what a chart shows: as a picture, as CSV, or as a link. */

import { ProblemError } from "livetwin-client";
import { fetched } from "../http/problem";
import { session } from "../session/session.svelte";
import { entitySentences } from "./sentences";
import type { ValueSeries } from "./valueSeries";

/** The largest number of rows of a file that goes through the browser; more of them are for the API itself. */
const ROWS_MAX = 200_000;
/** The API sends what it knew half a minute ago; of a later end it says no. */
const SETTLED_MS = 60_000;

/** Gives a file to the browser. */
export function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Returns the readings of a range as CSV, from the downloads of the API. Raises Problem. */
export function readingsCsv(id: string, property: string, start: number, end: number): Promise<Blob> {
  const query = new URLSearchParams({ entity: id, property, start: new Date(start).toISOString(), limit: String(ROWS_MAX) });
  if (end < Date.now() - SETTLED_MS) query.set("end", new Date(end).toISOString());
  const headers = { Accept: "text/csv", ...(session.key === "" ? {} : { Authorization: `Bearer ${session.key}` }) };
  const answer = async () => {
    const response = await fetch(`/v1/observations?${query}`, { headers });
    if (!response.ok) throw new ProblemError(response.status, undefined, undefined);
    return response.blob();
  };
  return fetched(entitySentences().theReadings, answer());
}

/** Returns what a chart shows as CSV: for values that are reckoned, of which there are no readings. */
export function shownCsv(series: ValueSeries, unit: string): Blob {
  const rows = series.times.flatMap((time, index) => {
    const [mean, low, high] = [series.means[index], series.lows[index], series.highs[index]];
    return mean == null ? [] : [`${new Date(time * 1000).toISOString()},${mean},${low},${high},${quoted(unit)}`];
  });
  return new Blob([["time,mean,min,max,unit", ...rows, ""].join("\r\n")], { type: "text/csv" });
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
