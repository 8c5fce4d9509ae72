/** Quantities as text: labels of values, symbols of units, and numbers. */

/** Labels of values and symbols of UCUM units, from the settings of the page. */
export interface DisplayTexts {
  readonly names: Readonly<Record<string, string>>;
  readonly unitSymbols: Readonly<Record<string, string>>;
}

let texts: DisplayTexts = { names: {}, unitSymbols: {} };

/** Sets the texts that the functions of this module use. */
export function setDisplayTexts(given: DisplayTexts): void {
  texts = given;
}

/** The prefix of names of roll-ups over an area. */
const AREA_PREFIX = "area_";

export type Kind = "observed" | "indicator" | "area";

/** Returns whether a value is observed on an entity, an indicator of it, or rolled up over it. */
export function kindOf(property: string, observed: readonly string[]): Kind {
  if (observed.includes(property)) return "observed";
  return property.startsWith(AREA_PREFIX) ? "area" : "indicator";
}

/** The most important properties; others follow in their order of arrival, the health of devices last. */
const FIRST = ["pm2_5", "noise_level", "traffic_flow", "water_level", "power_import", "wind_speed", "air_temperature"];
const LAST = ["battery_level", "signal_strength"];

/** Properties whose two values are states, not amounts. */
const STATE_NAMES: Readonly<Record<string, readonly [string, string]>> = { pump_state: ["Off", "On"] };

/** Creating a format is slow: there is one for each number of decimals. */
const FORMATS = [0, 1, 2].map((decimals) => new Intl.NumberFormat("en", { maximumFractionDigits: decimals }));

/** Returns the usual symbol of a UCUM unit; the code itself for an unknown one. */
export function unitSymbol(unit: string): string {
  return texts.unitSymbols[unit] ?? unit;
}

/** Returns the label of a value, or its name in words where the settings have no label. */
export function propertyName(property: string): string {
  if (property.startsWith(AREA_PREFIX)) return propertyName(property.slice(AREA_PREFIX.length));
  const label = texts.names[property] ?? property.replaceAll("_", " ");
  return label.charAt(0).toUpperCase() + label.slice(1);
}

/** Returns the number with two decimals below 10, one below 100 and none above. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text = FORMATS[size < 10 ? 2 : size < 100 ? 1 : 0]!.format(value);
  return text === "-0" ? "0" : text.replace("-", "\u2212");
}

/** Returns the rank of a property: lower ones are shown first. */
export function rankOf(property: string): number {
  if (property.startsWith(AREA_PREFIX)) return 100 + rankOf(property.slice(AREA_PREFIX.length));
  const first = FIRST.indexOf(property);
  return first >= 0 ? first : FIRST.length + (LAST.includes(property) ? 1 : 0);
}

/** Returns value and unit as one text, a state by its name. */
export function quantityText(property: string, value: number, unit: string): string {
  const states = STATE_NAMES[property];
  const state = states?.[value];
  if (state !== undefined) return state;
  const symbol = unitSymbol(unit);
  const space = symbol === "" || symbol === "°" ? "" : "\u202f";
  return `${numberText(value)}${space}${symbol}`;
}
