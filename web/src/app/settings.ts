/** The settings of the page, from `GET /page.json`: the city, map tiles, and names of values and units. */

import type { DisplayTexts } from "../entities/quantity";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import type { Bilingual } from "../language/language.svelte";
import { issuersOf, type Issuer } from "../session/openid";
import { appSentences } from "./sentences";

export interface PageSettings {
  readonly city: string | undefined;
  /** The language of the city: "nl". */
  readonly language: string | undefined;
  /** IANA name; times are shown as the city's clocks tell them. */
  readonly timezone: string | undefined;
  /** Template of tiles with {z}, {x} and {y}, or the names of WMTS; or the address of a style. None without internet. */
  readonly tiles: string | undefined;
  readonly attribution: string;
  /** The address of the city's design tokens: CSS that goes over ours. */
  readonly theme: string | undefined;
  /** The address of the background of the map: GeoJSON of the city folder. */
  readonly background: string | undefined;
  readonly texts: DisplayTexts;
  /** Where people sign in; none where only keys are known. */
  readonly signIn: readonly Issuer[];
}

export const NO_SETTINGS: PageSettings = {
  city: undefined,
  language: undefined,
  timezone: undefined,
  tiles: undefined,
  attribution: "",
  theme: undefined,
  background: undefined,
  texts: { names: {}, unitSymbols: {} },
  signIn: [],
};

/** Fetches the settings. Raises Problem. */
export async function fetchSettings(): Promise<PageSettings> {
  const answer = (await fetched(appSentences().settings, openTwin().follow("/page.json"))) as Record<string, unknown>;
  const city = (answer["city"] ?? {}) as Record<string, unknown>;
  const site = (answer["site"] ?? {}) as Record<string, unknown>;
  return {
    city: textOf(city["name"]),
    language: languageOf(site["languages"]),
    timezone: textOf(city["timezone"]),
    tiles: textOf(answer["tiles"]),
    attribution: textOf(answer["attribution"]) ?? "",
    theme: textOf(site["theme"]),
    background: textOf(site["background"]),
    texts: { names: namesOf(answer["names"]), unitSymbols: textsOf(answer["unitSymbols"]) },
    signIn: issuersOf(answer["signIn"]),
  };
}

/** The language of the city: the first of those in which its folder has texts. */
function languageOf(value: unknown): string | undefined {
  return Array.isArray(value) ? textOf(value[0]) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A label is a text in both languages. */
function namesOf(value: unknown): Record<string, Bilingual> {
  const entries = Object.entries((value ?? {}) as Record<string, Partial<Bilingual>>);
  return Object.fromEntries(entries.map(([name, { en, nl }]) => [name, { en: en ?? name, nl: nl ?? en ?? name }]));
}

function textsOf(value: unknown): Record<string, string> {
  const entries = Object.entries((value ?? {}) as Record<string, unknown>);
  return Object.fromEntries(entries.map(([name, text]) => [name, String(text)]));
}
