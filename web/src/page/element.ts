/** Helpers that create and find elements of the document. Text is always text, never markup. */

type Attributes = Readonly<Record<string, string>>;

/** Returns a new element with the attributes and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Returns the element with this id; it is in index.html. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no element with id "${id}"`);
  return found as T;
}

/** Sets a text only if it differs: an unchanged node needs no layout. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Returns the symbol of a freshness, in the theme's colour: a full disc, a ring with a dot, or a ring. */
export function freshnessSign(freshness: string): SVGSVGElement {
  const sign = svg("svg", { viewBox: "0 0 16 16", class: `sign sign-${freshness}`, "aria-hidden": "true" });
  sign.append(svg("circle", { cx: "8", cy: "8", r: "6", class: "ring" }));
  if (freshness === "live") sign.append(svg("circle", { cx: "8", cy: "8", r: "6", class: "dot" }));
  if (freshness === "stale") sign.append(svg("circle", { cx: "8", cy: "8", r: "2.6", class: "dot" }));
  return sign;
}

/** Returns the symbol of a severity: a triangle in the severity's colour. */
export function severitySign(severity: string): SVGSVGElement {
  const sign = svg("svg", { viewBox: "0 0 16 16", class: `sign severity-${severity}`, "aria-hidden": "true" });
  sign.append(svg("path", { d: "M8 1.5 15.2 14.5H0.8Z", class: "hull" }));
  sign.append(svg("path", { d: "M8 6v4M8 12v0.6", class: "mark" }));
  return sign;
}

function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
