/** What the city says of itself, from `GET /v1/city`: who it is, its statements, and who may embed this page. */

import { fetched, Problem } from "../http/problem";
import { openTwin } from "../http/twin";
import type { Bilingual } from "../language/language.svelte";
import { publicSentences } from "./sentences";

/** A text in Markdown, or the address of a page that has it. */
export interface SiteText {
  readonly text: Bilingual | null;
  readonly url: Bilingual | null;
}

export interface CityAnswer {
  readonly name: string;
  readonly languages: readonly string[];
  readonly organisation: Bilingual | null;
  readonly privacy: SiteText | null;
  readonly accessibility: SiteText | null;
  readonly contact: SiteText | null;
  readonly processingRegister: string | null;
  readonly embeddingOrigins: readonly string[];
  readonly _links: { readonly theme?: { readonly href: string } };
}

class City {
  shown = $state.raw<CityAnswer>();
  problem = $state<string>();

  async fetch(): Promise<void> {
    try {
      this.shown = (await fetched(publicSentences().theCity, openTwin().follow("/v1/city"))) as CityAnswer;
      this.problem = undefined;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error.message;
    }
  }
}

export const city = new City();
