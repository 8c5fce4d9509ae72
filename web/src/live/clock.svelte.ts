/** The clock of the page: one tick a second for all ages. Epoch milliseconds. */

const TICK_MS = 1000;

class Clock {
  now = $state(Date.now());

  /** Ticks until the returned function is called. */
  begin(): () => void {
    const timer = setInterval(() => (this.now = Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }
}

export const clock = new Clock();
