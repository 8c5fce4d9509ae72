/** The language of sentences that exist in two: Dutch for a browser that prefers it, else English. */

import type { Sentence } from "../alarms/alarm";
import { element } from "./element";

export const LANGUAGE: keyof Sentence = /^nl\b/i.test(navigator.language) ? "nl" : "en";

/** Returns the sentence of an alarm without the time at its end, which the page shows separately. */
export function briefly(sentence: Sentence): Sentence {
  const cut = (text: string) => text.replace(/, (at|om) \d{4}-\d\d-\d\dT[\d:.]+Z\.$/, ".");
  return { en: cut(sentence.en), nl: cut(sentence.nl) };
}

/** Returns the text in the reader's language, marked for screen readers where it is not that of the page. */
export function said(sentence: Sentence, attributes: Readonly<Record<string, string>> = {}): HTMLElement {
  const marked = LANGUAGE === "en" ? attributes : { ...attributes, lang: LANGUAGE };
  return element("span", marked, sentence[LANGUAGE]);
}
