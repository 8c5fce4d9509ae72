/** A flood of alarms: more new ones than an operator can take in (ISA-18.2, EEMUA 191). Epoch milliseconds. */

export const FLOOD_WITHIN_MS = 10 * 60_000;
/** A flood begins with more new alarms than this within `FLOOD_WITHIN_MS` … */
export const FLOOD_BEGINS_OVER = 10;
/** … and ends when there are fewer than this. */
export const FLOOD_ENDS_BELOW = 5;

/** The largest number of remembered times: above it the count no longer matters. */
const TIMES_MAX = 10_000;

export class FloodWatch {
  /** When an alarm was last new, by its id and occurrence, oldest first. */
  readonly #times = new Map<string, number>();
  #since: number | undefined;

  /** A new alarm; one that is told again counts once. */
  add(key: string, time: number): void {
    if (this.#times.has(key) || this.#times.size >= TIMES_MAX) return;
    this.#times.set(key, time);
  }

  /** Returns how many were new in the ten minutes before a time. */
  countAt(now: number): number {
    for (const [key, time] of this.#times) if (time <= now - FLOOD_WITHIN_MS) this.#times.delete(key);
    return this.#times.size;
  }

  /** Returns since when there is a flood; undefined without one. */
  at(now: number): number | undefined {
    const count = this.countAt(now);
    if (count > FLOOD_BEGINS_OVER) this.#since ??= now;
    else if (count < FLOOD_ENDS_BELOW) this.#since = undefined;
    return this.#since;
  }
}
