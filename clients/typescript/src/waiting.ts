/** Waiting: timers and random numbers are given, so that a test needs no time and repeats exactly. */

import { ConnectionError } from "./errors.js";

/** The timers of the platform, or those of a test. */
export interface Timers {
  setTimeout(action: () => void, ms: number): unknown;
  clearTimeout(timer: never): void;
}

export const PLATFORM_TIMERS: Timers = {
  setTimeout: (action, ms) => setTimeout(action, ms),
  clearTimeout: (timer) => clearTimeout(timer),
};

const WAIT_FIRST_MS = 1000;
const WAIT_MAX_MS = 30_000;
/** The longest obeyed `Retry-After`: a mistake of a proxy must not end a subscription. */
const RETRY_AFTER_MAX_MS = 300_000;

/** Growing waits between attempts: doubled each time, of which the second half is random. */
export class Backoff {
  /** The first wait; `retry` of a stream sets it. */
  firstMs = WAIT_FIRST_MS;
  readonly #random: () => number;
  #failures = 0;

  /** `random` returns numbers from 0 to below 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Returns the wait after one more failure, in milliseconds; at least what the server asked for, within bounds. */
  nextMs(retryAfterMs = 0): number {
    const most = Math.min(WAIT_MAX_MS, this.firstMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    // Random, so that the subscribers of a server that restarts do not come back at once.
    const wait = most * (0.5 + this.#random() / 2);
    return Math.min(retryAfterMs, RETRY_AFTER_MAX_MS) + wait;
  }
}

/** Waits; raises the signal's reason when it is aborted. */
export function sleep(timers: Timers, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      timers.clearTimeout(timer as never);
      reject(signal?.reason);
    };
    const timer = timers.setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, ms);
    if (signal?.aborted) aborted();
    else signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** A request that ends when its caller aborts it, or when nothing came for a time. */
export class Watch {
  readonly #timers: Timers;
  readonly #limitMs: number;
  readonly #outer: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #aborted = () => this.#controller.abort(this.#outer?.reason);

  constructor(timers: Timers, limitMs: number, outer: AbortSignal | undefined) {
    this.#timers = timers;
    this.#limitMs = limitMs;
    this.#outer = outer;
    if (outer?.aborted) this.#aborted();
    else outer?.addEventListener("abort", this.#aborted, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for a part of the answer; ends the request when that takes too long. */
  async part<T>(waited: () => Promise<T>): Promise<T> {
    const timer = this.#timers.setTimeout(() => this.#controller.abort(this.#tooLong()), this.#limitMs);
    try {
      return await waited();
    } finally {
      this.#timers.clearTimeout(timer as never);
    }
  }

  #tooLong(): ConnectionError {
    return new ConnectionError(`nothing came from the server for ${this.#limitMs / 1000} s`);
  }

  /** Ends the request, if it has not ended. */
  close(): void {
    this.#outer?.removeEventListener("abort", this.#aborted);
    this.#controller.abort();
  }
}
