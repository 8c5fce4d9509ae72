/** Who acknowledged which alarm: names are in answers for staff only, not in the public stream. */

import { Problem } from "../http/problem";
import { session } from "../session/session.svelte";
import { fetchAcknowledgers } from "./alarmApi";
import { alarms } from "./alarms.svelte";

/** The wait before a request, so that changes which come together need one. */
const FETCH_AFTER_MS = 1000;

class Acknowledgers {
  #names = $state.raw<ReadonlyMap<string, string>>(new Map());

  /** Returns the name of who acknowledged an alarm, as far as the reader may see it. */
  of(alarm: string): string | undefined {
    return this.#names.get(alarm);
  }

  /** Fetches the names; called in an effect, which it runs again when an alarm or the session changes. */
  follow(): () => void {
    void alarms.standing;
    void session.key;
    const timer = setTimeout(() => void this.#fetch(), FETCH_AFTER_MS);
    return () => clearTimeout(timer);
  }

  async #fetch(): Promise<void> {
    try {
      this.#names = await fetchAcknowledgers();
    } catch (error) {
      // The list works without names; the card shows a problem with the key.
      if (!(error instanceof Problem)) throw error;
    }
  }
}

export const acknowledgers = new Acknowledgers();
