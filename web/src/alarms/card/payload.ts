/** The payload of a message as text that people read: JSON in lines, other text as it is, else bytes in hexadecimal. */

export interface Payload {
  readonly kind: "json" | "text" | "bytes";
  readonly text: string;
  /** Whether there is more than is shown. */
  readonly isCut: boolean;
}

/** Longer ones are cut: nobody reads more, and the page stays quick. */
export const PAYLOAD_CHARACTERS_MAX = 20_000;
const BYTES_IN_LINE = 16;

/** Returns the payload of base64; undefined for a text that is none. */
export function payloadOf(base64: string): Payload | undefined {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  } catch {
    return undefined;
  }
  const text = textOf(bytes);
  if (text === undefined) return cut("bytes", hexadecimal(bytes));
  try {
    return cut("json", JSON.stringify(JSON.parse(text), undefined, 2));
  } catch {
    return cut("text", text);
  }
}

function cut(kind: Payload["kind"], text: string): Payload {
  return { kind, text: text.slice(0, PAYLOAD_CHARACTERS_MAX), isCut: text.length > PAYLOAD_CHARACTERS_MAX };
}

/** Returns the text of UTF-8 without control characters other than those of lines; undefined for other bytes. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function hexadecimal(bytes: Uint8Array): string {
  const lines = [];
  for (let start = 0; start < bytes.length && lines.length * BYTES_IN_LINE * 3 <= PAYLOAD_CHARACTERS_MAX; start += BYTES_IN_LINE)
    lines.push([...bytes.subarray(start, start + BYTES_IN_LINE)].map((one) => one.toString(16).padStart(2, "0")).join(" "));
  return lines.join("\n");
}
