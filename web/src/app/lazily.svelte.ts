/** Parts of the page whose code comes when they are first shown. */

import { untrack } from "svelte";
import { live } from "../live/live.svelte";

/** The code, once it is here; or that it did not come. */
export interface Loaded<Code> {
  readonly code: Code | undefined;
  readonly isMissing: boolean;
}

/**
 * Fetches code by the function that `source` returns, and anew when that is another one; undefined where nothing is
 * needed. Call it while a component is made. What does not come is asked for again when the connection is back.
 */
export function lazily<Code>(source: () => (() => Promise<Code>) | undefined): Loaded<Code> {
  let found = $state.raw<{ load: () => Promise<Code>; code: Code }>();
  let missing = $state.raw<() => Promise<Code>>();
  let attempt = $state(0);
  let wasCurrent = untrack(() => live.isCurrent);

  $effect(() => {
    void attempt;
    const load = source();
    missing = undefined;
    if (load === undefined) return;
    let isOver = false;
    load().then(
      (code) => {
        if (!isOver) found = { load, code };
      },
      (reason: unknown) => {
        console.error(reason);
        if (!isOver) missing = load;
      },
    );
    return () => {
      isOver = true;
    };
  });

  $effect(() => {
    // A failure while the page is live has another reason, for instance a new version of the page.
    if (live.isCurrent && !wasCurrent && untrack(() => missing) !== undefined) attempt += 1;
    wasCurrent = live.isCurrent;
  });

  return {
    get code() {
      return found !== undefined && found.load === source() ? found.code : undefined;
    },
    get isMissing() {
      return missing !== undefined && missing === source();
    },
  };
}
