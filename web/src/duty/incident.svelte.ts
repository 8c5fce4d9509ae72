/** The incident that the page shows, its acknowledgement, and whether that counted. */

import { language } from "../language/language.svelte";
import { clock } from "../live/clock.svelte";
import { forget, keep, keptOf, sendWaiting, SYNC_TAG, type Kept, type Told } from "./acknowledgementQueue";
import { fetchIncident, LinkRefused, NoAnswer, tokenOf, type LinkedIncident, type Refusal } from "./linkedIncident";

/** How often the incident is fetched again while somebody looks at it. */
const REFRESH_MS = 30_000;
/** How often something that waits is tried again while the page is open. */
const RETRY_MS = 10_000;

class Incident {
  /** The token of the link in the address. */
  token = $state.raw<string>();
  shown = $state.raw<LinkedIncident>();
  refusal = $state.raw<Refusal>();
  /** The last request had no answer. */
  isAway = $state(false);
  isSending = $state(false);
  /** An acknowledgement that waits on this phone. */
  kept = $state.raw<Kept>();
  /** What became of the acknowledgement. */
  told = $state.raw<Told>();
  /** The browser keeps nothing. */
  hasNoStorage = $state(false);

  /** Resolves after the first attempt to fetch an incident, or at once without a link. */
  readonly isDecided: Promise<void>;

  #decide: () => void = () => undefined;
  #request: AbortController | undefined;
  readonly #asked: string | undefined = new URLSearchParams(location.search).get("lang") ?? undefined;

  constructor() {
    this.isDecided = new Promise((resolve) => (this.#decide = resolve));
  }

  /** Follows the address, the connection and the service worker, for as long as the page is open. */
  begin(): void {
    language.begin(this.#asked, undefined);
    addEventListener("hashchange", () => this.#open());
    addEventListener("online", () => void this.refresh());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void this.refresh();
    });
    // What the service worker sent has changed the incident too.
    navigator.serviceWorker?.addEventListener("message", () => void this.#lookUp().then(() => this.refresh()));
    setInterval(() => {
      if (!document.hidden && this.token !== undefined) void this.#fetch(this.token);
    }, REFRESH_MS);
    setInterval(() => {
      if (this.kept !== undefined || this.isAway) void this.refresh();
    }, RETRY_MS);
    this.#open();
  }

  /** Sends what waits, and fetches the incident again. */
  async refresh(): Promise<void> {
    await this.#send();
    if (this.token !== undefined) await this.#fetch(this.token);
  }

  /** Acknowledges. What is pressed without a connection is kept, and sent when there is one. */
  async acknowledge(): Promise<void> {
    const { token } = this;
    if (token === undefined || this.isSending) return;
    this.isSending = true;
    try {
      this.told = undefined;
      await keep(token, clock.now, language.current);
      this.kept = await keptOf(token);
      await askForSync();
      await this.refresh();
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      this.hasNoStorage = true;
    } finally {
      this.isSending = false;
    }
  }

  #open(): void {
    this.token = tokenOf(location.hash);
    this.shown = this.refusal = this.kept = this.told = undefined;
    this.isAway = false;
    void this.#lookUp().then(() => this.refresh()).finally(this.#decide);
  }

  /** Reads what this phone has kept of the link. */
  async #lookUp(): Promise<void> {
    const { token } = this;
    if (token === undefined) return;
    try {
      const kept = await keptOf(token);
      if (token !== this.token) return;
      if (this.shown === undefined && kept?.language !== undefined) language.begin(this.#asked, kept.language);
      this.kept = kept?.told === undefined ? kept : undefined;
      if (kept?.told === undefined) return;
      this.told = kept.told;
      await forget(token);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      this.hasNoStorage = true;
    }
  }

  async #send(): Promise<void> {
    if (this.hasNoStorage) return;
    try {
      await sendWaiting(Date.now, () => undefined);
      await this.#lookUp();
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      this.hasNoStorage = true;
    }
  }

  async #fetch(token: string): Promise<void> {
    this.#request?.abort();
    const request = (this.#request = new AbortController());
    try {
      const incident = await fetchIncident(token, request.signal);
      if (token !== this.token) return;
      // The language of the contact, unless the reader chose another one.
      if (this.shown === undefined) language.begin(this.#asked, incident.contact.language);
      this.shown = incident;
      this.refusal = undefined;
      this.isAway = false;
    } catch (error) {
      if (request.signal.aborted || token !== this.token) return;
      if (error instanceof LinkRefused) this.refusal = error.refusal;
      else if (!(error instanceof NoAnswer)) throw error;
      this.isAway = error instanceof NoAnswer;
    }
  }
}

/** Asks the browser to send once there is a connection, also when this page is closed; where it cannot, the page does. */
async function askForSync(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  const sync = (registration as unknown as { sync?: { register(tag: string): Promise<void> } } | undefined)?.sync;
  await sync?.register(SYNC_TAG).catch(() => undefined);
}

export const incident = new Incident();
