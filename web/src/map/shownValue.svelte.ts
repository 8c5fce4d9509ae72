/** The value that the map shows, from the address: its classes, and what each place has of it. */

import { untrack } from "svelte";
import { address } from "../app/address.svelte";
import { clock } from "../live/clock.svelte";
import { live } from "../live/live.svelte";
import { moment } from "../time/moment.svelte";
import { namesOf, shownValuesOf, type ShownValues } from "./shownValues";

/** Time between two looks at the values: the map is no list, and drawing a city takes a while. */
const LOOK_MS = 2000;

const valuesOf = (id: string) => live.cell(id).values;

class ShownValue {
  /** The name of the value; undefined while places have the colours of their themes. */
  readonly property = $derived(address.get("show"));

  /** Names of all values that a place has, and that of the address, each with its theme. */
  readonly offered = $derived.by(() => {
    void live.layout;
    const { entities } = live;
    const { property } = this;
    // Untracked: a change of any cell would count the values of the whole city anew.
    const names = untrack(() => namesOf(entities, valuesOf));
    if (property !== undefined && !names.has(property)) names.set(property, undefined);
    return [...names];
  });

  /** Differs when the map looks at the values again: every two seconds, and with each scene of the past. */
  readonly look = $derived(moment.isPast ? `past ${live.layout}` : `now ${Math.floor(clock.now / LOOK_MS)} ${live.isComplete}`);

  /** What the map shows now. */
  readonly values = $derived.by<ShownValues | undefined>(() => {
    const { property } = this;
    if (property === undefined) return undefined;
    void this.look;
    const { entities } = live;
    return untrack(() => shownValuesOf(property, entities, valuesOf));
  });

  choose(property: string): void {
    address.go({ show: property === "" ? undefined : property });
  }
}

export const shownValue = new ShownValue();
