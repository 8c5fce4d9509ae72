/** What a part of the page fetches, and fetches again: rows that are shown stay until newer ones are there. */

import { sentenceOf } from "../http/problem";

export class Fetched<T> {
  value = $state.raw<T>();
  /** Why the last fetch failed; the value is then an older one. */
  problem = $state<string>();
  busy = $state(false);
  #again: (() => Promise<void>) | undefined;

  /**
   * Fetches now, and after each `every` milliseconds, until the returned function is called: for an effect.
   *
   * A page in the background fetches nothing.
   */
  follow(fetch: (signal: AbortSignal) => Promise<T>, every?: number): () => void {
    const request = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let latest = 0;
    const run = async (): Promise<void> => {
      const turn = (latest += 1);
      clearTimeout(timer);
      this.busy = true;
      try {
        const value = await fetch(request.signal);
        if (request.signal.aborted || turn !== latest) return;
        this.value = value;
        this.problem = undefined;
      } catch (error) {
        if (request.signal.aborted || turn !== latest) return;
        this.problem = sentenceOf(error);
      }
      this.busy = false;
      if (every !== undefined) timer = setTimeout(() => void (document.hidden ? wait() : run()), every);
    };
    const wait = (): void => document.addEventListener("visibilitychange", () => void run(), { once: true, signal: request.signal });
    this.#again = run;
    void run();
    return () => {
      request.abort();
      clearTimeout(timer);
    };
  }

  /** Fetches again, for instance after a change; returns when it is there. */
  async again(): Promise<void> {
    await this.#again?.();
  }
}
