/**
 * The classes by which the map colours values. Where a source publishes classes they are these, as
 * docs/reference/indicators.md has them; else equal steps of what is shown, which say so. An edge belongs to the
 * lower class. Pure.
 */

import type { Bilingual } from "../language/language.svelte";
import type { Scheme } from "./mapColours";

export interface ValueClasses {
  /** The upper edges of all classes but the last, rising. */
  readonly edges: readonly number[];
  /** Names of the classes, the lowest values first; empty where only the numbers say it. */
  readonly names: readonly Bilingual[];
  readonly source: Bilingual;
}

/** The largest number of classes that have a colour. */
export const CLASSES_MAX = 6;

/** From low to high; told apart by lightness, so that they are for eyes that see no hues as well. */
export const CLASS_COLOURS: Readonly<Record<Scheme, readonly string[]>> = {
  light: ["#cfe1f2", "#9dc3e2", "#639fd0", "#2f78b3", "#12508f", "#0a2a52"],
  dark: ["#17344f", "#1f5280", "#2f78b3", "#639fd0", "#a3c8e8", "#e3f0fb"],
};

const same = (text: string): Bilingual => ({ en: text, nl: text });

const LKI_NAMES: readonly Bilingual[] = [
  { en: "good", nl: "goed" },
  { en: "moderate", nl: "matig" },
  { en: "insufficient", nl: "onvoldoende" },
  { en: "bad", nl: "slecht" },
  { en: "very bad", nl: "zeer slecht" },
];
const LKI_SOURCE: Bilingual = { en: "RIVM report 2014-0050, for hourly means", nl: "RIVM-rapport 2014-0050, voor uurgemiddelden" };
const lki = (...edges: number[]): ValueClasses => ({ edges, names: LKI_NAMES, source: LKI_SOURCE });

const PUBLISHED: Readonly<Record<string, ValueClasses>> = {
  lki: { edges: [3, 6, 8, 10], names: LKI_NAMES, source: same("RIVM 2014-0050") },
  pm2_5: lki(20, 50, 90, 140),
  pm10: lki(30, 75, 125, 200),
  no2: lki(30, 75, 125, 200),
  o3: lki(40, 100, 180, 240),
  eaqi: {
    edges: [1, 2, 3, 4, 5],
    names: [
      { en: "good", nl: "goed" },
      { en: "fair", nl: "redelijk" },
      { en: "moderate", nl: "matig" },
      { en: "poor", nl: "slecht" },
      { en: "very poor", nl: "zeer slecht" },
      { en: "extremely poor", nl: "extreem slecht" },
    ],
    source: { en: "European Environment Agency, bands of 2024", nl: "Europees Milieuagentschap, klassen van 2024" },
  },
};

const LEVEL_OF_SERVICE: readonly Bilingual[] = [
  { en: "free", nl: "vrij" },
  { en: "heavy", nl: "druk" },
  { en: "congested", nl: "vast" },
];

/** Values that are states have one class each. */
const STATES: Readonly<Record<string, ValueClasses>> = {
  pump_state: {
    edges: [0],
    names: [
      { en: "off", nl: "uit" },
      { en: "on", nl: "aan" },
    ],
    source: { en: "the states themselves", nl: "de standen zelf" },
  },
  level_of_service: {
    edges: [1, 2],
    names: LEVEL_OF_SERVICE,
    source: { en: "customary bands, words of DATEX II; not a norm", nl: "gangbare grenzen, woorden van DATEX II; geen norm" },
  },
};

const STEPS = 5;
const STEPS_SOURCE: Bilingual = {
  en: "equal steps of the values shown; not a norm",
  nl: "gelijke stappen van de getoonde waarden; geen norm",
};

/** Returns the classes of a value, from its name or, where none are published, from all values that are shown. */
export function classesOf(property: string, values: Iterable<number>): ValueClasses {
  const known = PUBLISHED[property] ?? STATES[property];
  if (known !== undefined) return known;
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low >= high) return { edges: [], names: [], source: STEPS_SOURCE };
  const step = roundStep((high - low) / STEPS);
  const first = Math.floor(low / step) * step + step;
  const edges: number[] = [];
  // A round number of steps, so that the edges do not have fifteen digits.
  for (let index = 0; index < CLASSES_MAX - 1; index += 1) {
    const edge = Number((first + index * step).toPrecision(12));
    if (edge >= high) break;
    edges.push(edge);
  }
  return { edges, names: [], source: STEPS_SOURCE };
}

/** Returns 1, 2, 2.5 or 5 times a power of ten, at least the given step. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const found = [1, 2, 2.5, 5, 10].find((one) => one * power >= step * (1 - 1e-9));
  return (found ?? 10) * power;
}

/** Returns the number of the class of a value, from 0. */
export function classOf(value: number, { edges }: ValueClasses): number {
  const found = edges.findIndex((edge) => value <= edge);
  return found === -1 ? edges.length : found;
}

/** Returns the edges of a class: above the first, up to and with the second; undefined at the ends. */
export function rangeOf(number: number, { edges }: ValueClasses): [above: number | undefined, upTo: number | undefined] {
  return [edges[number - 1], edges[number]];
}

/** The largest number of decimals of an edge: one with more is of no sensor. */
const DECIMALS_MAX = 9;

/** Returns how many decimals the edges need, so that no two of them read the same. */
export function decimalsOf({ edges }: ValueClasses): number {
  let decimals = 0;
  while (decimals < DECIMALS_MAX && edges.some((edge) => Number(edge.toFixed(decimals)) !== edge)) decimals += 1;
  return decimals;
}

/** Returns the colour of a class. */
export function classColour(number: number, classes: ValueClasses, scheme: Scheme): string {
  return CLASS_COLOURS[scheme][classShade(number, classes)]!;
}

/** Returns the number of the colour of a class, from 0: few classes are spread over all colours. */
export function classShade(number: number, { edges }: ValueClasses): number {
  const last = CLASSES_MAX - 1;
  return edges.length === 0 ? 2 : Math.min(last, Math.round((Math.min(number, last) / edges.length) * last));
}
