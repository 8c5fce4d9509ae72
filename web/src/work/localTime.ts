/** Times as fields of forms have them: on the city's clocks, without a zone. Epoch milliseconds elsewhere. */

import { language } from "../language/language.svelte";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** Returns a time as a field of the kind `datetime-local` has it: "2026-05-05T09:30". */
export function localText(time: number): string {
  return new Date(time + offsetOf(time)).toISOString().slice(0, 16);
}

/** Returns the time of a field, or undefined if it has none; of a time that comes twice, the first. */
export function timeOfLocal(text: string): number | undefined {
  const wall = Date.parse(`${text}Z`);
  if (Number.isNaN(wall)) return undefined;
  // A day before and after a change of the clocks both offsets are seen; the larger one gives the earlier time.
  const offsets = [offsetOf(wall - DAY), offsetOf(wall + DAY)].sort((a, b) => b - a);
  const candidates = offsets.map((offset) => wall - offset);
  // A time that the clocks skip is taken as if they had not changed yet.
  return candidates.find((time) => time + offsetOf(time) === wall) ?? candidates.at(-1);
}

/** Returns the start of the day of a time on the city's clocks, and of the days after it. */
export function startOfDay(time: number, days = 0): number {
  const day = Date.parse(`${localText(time).slice(0, 10)}T00:00Z`) + days * DAY;
  return timeOfLocal(new Date(day).toISOString().slice(0, 16))!;
}

/** Returns the start of the Monday of the week of a time, on the city's clocks. */
export function startOfWeek(time: number): number {
  const day = new Date(`${localText(time).slice(0, 10)}T12:00Z`).getUTCDay();
  return startOfDay(time, -((day + 6) % 7));
}

/** Returns how far the city's clocks are ahead of UTC, in milliseconds. */
function offsetOf(time: number): number {
  const parts = Object.fromEntries(formatOf(language.timezone).formatToParts(time).map((one) => [one.type, one.value]));
  const { year, month, day, hour, minute } = parts;
  const wall = Date.parse(`${year}-${month}-${day}T${hour}:${minute}Z`);
  return wall - Math.floor(time / MINUTE) * MINUTE;
}

const formats = new Map<string | undefined, Intl.DateTimeFormat>();

function formatOf(timeZone: string | undefined): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-CA", {
      ...(timeZone === undefined ? {} : { timeZone }),
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    formats.set(timeZone, format);
  }
  return format;
}
