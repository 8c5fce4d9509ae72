/** Who is on which alarm: names are in answers for staff only, not in the public stream. */

import { Problem } from "../http/problem";
import { session } from "../session/session.svelte";
import { fetchOwners, type Owners } from "./alarmApi";
import { alarms } from "./alarms.svelte";

/** The wait before a request, so that changes which come together need one. */
const FETCH_AFTER_MS = 1000;

const NOBODY: Owners = new Map();

class OwnerStore {
  #owners = $state.raw<Owners>(NOBODY);

  /** Returns who an alarm is assigned to and who acknowledged it, as far as the reader may see it. */
  of(alarm: string): { readonly assignee?: string; readonly acknowledgedBy?: string } {
    return this.#owners.get(alarm) ?? {};
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
      this.#owners = await fetchOwners();
    } catch (error) {
      // The list works without names; the card shows a problem with the key.
      if (!(error instanceof Problem)) throw error;
    }
  }
}

export const owners = new OwnerStore();
