/** Names of values, symbols of units and the zone of the city, from `/page.json`. They come after the incident: it is read without them. */

import { inLanguage, language, type Bilingual } from "../language/language.svelte";

interface PageTexts {
  readonly city?: { readonly name?: string; readonly timezone?: string };
  readonly names?: Readonly<Record<string, Bilingual>>;
  readonly unitSymbols?: Readonly<Record<string, string>>;
}

class DisplayTexts {
  #texts = $state.raw<PageTexts>({});

  readonly city = $derived(this.#texts.city?.name);

  async fetch(): Promise<void> {
    try {
      const response = await fetch("/page.json");
      if (!response.ok) return;
      this.#texts = (await response.json()) as PageTexts;
      language.timezone = this.#texts.city?.timezone;
    } catch {
      // Without them names are those of the data, and times those of the phone.
    }
  }

  nameOf(value: string): string {
    const known = this.#texts.names?.[value];
    const text = typeof known === "object" ? inLanguage(known) : value.replaceAll("_", " ");
    return text.charAt(0).toUpperCase() + text.slice(1);
  }

  unitOf(unit: string): string {
    const symbol = this.#texts.unitSymbols?.[unit] ?? unit;
    return symbol === "" ? "" : `\u202f${symbol}`;
  }
}

export const displayTexts = new DisplayTexts();
