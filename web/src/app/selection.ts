/** What is chosen: a place or an alarm, whose panel is open. It is in the address as `entity` or `alarm`. */

import { address } from "./address.svelte";

/** Opens the panel of an entity. */
export function chooseEntity(id: string): void {
  address.go({ entity: id, alarm: undefined });
}

/** Opens the card of an alarm; a panel of an entity makes place for it. */
export function chooseAlarm(id: string): void {
  address.go({ alarm: id, entity: undefined });
}

/** Closes the panel, and gives the focus back to what it was opened from. */
export function closePanel(): void {
  const [kind, id] = address.get("alarm") === undefined ? ["row", address.get("entity")] : ["alarm", address.get("alarm")];
  address.go({ entity: undefined, alarm: undefined });
  if (id === undefined) return;
  // A narrow page shows the list again only now.
  requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-${kind}="${CSS.escape(id)}"]`)?.focus());
}
