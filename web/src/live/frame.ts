/** Work for the next frame, once, however often it is asked for. A page in the background has no frames: a timer runs there. */

const HIDDEN_MS = 1000;

export class Frame {
  readonly #work: () => void;
  #cancel: (() => void) | undefined;

  constructor(work: () => void) {
    this.#work = work;
  }

  /** Does the work in the next frame. */
  ask(): void {
    if (this.#cancel !== undefined) return;
    const run = () => {
      this.#cancel = undefined;
      this.#work();
    };
    if (document.hidden) {
      const timer = setTimeout(run, HIDDEN_MS);
      this.#cancel = () => clearTimeout(timer);
    } else {
      // The timer is for a page that goes to the background before its frame.
      const timer = setTimeout(() => (cancelAnimationFrame(frame), run()), HIDDEN_MS);
      const frame = requestAnimationFrame(() => (clearTimeout(timer), run()));
      this.#cancel = () => (clearTimeout(timer), cancelAnimationFrame(frame));
    }
  }

  /** Forgets what was asked for. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
