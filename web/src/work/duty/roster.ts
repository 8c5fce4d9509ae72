/** The roster as a grid: what of each shift lies on which day of which team. */

import type { Override, Shift } from "./dutyApi";

/** A part of a shift within one day. Times are epoch milliseconds. */
export interface DayPart {
  readonly key: string;
  readonly contact: string | undefined;
  readonly contactId: string | undefined;
  readonly start: number;
  readonly end: number;
  readonly isOverride: boolean;
  /** The override that it comes from, as far as it is known. */
  readonly overrideId: string | undefined;
}

/** Returns the teams of shifts, in their order. */
export function teamsOf(shifts: readonly Shift[]): string[] {
  return [...new Set(shifts.map((one) => one.teamId))];
}

/** Returns what lies between two times, cut at them. */
export function partsOf(shifts: readonly Shift[], overrides: readonly Override[], teamId: string, from: number, until: number): DayPart[] {
  return shifts
    .filter((one) => one.teamId === teamId && Date.parse(one.start) < until && Date.parse(one.end) > from)
    .map((one) => {
      const [start, end] = [Math.max(Date.parse(one.start), from), Math.min(Date.parse(one.end), until)];
      const isOverride = one.source === "override";
      return {
        key: `${start} ${one.contact?.id ?? ""}`,
        contact: one.contact?.name,
        contactId: one.contact?.id,
        start,
        end,
        isOverride,
        overrideId: isOverride ? overrideOf(one, overrides)?.id : undefined,
      };
    })
    .sort((a, b) => a.start - b.start);
}

/** Returns the override that a shift comes from: of overlapping ones, the latest created. */
export function overrideOf(shift: Shift, overrides: readonly Override[]): Override | undefined {
  const [start, end] = [Date.parse(shift.start), Date.parse(shift.end)];
  return overrides
    .filter((one) => one.withdrawnTime === null && one.teamId === shift.teamId && one.contactId === shift.contact?.id)
    .filter((one) => Date.parse(one.start) < end && Date.parse(one.end) > start)
    .sort((a, b) => Date.parse(b.madeTime) - Date.parse(a.madeTime))[0];
}
