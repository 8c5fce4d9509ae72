/** How much larger a wall is drawn than a desk: once on 700 pixels, 2.75 times on the 3840 of 4K, at most three times. */
export function wallScale(width: number): number {
  return Math.min(3, Math.max(1, 0.6 + (0.9 / 16 / 100) * width));
}
