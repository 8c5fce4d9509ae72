/** Search in names, types, themes, quantities and sensors of entities, in both languages, tolerant of typing errors. */

import type { Entity } from "./entity";

/** Words that are shorter than this must be right: with one error too many others resemble them. */
const TOLERANT_LENGTH = 4;
/** From this length on two errors are tolerated. */
const TWO_ERRORS_LENGTH = 8;
/** The longest query in characters. */
const QUERY_MAX = 200;

/** An entity with its words, made once. */
interface Entry {
  readonly entity: Entity;
  readonly text: string;
  readonly words: readonly string[];
}

export interface Found {
  readonly entities: Entity[];
  /** Nothing has exactly these words: they resemble words of what was found. */
  readonly similar: boolean;
}

export class SearchIndex {
  readonly #entries: readonly Entry[];

  /** `textOf` returns all that an entity is found by; the order of the entities is that of what is found. */
  constructor(entities: Iterable<Entity>, textOf: (entity: Entity) => string) {
    this.#entries = [...entities].map((entity) => {
      const text = plain(textOf(entity));
      return { entity, text, words: [...new Set(text.split(/[^\p{L}\p{N}]+/u).filter(Boolean))] };
    });
  }

  find(query: string): Found {
    const asked = plain(query.slice(0, QUERY_MAX)).split(/\s+/).filter(Boolean);
    const exact = this.#entries.filter(({ text }) => asked.every((word) => text.includes(word)));
    if (exact.length > 0) return { entities: exact.map((one) => one.entity), similar: false };
    const similar = this.#entries.filter(({ text, words }) =>
      asked.every((word) => text.includes(word) || words.some((one) => resembles(word, one))),
    );
    return { entities: similar.map((one) => one.entity), similar: similar.length > 0 };
  }
}

/** Returns a text in lower case without accents: "Stedelijk gebíed" is "stedelijk gebied". */
export function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Whether what was typed is this word, or its beginning, with one or two errors. */
export function resembles(typed: string, word: string): boolean {
  if (typed.length < TOLERANT_LENGTH) return false;
  const errors = typed.length < TWO_ERRORS_LENGTH ? 1 : 2;
  if (word.length < typed.length - errors) return false;
  return distance(typed, word, errors) <= errors;
}

/**
 * Returns the least number of insertions, deletions, replacements and swaps of neighbours that make `typed` of a
 * beginning of `word` (optimal string alignment); more than `max` is not reckoned further.
 */
function distance(typed: string, word: string, max: number): number {
  const width = Math.min(word.length, typed.length + max);
  let before: number[] = [];
  let last = Array.from({ length: width + 1 }, (_, column) => column);
  for (let row = 1; row <= typed.length; row += 1) {
    const next = [row];
    for (let column = 1; column <= width; column += 1) {
      const same = typed[row - 1] === word[column - 1];
      let best = Math.min(last[column]! + 1, next[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      if (row > 1 && column > 1 && typed[row - 1] === word[column - 2] && typed[row - 2] === word[column - 1])
        best = Math.min(best, before[column - 2]! + 1);
      next.push(best);
    }
    if (Math.min(...next) > max) return max + 1;
    before = last;
    last = next;
  }
  return Math.min(...last.slice(Math.max(0, typed.length - max)));
}
