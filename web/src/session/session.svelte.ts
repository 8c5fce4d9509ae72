/** The session: the API key of the reader, kept for this tab only, and what its owner may do. */

import { Problem } from "../http/problem";
import { fetchPrincipal, type Principal } from "./whoami";

const STORED = "livetwin-key";

class Session {
  #key = $state(stored());
  #principal = $state.raw<Principal>();

  /** The key; "" without one. */
  get key(): string {
    return this.#key;
  }

  /** The owner of the key; undefined while nobody is signed in, or the key of this tab is not checked yet. */
  get principal(): Principal | undefined {
    return this.#principal;
  }

  readonly isSignedIn = $derived(this.#key !== "");

  /** Checks the key that this tab has from before a reload; one that is refused is removed. */
  async begin(): Promise<void> {
    const key = this.#key;
    if (key === "") return;
    try {
      this.#principal = await fetchPrincipal(key);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status !== undefined && error.status < 500 && this.#key === key) this.signOut();
    }
  }

  /** Signs in with a key, which counts only once the server knows it. Raises Problem. */
  async signIn(given: string): Promise<void> {
    const key = given.trim();
    this.#principal = await fetchPrincipal(key);
    this.#keep(key);
  }

  signOut(): void {
    this.#principal = undefined;
    this.#keep("");
  }

  /** Whether the reader may use an operation of the API, by its id; where the server does not tell, a key is enough. */
  may(operation: string): boolean {
    return this.isSignedIn && (this.#principal?.may?.has(operation) ?? true);
  }

  #keep(key: string): void {
    this.#key = key;
    try {
      if (key === "") sessionStorage.removeItem(STORED);
      else sessionStorage.setItem(STORED, key);
    } catch {
      // In a browser without storage the reader signs in again after a reload.
    }
  }
}

function stored(): string {
  try {
    return sessionStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}

export const session = new Session();
