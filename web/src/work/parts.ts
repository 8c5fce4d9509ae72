/** The parts of the room for work, in the order of their navigation. The code of each comes when it is opened. */

import type { Component } from "svelte";
import { address } from "../app/address.svelte";
import { workSentences } from "./sentences";

export type PartId = keyof ReturnType<typeof workSentences>["titles"];

export interface Part {
  /** As `part` in the address. */
  readonly id: PartId;
  /** Whether it shows the moment that the page shows; the others show how things are now. */
  readonly followsMoment: boolean;
  readonly load: () => Promise<{ default: Component }>;
}

export const PARTS: readonly Part[] = [
  { id: "rules", followsMoment: false, load: () => import("./rules/Rules.svelte") },
  { id: "duty", followsMoment: false, load: () => import("./duty/Duty.svelte") },
  { id: "handover", followsMoment: true, load: () => import("./duty/HandOver.svelte") },
  { id: "messages", followsMoment: true, load: () => import("./duty/Messages.svelte") },
  { id: "maintenance", followsMoment: false, load: () => import("./maintenance/Maintenance.svelte") },
  { id: "ledger", followsMoment: true, load: () => import("./data/Ledger.svelte") },
  { id: "quarantine", followsMoment: false, load: () => import("./data/Quarantine.svelte") },
  { id: "devices", followsMoment: false, load: () => import("./data/Devices.svelte") },
  { id: "provenance", followsMoment: true, load: () => import("./data/ProvenancePage.svelte") },
  { id: "city", followsMoment: false, load: () => import("./city/City.svelte") },
];

/** Returns the part that the address names. */
export function currentPart(): Part {
  return PARTS.find((one) => one.id === address.get("part")) ?? PARTS[0]!;
}
