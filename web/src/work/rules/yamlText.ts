/** A rule as YAML text: read with its faults and lines, and edited in place, so that comments and order stay. */

import { isMap, isScalar, isSeq, LineCounter, parseDocument, stringify, type Document, type Node } from "yaml";

export type Path = readonly (string | number)[];

export interface TextFault {
  /** From 1 on. */
  readonly line: number;
  readonly detail: string;
}

export interface ReadText {
  /** Undefined while the text is no YAML, or no map. */
  readonly value: Readonly<Record<string, unknown>> | undefined;
  readonly faults: readonly TextFault[];
  /** Returns the line of what a JSON pointer names, or of the nearest part above it that is there; from 1 on. */
  readonly lineOf: (pointer: string) => number;
}

/** The longest text that is read: a rule has some hundred bytes, and the API takes no more either. */
export const TEXT_LENGTH_MAX = 65_536;

/** Reads a text. `notMap` is the fault of a text that is no map. */
export function readText(text: string, notMap: string): ReadText {
  const lines = new LineCounter();
  const document = parseDocument(text.slice(0, TEXT_LENGTH_MAX), { lineCounter: lines, prettyErrors: false });
  const faults: TextFault[] = document.errors.map((one) => ({ line: lines.linePos(one.pos[0]).line || 1, detail: one.message }));
  let value: unknown;
  if (faults.length === 0)
    try {
      value = document.toJS();
    } catch (error) {
      // Aliases that grow without an end, for instance.
      faults.push({ line: 1, detail: String((error as Error).message) });
    }
  const isRead = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isRead && faults.length === 0) faults.push({ line: 1, detail: notMap });
  return {
    value: isRead ? (value as Record<string, unknown>) : undefined,
    faults,
    lineOf: (pointer) => lineOf(document, lines, pointer),
  };
}

/** Returns the text with another value at a path; undefined takes it out, with the maps that are then empty. */
export function edited(text: string, path: Path, value: unknown): string {
  const document = parseDocument(text);
  if (document.errors.length > 0) return text;
  if (value === undefined) remove(document, path);
  else {
    // A number where a map is needed, `above: 50`, gives way to it.
    for (let depth = 1; depth < path.length; depth += 1) {
      const before = document.getIn(path.slice(0, depth), true);
      if (before !== undefined && !isMap(before) && !isSeq(before)) document.deleteIn(path.slice(0, depth));
    }
    document.setIn(path, typeof value === "object" ? document.createNode(value) : value);
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Returns a value as YAML text. */
export function textOf(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}

/** Returns a JSON pointer (RFC 6901) of a path. */
export function pointerOf(path: Path): string {
  return path.map((one) => `/${String(one).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function remove(document: Document, path: Path): void {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const parent = document.getIn(path.slice(0, depth - 1), true);
    if (depth < path.length && hasItems(document.getIn(path.slice(0, depth), true))) return;
    if (isMap(parent) || isSeq(parent)) document.deleteIn(path.slice(0, depth));
  }
}

function hasItems(node: unknown): boolean {
  return (isMap(node) || isSeq(node)) ? node.items.length > 0 : node !== undefined;
}

function lineOf(document: Document, lines: LineCounter, pointer: string): number {
  let node: unknown = document.contents;
  let line = 1;
  for (const part of pointer.split("/").slice(1).map((one) => one.replaceAll("~1", "/").replaceAll("~0", "~"))) {
    let next: unknown;
    let place: Node | undefined;
    if (isMap(node)) {
      const pair = node.items.find((one) => String(isScalar(one.key) ? one.key.value : one.key) === part);
      next = pair?.value;
      place = (pair?.key ?? undefined) as Node | undefined;
    } else if (isSeq(node)) {
      next = node.items[Number(part)];
      place = next as Node | undefined;
    }
    const start = place?.range?.[0];
    if (start === undefined) return line;
    line = lines.linePos(start).line;
    node = next;
  }
  return line;
}
