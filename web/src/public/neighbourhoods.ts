/** The neighbourhoods of the city, by name. */

import type { Entity } from "../entities/entity";
import { language } from "../language/language.svelte";
import { live } from "../live/live.svelte";

const TYPE = "Neighbourhood";

/** Returns the neighbourhoods by name; follows the model. */
export function neighbourhoods(): Entity[] {
  const collator = new Intl.Collator(language.locale, { numeric: true });
  return [...live.entities.values()].filter((one) => one.type === TYPE).sort((one, other) => collator.compare(one.name, other.name));
}

/** Returns a text without case and accents, for finding. */
export function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().trim();
}
