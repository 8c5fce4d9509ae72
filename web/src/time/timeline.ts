/** What was known about the city at each moment of a span of the past. Bounded; without a clock of its own. */

import type { Alarm } from "../alarms/alarm";
import { StandingAlarms } from "../alarms/standingAlarms";
import type { Entity } from "../entities/entity";
import type { Freshness } from "../entities/freshness";
import { EntityValues, type StateEvent } from "../live/entityValues";

/** The largest number of changes of one span: a city of a hundred places has some 60,000 in a day. */
export const CHANGES_MAX = 500_000;

/** Something that the page would have shown from `known` on, in epoch milliseconds. */
export type Change =
  | { readonly known: number; readonly state: StateEvent; readonly alarm?: undefined }
  | { readonly known: number; readonly alarm: Alarm; readonly state?: undefined };

/** The page at one moment. */
export interface Scene {
  readonly values: EntityValues;
  readonly alarms: StandingAlarms;
}

/** Returns the expected time between two observations in milliseconds; undefined where it is not known. */
export type IntervalOf = (entityId: string, property: string) => number | undefined;

const MINUTE_MS = 60_000;
/** As the server has them: a value is live for so many of its intervals, then stale, then silent. */
const LIVE_INTERVALS = 2.5;
const STALE_INTERVALS = 10;
const GRACE_MS = MINUTE_MS / 2;
/** Of a value whose interval is not known. */
const INTERVAL_MS = 10 * MINUTE_MS;

export class Timeline {
  readonly #changes: Change[] = [];
  /** Alarms that stood when the span began. */
  readonly #before: readonly Alarm[];
  readonly #intervalOf: IntervalOf;
  /** Changes from the beginning that are in `#states` and `#alarms`. */
  #applied = 0;
  #states = new Map<string, StateEvent>();
  #alarms: StandingAlarms;

  constructor(before: readonly Alarm[], intervalOf: IntervalOf) {
    this.#before = before;
    this.#intervalOf = intervalOf;
    this.#alarms = this.#standingBefore();
  }

  get size(): number {
    return this.#changes.length;
  }

  get isFull(): boolean {
    return this.#changes.length >= CHANGES_MAX;
  }

  /** Adds a change that is not older than the last one; one that goes back a little counts as of the same time. */
  add(change: Change): void {
    if (this.isFull) return;
    const last = this.#changes.at(-1)?.known ?? -Infinity;
    this.#changes.push(change.known < last ? { ...change, known: last } : change);
  }

  /** Returns what was known at a time. Going forward costs what changed; going back begins anew. */
  at(time: number, entities: Iterable<Entity>): Scene {
    const last = this.#changes[this.#applied - 1];
    if (last !== undefined && last.known > time) this.#rewind();
    for (let next = this.#changes[this.#applied]; next !== undefined && next.known <= time; next = this.#changes[this.#applied]) {
      if (next.alarm !== undefined) this.#alarms.apply(next.alarm);
      else this.#keep(next.state);
      this.#applied += 1;
    }
    const values = new EntityValues();
    values.load(entities);
    for (const [key, state] of this.#states) {
      const aged = this.#aged(state, time);
      if (aged !== state) this.#states.set(key, aged);
      values.addFromSnapshot(aged);
    }
    return { values, alarms: this.#alarms };
  }

  #rewind(): void {
    this.#applied = 0;
    this.#states = new Map();
    this.#alarms = this.#standingBefore();
  }

  #standingBefore(): StandingAlarms {
    const alarms = new StandingAlarms();
    for (const alarm of this.#before) alarms.addFromSnapshot(alarm);
    return alarms;
  }

  #keep(state: StateEvent): void {
    const key = `${state.entityId}\n${state.property}`;
    const known = this.#states.get(key);
    if (known === undefined || state.phenomenonTime >= known.phenomenonTime) this.#states.set(key, state);
  }

  /** Returns a state with its freshness at a time; the same object where that has not changed. */
  #aged(state: StateEvent, time: number): StateEvent {
    const freshness = freshnessAt(state.phenomenonTime, this.#intervalOf(state.entityId, state.property) ?? INTERVAL_MS, time);
    return freshness === state.freshness ? state : { ...state, freshness };
  }
}

/** Returns the freshness of a value at a time, from the expected interval of its sensor; all in milliseconds. */
export function freshnessAt(phenomenonTime: number, interval: number, time: number): Freshness {
  const age = time - phenomenonTime;
  if (age <= interval * LIVE_INTERVALS + GRACE_MS) return "live";
  return age <= interval * STALE_INTERVALS + GRACE_MS ? "stale" : "silent";
}
