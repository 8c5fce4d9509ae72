/**
 * What the page shows, kept in its address: a link, the history of the browser and a reload bring it back.
 *
 * Each name is followed on its own: what reads `get("entity")` is not renewed when the place of the map changes.
 */

import { createSubscriber } from "svelte/reactivity";

/** New values by name; undefined takes a name out of the address. */
export type Changes = Readonly<Record<string, string | undefined>>;

/** Browsers refuse more than some hundred changes in half a minute, and a map that moves makes sixty a second. */
const NOTE_AFTER_MS = 300;

/** The value of one name. It may be made by the one that reads it first, which a signal of Svelte must not be. */
class Value {
  #text: string | undefined;
  #changed: (() => void) | undefined;
  readonly #follow = createSubscriber((changed) => {
    this.#changed = changed;
    return () => (this.#changed = undefined);
  });

  /** The text now, without following it. */
  get now(): string | undefined {
    return this.#text;
  }

  get text(): string | undefined {
    this.#follow();
    return this.#text;
  }

  set text(text: string | undefined) {
    if (text === this.#text) return;
    this.#text = text;
    this.#changed?.();
  }
}

class Address {
  readonly #values = new Map<string, Value>();
  #noted: ReturnType<typeof setTimeout> | undefined;

  /** Reads the address, and follows the history of the browser until the returned function is called. */
  begin(): () => void {
    const read = () => this.#read(new URLSearchParams(location.search));
    read();
    addEventListener("popstate", read);
    return () => {
      removeEventListener("popstate", read);
      this.#write();
    };
  }

  get(name: string): string | undefined {
    return this.#value(name).text;
  }

  /** Changes the address; the button "back" of the browser undoes it. */
  go(changes: Changes): void {
    this.#write();
    if (this.#change(changes)) history.pushState(null, "", this.#href());
  }

  /** Changes the address without a step for "back": for what is typed, moved or switched. */
  note(changes: Changes): void {
    if (!this.#change(changes)) return;
    this.#noted ??= setTimeout(() => this.#write(), NOTE_AFTER_MS);
  }

  /** Returns the address with changes, for a link. */
  href(changes: Changes): string {
    for (const { text } of this.#values.values()) void text;
    const values = this.#all();
    for (const [name, value] of Object.entries(changes))
      if (value === undefined) values.delete(name);
      else values.set(name, value);
    return `${location.pathname}${queryOf(values)}`;
  }

  /** Follows a link of the page without loading it anew; a new tab or window is left to the browser. */
  follow(event: MouseEvent, changes: Changes): void {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.go(changes);
  }

  #change(changes: Changes): boolean {
    let changed = false;
    for (const [name, value] of Object.entries(changes)) {
      const known = this.#value(name);
      if (known.now === value) continue;
      changed = true;
      known.text = value;
    }
    return changed;
  }

  #read(values: URLSearchParams): void {
    clearTimeout(this.#noted);
    this.#noted = undefined;
    for (const [name, value] of this.#values) if (!values.has(name)) value.text = undefined;
    for (const [name, text] of values) this.#value(name).text = text;
  }

  /** Writes what was noted. */
  #write(): void {
    if (this.#noted === undefined) return;
    clearTimeout(this.#noted);
    this.#noted = undefined;
    history.replaceState(null, "", this.#href());
  }

  #href(): string {
    return `${location.pathname}${queryOf(this.#all())}`;
  }

  #all(): URLSearchParams {
    const all = new URLSearchParams();
    for (const [name, { now }] of this.#values) if (now !== undefined) all.set(name, now);
    return all;
  }

  #value(name: string): Value {
    let value = this.#values.get(name);
    if (value === undefined) this.#values.set(name, (value = new Value()));
    return value;
  }
}

/** Slashes, commas and colons stay readable in a link. */
function queryOf(values: URLSearchParams): string {
  const text = values.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%7E", "~");
  return text === "" ? "" : `?${text}`;
}

export const address = new Address();
