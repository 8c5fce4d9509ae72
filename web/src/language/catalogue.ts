/** Sentences of the page. Each room has its own catalogue, in `sentences.ts`, so that it comes with the room's code. */

import { language, type Language } from "./language.svelte";

/**
 * Returns a function that returns the sentences in the language of the page; what calls it follows a change.
 *
 * The English ones are the model: a sentence that the Dutch ones lack, or have too many, is an error of types.
 */
export function catalogue<Sentences extends object>(
  texts: { readonly en: Sentences } & Readonly<Record<Language, NoInfer<Sentences>>>,
): () => Sentences {
  return () => texts[language.current];
}
