/** The page's own settings, from `GET /page.json`: what the city is called and where tiles come from. */

import { fetchJson } from "../http/problem";

export interface PageSettings {
  readonly city: string | undefined;
  /** IANA name; times are shown as the city's clocks tell them. */
  readonly timezone: string | undefined;
  /** Template of raster tiles with {z}, {x} and {y}; none without internet. */
  readonly tiles: string | undefined;
  readonly attribution: string;
}

/** Fetches the settings. Raises Problem. */
export async function fetchPageSettings(): Promise<PageSettings> {
  const answer = (await fetchJson("The settings of the page", "/page.json")) as Record<string, unknown>;
  const city = (answer["city"] ?? {}) as Record<string, unknown>;
  return {
    city: textOf(city["name"]),
    timezone: textOf(city["timezone"]),
    tiles: textOf(answer["tiles"]),
    attribution: textOf(answer["attribution"]) ?? "",
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
