/** The moment that the whole page shows: now, or a time in the past that the address names. */

import { address } from "../app/address.svelte";
import { clock } from "../live/clock.svelte";

class Moment {
  /** Epoch milliseconds of the time in the past; undefined while the page is live. */
  readonly past = $derived.by(() => timeOf(address.get("at")));
  readonly isPast = $derived(this.past !== undefined);
  /** What counts as now on the page: ages are reckoned from it, and charts end at it. It ticks while the page is live. */
  readonly shown = $derived(this.past ?? clock.now);

  /** Shows a time in the past; undefined is live. */
  show(time: number | undefined): void {
    address.go({ at: time === undefined ? undefined : new Date(time).toISOString() });
  }
}

export const moment = new Moment();

function timeOf(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : time;
}
