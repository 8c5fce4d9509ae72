/** Quantities as text: labels of values, symbols of units, and numbers. */

import { numberText } from "../language/format";
import { inLanguage, LANGUAGES, type Bilingual } from "../language/language.svelte";
import { entitySentences } from "./sentences";

/** Labels of values and symbols of UCUM units, from the settings of the page. */
export interface DisplayTexts {
  readonly names: Readonly<Record<string, Bilingual>>;
  readonly unitSymbols: Readonly<Record<string, string>>;
}

let texts: DisplayTexts = { names: {}, unitSymbols: {} };

/** Sets the texts that the functions of this module use; once, before the page is drawn. */
export function setDisplayTexts(given: DisplayTexts): void {
  texts = given;
}

/** The prefix of names of roll-ups over an area. */
const AREA_PREFIX = "area_";

export type Kind = "observed" | "indicator" | "area";

export const KINDS: readonly Kind[] = ["observed", "indicator", "area"];

/** Returns whether a value is observed on an entity, an indicator of it, or rolled up over it. */
export function kindOf(property: string, observed: readonly string[]): Kind {
  if (observed.includes(property)) return "observed";
  return property.startsWith(AREA_PREFIX) ? "area" : "indicator";
}

/** The most important properties; others follow in their order of arrival, the health of devices last. */
const FIRST = ["pm2_5", "noise_level", "traffic_flow", "water_level", "power_import", "wind_speed", "air_temperature"];
const LAST = ["battery_level", "signal_strength"];

/** Properties whose values 0 and 1 are states, not amounts. */
const SWITCHES: ReadonlySet<string> = new Set(["pump_state"]);

/** Returns the usual symbol of a UCUM unit; the code itself for an unknown one. */
export function unitSymbol(unit: string): string {
  return texts.unitSymbols[unit] ?? unit;
}

/** Returns the label of a value, or its name in words where the settings have no label. */
export function propertyName(property: string): string {
  if (property.startsWith(AREA_PREFIX)) return propertyName(property.slice(AREA_PREFIX.length));
  const named = texts.names[property];
  const label = named === undefined ? property.replaceAll("_", " ") : inLanguage(named);
  return label.charAt(0).toUpperCase() + label.slice(1);
}

/** Returns every label of a value, for searching: in each language, and its name. */
export function propertyLabels(property: string): string[] {
  const named = texts.names[property];
  return [property, property.replaceAll("_", " "), ...(named === undefined ? [] : LANGUAGES.map((one) => named[one]))];
}

/** Returns the rank of a property: lower ones are shown first. */
export function rankOf(property: string): number {
  if (property.startsWith(AREA_PREFIX)) return 100 + rankOf(property.slice(AREA_PREFIX.length));
  const first = FIRST.indexOf(property);
  return first >= 0 ? first : FIRST.length + (LAST.includes(property) ? 1 : 0);
}

/** Returns value and unit as one text, a state by its name. */
export function quantityText(property: string, value: number, unit: string): string {
  if (SWITCHES.has(property) && (value === 0 || value === 1)) return value === 1 ? entitySentences().on : entitySentences().off;
  return numberText(value) + unitText(unit);
}

/** Returns the symbol of a unit as it follows a number, with the space before it. */
export function unitText(unit: string): string {
  const symbol = unitSymbol(unit);
  return symbol === "" || symbol === "°" ? symbol : `\u202f${symbol}`;
}
