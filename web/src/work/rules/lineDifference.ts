/** The difference of two short texts by lines: the longest common subsequence. */

export interface Line {
  readonly kind: "same" | "gone" | "new";
  readonly text: string;
}

/** Beyond this number of lines texts are not compared line by line. */
const LINES_MAX = 1000;

/** Returns the lines of both texts in order, each with whether it is in the one, the other or both. */
export function lineDifference(before: string, after: string): Line[] {
  const a = before.trimEnd().split("\n");
  const b = after.trimEnd().split("\n");
  if (a.length > LINES_MAX || b.length > LINES_MAX)
    return [...a.map((text) => ({ kind: "gone" as const, text })), ...b.map((text) => ({ kind: "new" as const, text }))];
  // lengths[i][j]: of the longest common subsequence of what follows.
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      lengths[i]![j] = a[i] === b[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length)
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: "same", text: a[i]! });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && lengths[i + 1]![j]! >= lengths[i]![j + 1]!)) lines.push({ kind: "gone", text: a[i++]! });
    else lines.push({ kind: "new", text: b[j++]! });
  return lines;
}
