/** Freshness: whether a value is still current. The server decides it; the page shows it. */

export const FRESHNESSES = ["live", "stale", "silent"] as const;

export type Freshness = (typeof FRESHNESSES)[number];

/** Returns the freshest of them, or undefined for none. */
export function freshest(all: Iterable<Freshness>): Freshness | undefined {
  let best: number | undefined;
  for (const one of all) {
    const rank = FRESHNESSES.indexOf(one);
    if (best === undefined || rank < best) best = rank;
  }
  return best === undefined ? undefined : FRESHNESSES[best];
}
