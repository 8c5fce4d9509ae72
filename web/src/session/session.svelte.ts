/** The session: the API key or access token of the reader, kept for this tab only, and what its owner may do. */

import { Problem, sentenceOf } from "../http/problem";
import { clock } from "../live/clock.svelte";
import { leaveFor, tokenOf, type Issuer, type IssuerAnswer } from "./openid";
import { OPERATIONS, type Operation } from "./operations";
import { sessionSentences } from "./sentences";
import { fetchPrincipal, type Principal } from "./principal";

const STORED = "livetwin-key";
const STORED_ISSUER = "livetwin-issuer";

/** Where a token is from. */
interface Origin {
  readonly issuerId: string;
  readonly endSession: string | undefined;
}

class Session {
  #key = $state(stored(STORED) ?? "");
  #principal = $state.raw<Principal>();
  #origin = $state.raw<Origin | undefined>(originOf(stored(STORED_ISSUER)));

  /** The issuers at which the reader can sign in; set once, from the settings of the page. */
  issuers = $state.raw<readonly Issuer[]>([]);
  /** Why one is not, or no longer, signed in. */
  problem = $state<string>();

  /** The key or token; "" without one. */
  get key(): string {
    return this.#key;
  }

  /** The owner of the key; undefined while nobody is signed in, or the key of this tab is not checked yet. */
  get principal(): Principal | undefined {
    return this.#principal;
  }

  readonly isSignedIn = $derived(this.#key !== "");

  /** Milliseconds until the session ends by itself; undefined for one that does not. */
  readonly remaining = $derived(this.#principal?.expires === undefined ? undefined : this.#principal.expires - clock.now);

  /** The issuer at which the reader signed in. */
  readonly issuer = $derived(this.issuers.find((one) => one.id === this.#origin?.issuerId));

  /** Where the reader can sign out at the issuer too; a page that forgets a token does not do that. */
  readonly endSession = $derived(this.#origin?.endSession);

  /** Takes the answer of an issuer, else checks the key that this tab has from before a reload. */
  async begin(answer?: IssuerAnswer): Promise<void> {
    try {
      if (answer === undefined) await this.#check();
      else {
        const { token, ...origin } = await tokenOf(answer);
        await this.signIn(token, origin);
      }
    } catch (error) {
      this.problem = sentenceOf(error);
    }
  }

  /** Signs in with a key or token, which counts only once the server knows it. Raises Problem. */
  async signIn(given: string, origin?: Origin): Promise<void> {
    const key = given.trim();
    this.#principal = await fetchPrincipal(key);
    this.problem = undefined;
    this.#keep(key, origin);
  }

  /** Leaves the page for an issuer. Raises Problem. */
  async signInAt(issuer: Issuer): Promise<void> {
    await leaveFor(issuer);
  }

  signOut(): void {
    this.#principal = undefined;
    this.#keep("", this.#origin);
  }

  /** Ends a session whose time is over, and says so. */
  expire(): void {
    this.signOut();
    this.problem = sessionSentences().ended;
  }

  /** Whether the reader may use an operation of the API, by its id; until the key is checked, it is enough. */
  may(operation: Operation): boolean {
    return this.isSignedIn && (this.#principal?.permissions.has(OPERATIONS[operation]) ?? true);
  }

  async #check(): Promise<void> {
    const key = this.#key;
    if (key === "") return;
    try {
      this.#principal = await fetchPrincipal(key);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === undefined || error.status >= 500 || this.#key !== key) return;
      this.expire();
    }
  }

  #keep(key: string, origin: Origin | undefined): void {
    this.#key = key;
    this.#origin = origin;
    store(STORED, key);
    store(STORED_ISSUER, origin === undefined ? "" : JSON.stringify(origin));
  }
}

function originOf(text: string | undefined): Origin | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Origin);
  } catch {
    return undefined;
  }
}

function stored(name: string): string | undefined {
  try {
    return sessionStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

function store(name: string, text: string): void {
  try {
    if (text === "") sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, text);
  } catch {
    // In a browser without storage the reader signs in again after a reload.
  }
}

export const session = new Session();
