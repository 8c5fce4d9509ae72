/** An interruption of the stream: how long it was, and what came afterwards that had been missed. Epoch milliseconds. */

import type { Alarm } from "../alarms/alarm";
import type { StateEvent, Value } from "./entityValues";

export interface Missed {
  readonly from: number;
  readonly until: number;
  /** Values that changed meanwhile. */
  readonly values: number;
  /** Alarms that changed meanwhile. */
  readonly alarms: number;
  /** The server had no longer all that was missed: what is shown is whole, what happened between is in the history. */
  readonly gap: boolean;
}

/** What was missed comes at once after the connection; what comes later is new. */
const CATCH_UP_MS = 5000;

export class Interruption {
  #from: number | undefined;
  #until: number | undefined;
  #gap = false;
  readonly #values = new Set<string>();
  readonly #alarms = new Set<string>();

  /** It begins with the last sign of life; a second one before the end is the same interruption. */
  begin(lastBeat: number): void {
    this.#until = undefined;
    this.#from ??= lastBeat;
  }

  /** A value after the interruption; `before` is what a snapshot replaces. */
  value(event: StateEvent, before: Value | undefined): void {
    if (this.#from === undefined || before?.revision === event.revision) return;
    if (this.#until === undefined || event.phenomenonTime <= this.#until)
      this.#values.add(`${event.entityId}\n${event.property}`);
  }

  alarm(alarm: Alarm): void {
    if (this.#from !== undefined) this.#alarms.add(alarm.id);
  }

  gap(): void {
    if (this.#from !== undefined) this.#gap = true;
  }

  end(now: number): void {
    if (this.#from !== undefined) this.#until ??= now;
  }

  /** Returns what was missed, once, when all of it has come. */
  summary(now: number): Missed | undefined {
    if (this.#from === undefined || this.#until === undefined || now < this.#until + CATCH_UP_MS) return undefined;
    const missed: Missed = {
      from: this.#from,
      until: this.#until,
      values: this.#values.size,
      alarms: this.#alarms.size,
      gap: this.#gap,
    };
    this.#from = this.#until = undefined;
    this.#gap = false;
    this.#values.clear();
    this.#alarms.clear();
    return missed;
  }
}
