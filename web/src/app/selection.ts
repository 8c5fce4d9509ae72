/**
 * What is chosen: a place, an alarm, or both, whose panels are open. They are in the address as `entity` and `alarm`.
 *
 * A place that is opened beside an alarm does not close it; an alarm that is opened has the side to itself.
 */

import { address } from "./address.svelte";

/** Opens the panel of an entity; the card of an alarm stays. */
export function chooseEntity(id: string): void {
  address.go({ entity: id });
}

/** Opens the card of an alarm; a panel of an entity makes place for it. */
export function chooseAlarm(id: string): void {
  address.go({ alarm: id, entity: undefined });
}

/** Closes the panel that was opened last: that of an entity, else that of an alarm. It gives the focus back. */
export function closePanel(): void {
  if (address.get("entity") === undefined) closeAlarm();
  else close("entity", "row", "opens");
}

/** Closes the card of the alarm, and leaves a panel of an entity open. */
export function closeAlarm(): void {
  close("alarm", "alarm", "alarm");
}

/** Closes what a name of the address opened; the focus goes to the first element with this id in one of two attributes. */
function close(name: "entity" | "alarm", ...attributes: readonly string[]): void {
  const id = address.get(name);
  address.go({ [name]: undefined });
  if (id === undefined) return;
  const selector = attributes.map((one) => `[data-${one}="${CSS.escape(id)}"]`).join(", ");
  // A narrow page shows the list again only now.
  requestAnimationFrame(() => document.querySelector<HTMLElement>(selector)?.focus());
}
