/** The parts of the public page, as `part` in the address; the first one is shown without it. */

import { address } from "../app/address.svelte";
import { publicSentences } from "./sentences";

export const PARTS = ["neighbourhoods", "indicators", "sensors", "accessibility", "privacy", "contact"] as const;

export type Part = (typeof PARTS)[number];

/** Those in the navigation; the others, which every public page has, are at its foot. */
export const MAIN_PARTS = PARTS.slice(0, 3);
export const STATEMENTS = PARTS.slice(3);

export function currentPart(): Part {
  return PARTS.find((one) => one === address.get("part")) ?? PARTS[0];
}

export function partTitle(part: Part): string {
  return publicSentences()[part];
}

/** Returns what changes in the address to go to a part. */
export function partChange(part: Part): Record<string, string | undefined> {
  return { part: part === PARTS[0] ? undefined : part, entity: undefined, about: undefined, status: undefined };
}
