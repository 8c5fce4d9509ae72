/** The icon of the tab: the number of alarms that wait, in the shape and colour of the worst; grey when all is well. */

import { SEVERITY_COLOURS, type Severity } from "../alarm";

const SHAPES: Readonly<Record<Severity, string>> = {
  critical: "M2 2H30V30H2Z",
  major: "M16 1 31 30H1Z",
  minor: "M16 0 32 16 16 32 0 16Z",
  warning: "M16 1A15 15 0 1 1 15.99 1Z",
};
/** A larger number does not fit. */
const COUNT_MAX = 99;

export interface TabState {
  readonly waiting: number;
  /** Of those that wait. */
  readonly worst: Severity | undefined;
  readonly isCurrent: boolean;
}

/** Returns the icon as the address of an SVG; undefined for the page's own icon: nothing waits and all is live. */
export function iconOf({ waiting, worst, isCurrent }: TabState): string | undefined {
  if (isCurrent && waiting === 0) return undefined;
  // Not live: a grey ring with a stroke through it, whatever waits.
  const mark = isCurrent && worst !== undefined ? badge(waiting, worst) : LOST;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${mark}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

const LOST = '<circle cx="16" cy="16" r="13" fill="none" stroke="#7b8994" stroke-width="4"/><path d="M6 26 26 6" stroke="#b91c1c" stroke-width="4"/>';

function badge(waiting: number, worst: Severity): string {
  const text = waiting > COUNT_MAX ? `${COUNT_MAX}+` : String(waiting);
  const size = text.length > 2 ? 12 : text.length > 1 ? 15 : 19;
  return (
    `<path d="${SHAPES[worst]}" fill="${SEVERITY_COLOURS.light[worst]}"/>` +
    `<text x="16" y="${worst === "major" ? 26 : 22}" font-family="sans-serif" font-weight="700" font-size="${size}" fill="#fff" text-anchor="middle">${text}</text>`
  );
}
