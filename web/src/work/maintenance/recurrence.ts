/** Recurrences of maintenance windows (RRULE of RFC 5545): as a form has them, and as a sentence. */

import { maintenanceSentences } from "./sentences";

export const WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

export const FREQUENCIES = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"] as const;
export type Frequency = (typeof FREQUENCIES)[number];

/** A recurrence that the form and the sentence know. */
export interface Recurrence {
  readonly frequency: Frequency;
  /** Each so many days, weeks, months or years. */
  readonly interval: number;
  /** Of a week; empty: the day of the first occurrence. */
  readonly days: readonly Weekday[];
  /** Which of these days of a month: 1 the first, -1 the last; undefined: each. */
  readonly nth: number | undefined;
  readonly monthDay: number | undefined;
  /** A date, "2026-12-31", the last one on which it may begin. */
  readonly until: string | undefined;
  readonly count: number | undefined;
}

const KNOWN: ReadonlySet<string> = new Set(["FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "UNTIL", "COUNT", "WKST"]);

/** Returns the recurrence of a rule, or undefined for one that has more than the form knows. */
export function recurrenceOf(rule: string): Recurrence | undefined {
  const parts = new Map(rule.split(";").map((one) => one.split("=", 2) as [string, string | undefined]));
  if ([...parts.keys()].some((name) => !KNOWN.has(name))) return undefined;
  const frequency = FREQUENCIES.find((one) => one === parts.get("FREQ"));
  const byDay = (parts.get("BYDAY") ?? "").split(",").filter((one) => one !== "");
  const read = byDay.map((one) => /^([+-]?\d+)?(MO|TU|WE|TH|FR|SA|SU)$/.exec(one));
  const nths = new Set(read.map((one) => one?.[1]));
  const monthDay = parts.get("BYMONTHDAY");
  if (frequency === undefined || read.includes(null) || nths.size > 1 || (monthDay !== undefined && !/^-?\d+$/.test(monthDay))) return undefined;
  const [nth] = nths;
  if (nth !== undefined && frequency !== "MONTHLY") return undefined;
  const until = /^(\d{4})(\d\d)(\d\d)/.exec(parts.get("UNTIL") ?? "");
  return {
    frequency,
    interval: Number(parts.get("INTERVAL") ?? 1),
    days: WEEKDAYS.filter((day) => read.some((one) => one?.[2] === day)),
    nth: nth === undefined ? undefined : Number(nth),
    monthDay: monthDay === undefined ? undefined : Number(monthDay),
    until: until === null ? undefined : `${until[1]}-${until[2]}-${until[3]}`,
    count: parts.has("COUNT") ? Number(parts.get("COUNT")) : undefined,
  };
}

/** Returns the RRULE of a recurrence. */
export function ruleOf(one: Recurrence): string {
  const parts = [`FREQ=${one.frequency}`];
  if (one.interval > 1) parts.push(`INTERVAL=${one.interval}`);
  if (one.days.length > 0 && (one.frequency === "WEEKLY" || one.frequency === "DAILY" || one.nth !== undefined))
    parts.push(`BYDAY=${one.days.map((day) => `${one.nth ?? ""}${day}`).join(",")}`);
  if (one.monthDay !== undefined && one.frequency === "MONTHLY") parts.push(`BYMONTHDAY=${one.monthDay}`);
  if (one.until !== undefined) parts.push(`UNTIL=${one.until.replaceAll("-", "")}`);
  else if (one.count !== undefined) parts.push(`COUNT=${one.count}`);
  return parts.join(";");
}

/** Returns a rule as a sentence, "each week on Tuesday, until 31 Dec"; a rule that is not known stays as it is. */
export function recurrenceSentence(rule: string, dateText: (date: string) => string): string {
  const t = maintenanceSentences();
  const read = recurrenceOf(rule);
  if (read === undefined) return t.byRule(rule);
  const days = listed(read.days.map((day) => t.weekdays[day]));
  const each = read.interval === 1 ? t.each[read.frequency] : t.everyOther(read.interval, read.frequency);
  const on =
    read.nth !== undefined
      ? t.onNth(read.nth, days)
      : read.days.length > 0
        ? t.onDays(days)
        : read.monthDay !== undefined
          ? t.onMonthDay(read.monthDay)
          : "";
  const end = read.until !== undefined ? t.untilDate(dateText(read.until)) : read.count !== undefined ? t.times(read.count) : "";
  return `${each}${on}${end}`;
}

function listed(words: readonly string[]): string {
  const t = maintenanceSentences();
  return words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} ${t.and} ${words.at(-1)}`;
}
