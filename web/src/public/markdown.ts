/**
 * Markdown of site texts as a tree: headings, paragraphs, lists, links, strong and emphasis. No HTML comes out of it, so a
 * text can neither run a program nor hide the page.
 */

export type Inline =
  | { readonly kind: "text" | "strong" | "emphasis"; readonly text: string }
  | { readonly kind: "link"; readonly text: string; readonly href: string };

export type Block =
  | { readonly kind: "heading"; readonly level: number; readonly content: readonly Inline[] }
  | { readonly kind: "paragraph"; readonly content: readonly Inline[] }
  | { readonly kind: "list"; readonly items: readonly (readonly Inline[])[] };

/** What a link may lead to; others stay text. */
const LINK = /^(?:https:\/\/|mailto:|tel:|\/(?!\/))/;
const INLINE = /\[([^\]]+)\]\(([^()\s]+)\)|\*\*([^*]+)\*\*|\*([^*]+)\*/g;

/** Returns the blocks of a text. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  for (const part of markdown.replaceAll("\r", "").split(/\n\s*\n/)) {
    const lines = part.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    // A heading may stand right above its text.
    while (/^#{1,6} /.test(lines[0] ?? "")) {
      const line = lines.shift()!;
      const marks = line.indexOf(" ");
      blocks.push({ kind: "heading", level: marks, content: inlinesOf(line.slice(marks + 1)) });
    }
    if (lines.length === 0) continue;
    if (lines.every((line) => /^[-*] /.test(line))) blocks.push({ kind: "list", items: lines.map((line) => inlinesOf(line.slice(2))) });
    else blocks.push({ kind: "paragraph", content: inlinesOf(lines.join(" ")) });
  }
  return blocks;
}

function inlinesOf(text: string): Inline[] {
  const found: Inline[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, label, href, strong, emphasis] = match;
    if (match.index > end) found.push({ kind: "text", text: text.slice(end, match.index) });
    end = match.index + whole.length;
    if (label !== undefined && href !== undefined) found.push(LINK.test(href) ? { kind: "link", text: label, href } : { kind: "text", text: label });
    else found.push(strong !== undefined ? { kind: "strong", text: strong } : { kind: "emphasis", text: emphasis! });
  }
  if (end < text.length) found.push({ kind: "text", text: text.slice(end) });
  return found;
}
