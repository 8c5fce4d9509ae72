/** Payloads of messages: decoded as far as they are text, and as hexadecimal lines. */

/** Bytes of a line of hexadecimal. */
const LINE = 16;
/** The largest number of bytes that are shown: a page with a megabyte of digits helps nobody. */
export const SHOWN_BYTES_MAX = 16_384;

/** Returns the bytes of base64. */
export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
}

/** Returns the text of a payload, JSON with an indent; undefined for bytes that are no text. */
export function decoded(bytes: Uint8Array): string | undefined {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, SHOWN_BYTES_MAX));
  } catch {
    return undefined;
  }
  // Tabs and line ends are text; other control characters are not.
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text)) return undefined;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Returns lines of an offset, sixteen bytes and their letters: "0000  7b 22 74  {"t". */
export function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let offset = 0; offset < Math.min(bytes.length, SHOWN_BYTES_MAX); offset += LINE) {
    const part = [...bytes.subarray(offset, offset + LINE)];
    const digits = part.map((one) => one.toString(16).padStart(2, "0")).join(" ");
    const letters = part.map((one) => (one >= 0x20 && one < 0x7f ? String.fromCharCode(one) : ".")).join("");
    lines.push(`${offset.toString(16).padStart(4, "0")}  ${digits.padEnd(LINE * 3 - 1)}  ${letters}`);
  }
  return lines;
}
