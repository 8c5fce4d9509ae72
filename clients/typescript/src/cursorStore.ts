/** Where a subscriber keeps its cursor: the position after the last event that it has dealt with. */

export interface CursorStore {
  /** Returns the stored cursor; undefined for none: the stream then begins with a snapshot. */
  load(): string | undefined | Promise<string | undefined>;
  save(cursor: string): void | Promise<void>;
}

/** Keeps the cursor as long as the program runs. */
export class MemoryCursorStore implements CursorStore {
  #cursor: string | undefined;

  load(): string | undefined {
    return this.#cursor;
  }

  save(cursor: string): void {
    this.#cursor = cursor;
  }
}

/** Keeps the cursor in the `localStorage` of a browser, or in another storage such as `sessionStorage`. */
export class LocalStorageCursorStore implements CursorStore {
  readonly #key: string;
  readonly #storage: Pick<Storage, "getItem" | "setItem">;

  /** Two subscribers with other filters need other keys. */
  constructor(key: string, storage: Pick<Storage, "getItem" | "setItem"> = localStorage) {
    this.#key = key;
    this.#storage = storage;
  }

  load(): string | undefined {
    return this.#storage.getItem(this.#key) ?? undefined;
  }

  save(cursor: string): void {
    this.#storage.setItem(this.#key, cursor);
  }
}
