/** The rule that is being edited: its text is the truth, and the form edits the text. */

import type { Fault } from "../../http/problem";
import { documentOf, type Rule, type RuleDocument } from "./rule";
import { ruleSentences } from "./sentences";
import { edited, pointerOf, readText, textOf, type Path } from "./yamlText";

/** The largest number of unsaved drafts that are kept while the page is open. */
const DRAFTS_MAX = 20;

export class RuleDraft {
  text = $state("");
  /** The text of what is in force, or the template of a new rule. */
  original = $state.raw("");
  /** The version that is edited; undefined for a new rule. */
  version = $state.raw<number>();
  /** What the API found wrong; of the text that it was given. */
  refused = $state.raw<readonly Fault[]>([]);
  #refusedText = $state.raw("");

  readonly read = $derived(readText(this.text, ruleSentences().notMap));
  readonly isChanged = $derived(this.text !== this.original);
  readonly value: RuleDocument | undefined = $derived(this.read.value);

  /** All faults, with the line of each in the text. Those of the API stay until it judges again. */
  readonly faults = $derived([
    ...this.read.faults.map((one) => ({ ...one, pointer: undefined as string | undefined })),
    ...this.refused.map((one) => ({ line: this.read.lineOf(one.name), detail: one.detail, pointer: one.name as string | undefined })),
  ]);

  /** Whether the text was changed since the API found the faults. */
  readonly isRefusalOld = $derived(this.refused.length > 0 && this.text !== this.#refusedText);

  /** Begins with what is in force. */
  load(rule: Rule): void {
    this.original = textOf(documentOf(rule));
    this.version = rule.version;
    this.text = this.original;
    this.refused = [];
  }

  /** Begins a new rule. */
  begin(template: string): void {
    this.original = template;
    this.version = undefined;
    this.text = template;
    this.refused = [];
  }

  refuse(faults: readonly Fault[]): void {
    this.refused = faults;
    this.#refusedText = this.text;
  }

  /** Returns the value at a path. */
  at(path: Path): unknown {
    let value: unknown = this.value;
    for (const one of path) value = typeof value === "object" && value !== null ? (value as Record<string | number, unknown>)[one] : undefined;
    return value;
  }

  /** Changes the value at a path; undefined takes it out. */
  set(path: Path, value: unknown): void {
    this.text = edited(this.text, path, value);
  }

  /** Returns what is wrong at a path or below it, as one text. */
  problemAt(path: Path): string | undefined {
    const pointer = pointerOf(path);
    const found = this.refused.filter((one) => one.name === pointer || one.name.startsWith(`${pointer}/`));
    return found.length === 0 ? undefined : found.map((one) => one.detail).join(" ");
  }
}

const drafts = new Map<string, RuleDraft>();

/** Returns the draft of a rule, which stays while other parts of the page are open; "" is the new rule. */
export function draftOf(id: string): RuleDraft {
  let draft = drafts.get(id);
  if (draft === undefined) {
    draft = new RuleDraft();
    drafts.set(id, draft);
    for (const old of drafts.keys()) {
      if (drafts.size <= DRAFTS_MAX) break;
      drafts.delete(old);
    }
  }
  return draft;
}

/** Forgets a draft. */
export function forgetDraft(id: string): void {
  drafts.delete(id);
}
