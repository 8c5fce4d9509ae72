/** Numbers, ages and times as text, in the language of the page and the zone of the city. Times are epoch milliseconds. */

import { catalogue } from "./catalogue";
import { language } from "./language.svelte";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const ages = catalogue({
  en: {
    now: "now",
    seconds: (n: number) => `${n} s ago`,
    minutes: (n: number) => `${n} min ago`,
    hours: (n: number) => `${n} h ago`,
    days: (n: number) => `${n} d ago`,
    lasted: { seconds: (n: number) => `${n} s`, minutes: (n: number) => `${n} min`, hours: (n: number) => `${n} h` },
  },
  nl: {
    now: "nu",
    seconds: (n) => `${n} s geleden`,
    minutes: (n) => `${n} min geleden`,
    hours: (n) => `${n} uur geleden`,
    days: (n) => `${n} d geleden`,
    lasted: { seconds: (n) => `${n} s`, minutes: (n) => `${n} min`, hours: (n) => `${n} uur` },
  },
});

/** Returns "now", "42 s ago", "5 min ago", "3 h ago" or "2 d ago"; "now" also for a time in the future. */
export function ageText(then: number, now: number): string {
  const age = now - then;
  const words = ages();
  if (age < SECOND) return words.now;
  if (age < MINUTE) return words.seconds(Math.floor(age / SECOND));
  if (age < HOUR) return words.minutes(Math.floor(age / MINUTE));
  if (age < 2 * DAY) return words.hours(Math.floor(age / HOUR));
  return words.days(Math.floor(age / DAY));
}

/** Returns a duration in milliseconds as "42 s", "5 min" or "3 h". */
export function durationText(duration: number): string {
  const { lasted } = ages();
  if (duration < 2 * MINUTE) return lasted.seconds(Math.round(duration / SECOND));
  if (duration < 2 * HOUR) return lasted.minutes(Math.round(duration / MINUTE));
  return lasted.hours(Math.round(duration / HOUR));
}

/** Making a format is slow, and a page uses some ten of them. */
const made = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function numberFormat(decimals: number): Intl.NumberFormat {
  const key = `${language.locale} ${decimals}`;
  let format = made.get(key);
  if (format === undefined) made.set(key, (format = new Intl.NumberFormat(language.locale, { maximumFractionDigits: decimals })));
  return format as Intl.NumberFormat;
}

/** Returns the number with two decimals below 10, one below 100 and none above. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text = numberFormat(size < 10 ? 2 : size < 100 ? 1 : 0).format(value);
  return text === "-0" ? "0" : text.replace("-", "\u2212");
}

const SHAPES = {
  clock: { hour: "2-digit", minute: "2-digit" },
  seconds: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { day: "numeric", month: "short" },
  moment: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  full: { day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;

export type TimeShape = keyof typeof SHAPES;

function timeFormat(locale: string, options: Intl.DateTimeFormatOptions, name: string): Intl.DateTimeFormat {
  const key = `${locale} ${language.timezone ?? ""} ${name}`;
  let format = made.get(key);
  if (format === undefined) {
    const zone = language.timezone === undefined ? {} : { timeZone: language.timezone };
    made.set(key, (format = new Intl.DateTimeFormat(locale, { ...options, hourCycle: "h23", ...zone })));
  }
  return format as Intl.DateTimeFormat;
}

/** Returns a time on the city's clocks; in the hour that comes twice in autumn with the name of its zone: "02:30 CEST". */
export function timeText(time: number, shape: TimeShape = "moment"): string {
  const text = timeFormat(language.locale, SHAPES[shape], shape).format(time);
  return shape !== "day" && isRepeated(time) ? `${text} ${zoneName(time)}` : text;
}

/** Whether the clocks show this time of day twice, an hour apart. */
function isRepeated(time: number): boolean {
  const wall = (at: number) => timeFormat("en-GB", SHAPES.moment, "wall").format(at);
  const shown = wall(time);
  return wall(time - HOUR) === shown || wall(time + HOUR) === shown;
}

/** Returns the short name of the zone, such as CEST; British English has those of Europe. */
function zoneName(time: number): string {
  const parts = timeFormat("en-GB", { timeZoneName: "short" }, "zone").formatToParts(time);
  return parts.find((one) => one.type === "timeZoneName")?.value ?? "";
}
