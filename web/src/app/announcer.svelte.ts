/** News for screen readers: two live regions, so that a sentence is neither cut off nor lost. */

/** The time that a polite sentence stays before the next one, so that it can be read out. */
const POLITE_MS = 5000;
/** The largest number of waiting sentences; in a flood the oldest ones no longer matter. */
const WAITING_MAX = 5;

class Announcer {
  assertive = $state("");
  polite = $state("");
  readonly #waiting: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Says a sentence: at once, or after those that wait. */
  say(sentence: string, urgency: "assertive" | "polite" = "polite"): void {
    if (urgency === "assertive") {
      this.assertive = sentence;
      return;
    }
    if (this.#waiting.at(-1) === sentence) return;
    this.#waiting.push(sentence);
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
    if (this.#timer === undefined) this.#next();
  }

  #next(): void {
    const sentence = this.#waiting.shift();
    this.#timer = undefined;
    if (sentence === undefined) return;
    this.polite = sentence;
    this.#timer = setTimeout(() => this.#next(), POLITE_MS);
  }
}

export const announcer = new Announcer();
