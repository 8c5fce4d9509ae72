/** Lays out the relations of a place: what leads to it at the left, what it leads to at the right. Pure. */

import type { Relations } from "./place";

/** Sizes in the units of the picture. */
export const GRAPH = { width: 360, nodeWidth: 116, nodeHeight: 30, gap: 6, letters: 18 } as const;

/** The largest number of nodes at each side; the list has all. */
const SIDE_MAX = 6;

/** A place that is related; `inward` where the relation comes from it. */
export interface RelationLink {
  /** "drainsTo", or "within" for the area that a place lies in. */
  readonly kind: string;
  readonly id: string;
  readonly inward: boolean;
}

export interface RelationNode {
  readonly link: RelationLink;
  readonly x: number;
  readonly y: number;
}

export interface RelationLayout {
  readonly nodes: readonly RelationNode[];
  readonly height: number;
  /** The height of the place itself. */
  readonly centre: number;
  /** Places that have no node. */
  readonly left: number;
}

/** Returns all relations of a place; the area that it lies in and what lies in it are relations too. */
export function linksOf({ parent, children, outgoing, incoming }: Relations): RelationLink[] {
  return [
    ...(parent === null ? [] : [{ kind: "within", id: parent, inward: false }]),
    ...outgoing.map(({ type, entityId }) => ({ kind: type, id: entityId, inward: false })),
    ...incoming.map(({ type, entityId }) => ({ kind: type, id: entityId, inward: true })),
    ...children.map((id) => ({ kind: "within", id, inward: true })),
  ];
}

export function layOut(links: readonly RelationLink[]): RelationLayout {
  const sides = [links.filter((one) => one.inward), links.filter((one) => !one.inward)].map((one) => one.slice(0, SIDE_MAX));
  const rows = Math.max(1, ...sides.map((one) => one.length));
  const step = GRAPH.nodeHeight + GRAPH.gap;
  const height = rows * step + GRAPH.gap;
  const nodes = sides.flatMap((side, index) =>
    side.map((link, row) => ({
      link,
      x: index === 0 ? 2 : GRAPH.width - GRAPH.nodeWidth - 2,
      y: (height - side.length * step + GRAPH.gap) / 2 + row * step,
    })),
  );
  return { nodes, height, centre: height / 2, left: links.length - nodes.length };
}

/** Returns the relations by their kind, in the order in which the kinds come. */
export function byRelation(links: readonly RelationLink[]): { readonly kind: string; readonly inward: boolean; readonly ids: readonly string[] }[] {
  const groups = new Map<string, { kind: string; inward: boolean; ids: string[] }>();
  for (const { kind, inward, id } of links) {
    const key = `${kind} ${inward}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { kind, inward, ids: [id] });
    else if (!group.ids.includes(id)) group.ids.push(id);
  }
  return [...groups.values()];
}
