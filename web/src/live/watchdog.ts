/** The watchdog of the stream: a connection that looks open and brings nothing is not live. */

/** How often the server is asked to show that it lives: `heartbeat` of `GET /v1/live`. */
export const HEARTBEAT = "PT5S";

/** The same in milliseconds. */
export const BEAT_MS = 5_000;

/** The missed beats after which values no longer count as current. */
const MISSED_MAX = 2;

export class Watchdog {
  readonly #beatMs: number;
  #last: number;

  /** `now` in epoch milliseconds. */
  constructor(now: number, beatMs = BEAT_MS) {
    this.#beatMs = beatMs;
    this.#last = now;
  }

  /** The time of the last sign of life. */
  get last(): number {
    return this.#last;
  }

  beat(now: number): void {
    this.#last = now;
  }

  /** Whether more than two beats were missed. The half of a beat is for the way through the network. */
  isLate(now: number): boolean {
    return now - this.#last > (MISSED_MAX + 0.5) * this.#beatMs;
  }
}
