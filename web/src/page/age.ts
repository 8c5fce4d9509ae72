/** Ages in short words. Times are epoch milliseconds. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Returns "now", "42 s ago", "5 min ago", "3 h ago" or "2 d ago"; "now" also for a time in the future. */
export function ageText(then: number, now: number): string {
  const age = now - then;
  if (age < SECOND) return "now";
  if (age < MINUTE) return `${Math.floor(age / SECOND)} s ago`;
  if (age < HOUR) return `${Math.floor(age / MINUTE)} min ago`;
  if (age < 2 * DAY) return `${Math.floor(age / HOUR)} h ago`;
  return `${Math.floor(age / DAY)} d ago`;
}
