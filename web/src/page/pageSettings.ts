/** The settings of the page, from `GET /page.json`: the city, map tiles, and names of values and units. */

import type { DisplayTexts } from "../entities/quantity";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";

export interface PageSettings {
  readonly city: string | undefined;
  /** IANA name; times are shown as the city's clocks tell them. */
  readonly timezone: string | undefined;
  /** Template of raster tiles with {z}, {x} and {y}; none without internet. */
  readonly tiles: string | undefined;
  readonly attribution: string;
  readonly texts: DisplayTexts;
}

/** Fetches the settings. Raises Problem. */
export async function fetchPageSettings(): Promise<PageSettings> {
  const answer = (await fetched("The settings of the page", openTwin().follow("/page.json"))) as Record<string, unknown>;
  const city = (answer["city"] ?? {}) as Record<string, unknown>;
  return {
    city: textOf(city["name"]),
    timezone: textOf(city["timezone"]),
    tiles: textOf(answer["tiles"]),
    attribution: textOf(answer["attribution"]) ?? "",
    texts: { names: textsOf(answer["names"]), unitSymbols: textsOf(answer["unitSymbols"]) },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function textsOf(value: unknown): Record<string, string> {
  const entries = Object.entries((value ?? {}) as Record<string, unknown>);
  return Object.fromEntries(entries.map(([name, text]) => [name, String(text)]));
}
