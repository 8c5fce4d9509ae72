/**
 * Names of values, symbols of units and the zone of the city, from `/page.json`. They come after the incident: it is
 * read without them. The phone keeps the last ones: without a connection times are those of the city's clocks, too.
 */

import { inLanguage, language, type Bilingual } from "../language/language.svelte";

interface PageTexts {
  readonly city?: { readonly name?: string; readonly timezone?: string };
  readonly names?: Readonly<Record<string, Bilingual>>;
  readonly unitSymbols?: Readonly<Record<string, string>>;
}

const STORED = "livetwin-texts";

export class DisplayTexts {
  #texts = $state.raw<PageTexts>({});

  readonly city = $derived(this.#texts.city?.name);

  async fetch(): Promise<void> {
    this.#take(remembered());
    try {
      const response = await fetch("/page.json");
      if (!response.ok) return;
      const { city, names, unitSymbols } = (await response.json()) as PageTexts;
      this.#take({ city, names, unitSymbols });
      localStorage.setItem(STORED, JSON.stringify(this.#texts));
    } catch {
      // Without them names are those of the data, and times those of the phone; without storage they are of this visit.
    }
  }

  #take(texts: PageTexts): void {
    this.#texts = texts;
    language.timezone = texts.city?.timezone;
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

function remembered(): PageTexts {
  try {
    return (JSON.parse(localStorage.getItem(STORED) ?? "{}") as PageTexts | null) ?? {};
  } catch {
    return {};
  }
}

export const displayTexts = new DisplayTexts();
