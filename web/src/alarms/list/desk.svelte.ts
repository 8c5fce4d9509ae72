/** The desk of the alarm list: its rows in order, what is selected, where the keyboard is, and actions on several alarms. */

import { SvelteMap, SvelteSet } from "svelte/reactivity";
import { numberText } from "../../language/format";
import { inLanguage } from "../../language/language.svelte";
import { Problem } from "../../http/problem";
import { live } from "../../live/live.svelte";
import { moment } from "../../time/moment.svelte";
import { propertyOf, type Alarm } from "../alarm";
import { act, type AlarmAction, type Remark } from "../alarmApi";
import { alarms } from "../alarms.svelte";
import { owners } from "../owners.svelte";
import { group, nextWaiting, select, type Surroundings } from "./arrange";
import { listChoice } from "./choice.svelte";

/** The largest number of rows in the document: more would not be read. */
export const ROWS_MAX = 300;
/** Actions that are on their way at the same time. */
const ACTIONS_AT_ONCE = 4;

export interface Progress {
  readonly action: AlarmAction;
  readonly done: number;
  readonly total: number;
  readonly failed: number;
  readonly isOver: boolean;
}

class Desk {
  /** All alarms that the filters let through, in order. */
  readonly found = $derived(select(alarms.standing, listChoice.choice, around));
  readonly groups = $derived(group(this.found.slice(0, ROWS_MAX), listChoice.grouping));
  /** The rows as they stand, without those in closed groups. */
  readonly rows = $derived(this.groups.flatMap((one) => (this.closed.has(one.key) ? [] : one.alarms)));
  readonly closed = new SvelteSet<string>();
  readonly selected = new SvelteSet<string>();
  /** Sentences about actions that failed, by alarm. */
  readonly failures = new SvelteMap<string, string>();
  /** Where the keyboard is: the one row that Tab reaches. */
  current = $state.raw<string>();
  /** The row that the focus goes to as soon as the list shows it. */
  wanted = $state.raw<string>();
  progress = $state.raw<Progress>();
  /** Selected alarms that still stand. */
  readonly chosen = $derived(alarms.standing.filter((one) => this.selected.has(one.id)));

  /** The row that Tab reaches. */
  get entry(): string | undefined {
    return this.rows.some((one) => one.id === this.current) ? this.current : this.rows[0]?.id;
  }

  /** Moves the keyboard to a row, when the list shows it. */
  focus(id: string): void {
    this.current = id;
    this.wanted = id;
  }

  /** Returns the next alarm that waits after one, going round; the first without one. */
  nextWaiting(after?: string): Alarm | undefined {
    return nextWaiting(this.rows, new Set(after === undefined ? [] : [after]));
  }

  toggle(id: string): void {
    if (!this.selected.delete(id)) this.selected.add(id);
  }

  /** Selects all of them, or none when all are. */
  toggleAll(all: readonly Alarm[]): void {
    const every = all.every((one) => this.selected.has(one.id));
    for (const { id } of all)
      if (every) this.selected.delete(id);
      else this.selected.add(id);
  }

  /**
   * Does an action on alarms, some at a time. Afterwards those that failed stay selected, each with its reason, and
   * the focus is on the next alarm that waits.
   */
  async perform(action: AlarmAction, on: readonly Alarm[], remark: Remark = {}): Promise<void> {
    if (on.length === 0 || this.progress?.isOver === false) return;
    const acted = new Set(on.map((one) => one.id));
    const next = nextWaiting(this.rows, acted);
    let [done, failed] = [0, 0];
    const tell = (isOver: boolean) => (this.progress = { action, done, total: on.length, failed, isOver });
    tell(false);
    const waiting = [...on];
    const work = async (): Promise<void> => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
        try {
          // An alarm that was raised again meanwhile has not been seen.
          const occurrence = action === "acknowledge" && one.occurrence > 0 ? { occurrence: one.occurrence } : {};
          const unknown = await act(one.id, action, { ...remark, ...occurrence });
          if (unknown === undefined) this.failures.delete(one.id);
          else this.failures.set(one.id, unknown);
          this.selected.delete(one.id);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          failed += 1;
          this.failures.set(one.id, error.message);
        }
        done += 1;
        tell(false);
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(ACTIONS_AT_ONCE, on.length) }, work));
    } finally {
      tell(true);
    }
    const to = failed > 0 ? on.find((one) => this.failures.has(one.id)) : (next ?? this.rows.find((one) => acted.has(one.id)));
    if (to !== undefined) this.focus(to.id);
  }
}

const around: Surroundings = {
  nameOf: (entity) => live.nameOf(entity),
  sentenceOf: (alarm) => inLanguage(alarm.sentence),
  whoOf: (alarm) => whoIsOn(alarm),
  excessOf(alarm) {
    const { threshold } = alarm.compared ?? {};
    const value = valueNow(alarm);
    if (threshold === undefined || value === undefined) return -Infinity;
    return Math.abs(value - threshold) / Math.max(Math.abs(threshold), 1e-9);
  },
  isWithin(entity, area) {
    let id: string | undefined = entity;
    // Deeper than any city; the model has no circles, a broken one must not hang the page.
    for (let depth = 0; id !== undefined && depth < 50; depth += 1) {
      if (id === area) return true;
      id = live.entities.get(id)?.parent;
    }
    return false;
  },
};

/** Returns who is on an alarm: who it is assigned to, else who acknowledged it; "" for nobody, and while the past is shown. */
export function whoIsOn(alarm: string): string {
  if (moment.isPast) return "";
  const { assignee, acknowledgedBy } = owners.of(alarm);
  return assignee ?? acknowledgedBy ?? "";
}

/** Returns the value that an alarm is about as it is now; else the one at its last change. */
export function valueNow(alarm: Alarm): number | undefined {
  const { compared } = alarm;
  if (compared === undefined) return undefined;
  const now = live.cell(compared.entityId).values.get(propertyOf(compared.name));
  return now !== undefined && now.unit === compared.unit ? now.value : compared.value;
}

/** Returns a share as a number of per cent. */
export function percentText(share: number): string {
  return `${numberText(share * 100)}\u202f%`;
}

export const desk = new Desk();
