/** The span that the time slider goes over: the last 24 hours, or a whole day of the city. Epoch milliseconds. */

export interface Span {
  readonly start: number;
  readonly end: number;
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** How far back stored history is played: the limit of the server, less what is played before the span. */
export const DAYS_MAX = 30;

/** Returns the 24 hours before `now` if they have the time, else the day of the city in which it lies. */
export function spanOf(time: number, now: number, timezone: string | undefined): Span {
  if (time >= now - DAY_MS) return { start: now - DAY_MS, end: now };
  return daySpan(dateOf(time, timezone), timezone);
}

/** Returns the date of a time on the city's clocks: "2026-12-01". */
export function dateOf(time: number, timezone: string | undefined): string {
  const zone = timezone === undefined ? {} : { timeZone: timezone };
  // The dates of Sweden are those of ISO 8601.
  return new Intl.DateTimeFormat("sv-SE", { ...zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(time);
}

/** Returns a day of the city from its date; it has 23 or 25 hours where the clocks change. */
export function daySpan(date: string, timezone: string | undefined): Span {
  return { start: midnight(date, timezone), end: midnight(following(date), timezone) };
}

function following(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + DAY_MS).toISOString().slice(0, 10);
}

/** Returns the first time of a date in a zone. */
function midnight(date: string, timezone: string | undefined): number {
  const utc = Date.parse(`${date}T00:00:00Z`);
  if (timezone === undefined) return new Date(`${date}T00:00:00`).getTime();
  // The offset at the midnight of UTC may be that before a change of the clocks: the second round corrects it.
  let time = utc;
  for (let round = 0; round < 2; round += 1) time = utc - offsetOf(time, timezone);
  return time;
}

/** Returns by how much the clocks of a zone are ahead of UTC at a time. */
function offsetOf(time: number, timezone: string): number {
  const shape = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  const wall = new Intl.DateTimeFormat("sv-SE", { timeZone: timezone, ...shape }).format(time).replace(" ", "T");
  return Date.parse(`${wall}Z`) - Math.floor(time / 1000) * 1000;
}
