/** Whether there is a flood of alarms: for the list, which then groups by cause, and for screen readers. */

import { untrack } from "svelte";
import { announcer } from "../app/announcer.svelte";
import { clock } from "../live/clock.svelte";
import { live } from "../live/live.svelte";
import { moment } from "../time/moment.svelte";
import { alarms } from "./alarms.svelte";
import { FLOOD_BEGINS_OVER, FLOOD_WITHIN_MS, FloodWatch } from "./flood";
import { signalSentences } from "./signals/sentences";

class Flood {
  /** Since when there is a flood; undefined without one. */
  since = $state.raw<number>();
  /** When the last one ended, until the reader has taken note. */
  endedAt = $state.raw<number>();
  /** New alarms in the last ten minutes. */
  count = $state.raw(0);

  /** Whether the list groups by cause: there is a flood now or, while the past is shown, there was one then. */
  readonly isShown = $derived.by(() => {
    const { past } = moment;
    if (past === undefined) return this.since !== undefined;
    const isNew = (raised: number | undefined) => raised !== undefined && raised <= past && raised > past - FLOOD_WITHIN_MS;
    return alarms.standing.filter((one) => isNew(one.raisedTime)).length > FLOOD_BEGINS_OVER;
  });

  /** Watches, in an effect of a component. */
  watch(): void {
    const watch = new FloodWatch();
    $effect(() =>
      alarms.onNews((news) => {
        for (const one of news) watch.add(`${one.id} ${one.occurrence}`, Date.now());
      }),
    );
    $effect(() => {
      if (!live.isComplete) return;
      // What was raised shortly before the page was opened.
      untrack(() => {
        for (const one of alarms.standing)
          if (one.raisedTime !== undefined) watch.add(`${one.id} ${one.occurrence}`, one.raisedTime);
      });
    });
    $effect(() => {
      const { now } = clock;
      untrack(() => this.#show(watch.at(now), watch.countAt(now), now));
    });
  }

  #show(since: number | undefined, count: number, now: number): void {
    this.count = count;
    if ((since === undefined) === (this.since === undefined)) return;
    const words = signalSentences();
    if (since !== undefined) {
      this.endedAt = undefined;
      announcer.say(words.flood(count));
    } else {
      this.endedAt = now;
      announcer.say(words.floodOver);
    }
    this.since = since;
  }
}

export const flood = new Flood();
