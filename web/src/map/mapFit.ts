/** How the first view fits into what the legend leaves of the map. Pure. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Pixels at the sides of the map in which nothing that matters should lie. */
export const EDGE = 36;

/** Of a small map the edges are this share of its width and height at most. */
const EDGE_SHARE_MAX = 0.1;
/** Pixels: where the legend leaves less than this, places may lie below it. */
const LEFT_MIN = 120;

export interface Padding {
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

/** Returns the padding around what is fitted; the legend is at the lower left, undefined where there is none. */
export function fitPadding(map: Size, legend: Size | undefined): Padding {
  const x = Math.min(EDGE, map.width * EDGE_SHARE_MAX);
  const y = Math.min(EDGE, map.height * EDGE_SHARE_MAX);
  const bare = { top: y, right: x, bottom: y, left: x };
  if (legend === undefined) return bare;
  const width = map.width - 2 * x;
  const height = map.height - 2 * y;
  const beside = { width: width - legend.width, height };
  const above = { width, height: height - legend.height };
  const isRoomy = (one: Size) => one.width >= LEFT_MIN && one.height >= LEFT_MIN;
  const best = [beside, above].filter(isRoomy).sort((one, other) => other.width * other.height - one.width * one.height)[0];
  if (best === undefined) return bare;
  return best === beside ? { ...bare, left: x + legend.width } : { ...bare, bottom: y + legend.height };
}
