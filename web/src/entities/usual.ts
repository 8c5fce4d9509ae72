/** What is usual at an hour: the median of the means of that hour in the weeks before, of working days or weekends. */

import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import { language } from "../language/language.svelte";
import { entitySentences } from "./sentences";

/** The weeks before the range that the usual is reckoned from. */
export const USUAL_DAYS = 28;
/** An hour that fewer days have is not usual. */
const DAYS_MIN = 3;

interface HourMean {
  /** Epoch milliseconds of its beginning. */
  readonly time: number;
  readonly mean: number;
}

/** Returns the usual value at a time; undefined where too few days have that hour. */
export type Usual = (time: number) => number | undefined;

/** Fetches what is usual before `start`, in epoch milliseconds. Raises Problem. */
export async function fetchUsual(id: string, property: string, start: number, signal: AbortSignal): Promise<Usual> {
  const from = start - USUAL_DAYS * 86_400_000;
  const query = { id, property, start: new Date(from).toISOString(), end: new Date(start).toISOString(), interval: "PT1H", aggregate: ["mean" as const] };
  const answer = await fetched(entitySentences().theUsual, openTwin().get("/v1/entities/{id}/history", query, { signal }));
  const means = (answer.buckets ?? []).flatMap((one) => (one.mean == null ? [] : [{ time: Date.parse(one.start), mean: one.mean }]));
  return usualOf(means, language.timezone);
}

/** Returns the usual of hourly means, by the city's clocks. */
export function usualOf(means: readonly HourMean[], timezone: string | undefined): Usual {
  const slotOf = slots(timezone);
  const bySlot = new Map<string, number[]>();
  for (const { time, mean } of means) {
    const slot = slotOf(time);
    const known = bySlot.get(slot);
    if (known === undefined) bySlot.set(slot, [mean]);
    else known.push(mean);
  }
  const usual = new Map<string, number>();
  for (const [slot, values] of bySlot) if (values.length >= DAYS_MIN) usual.set(slot, median(values));
  return (time) => usual.get(slotOf(time));
}

/** Returns what names the hour of the day, and whether it is of a working day. */
function slots(timezone: string | undefined): (time: number) => string {
  const zone = timezone === undefined ? {} : { timeZone: timezone };
  const format = new Intl.DateTimeFormat("en-GB", { ...zone, weekday: "short", hour: "2-digit", hourCycle: "h23" });
  return (time) => {
    const parts = format.formatToParts(time);
    const part = (type: string) => parts.find((one) => one.type === type)?.value ?? "";
    const weekday = part("weekday");
    return `${weekday === "Sat" || weekday === "Sun" ? "weekend" : "working"} ${part("hour")}`;
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
