/**
 * Server-Sent Events, from text to messages.
 *
 * Source: HTML Living Standard, section 9.2.6, "Interpreting an event stream".
 */

import { UnexpectedAnswerError } from "./errors.js";

export interface SseMessage {
  /** "message" where the stream names none. */
  readonly event: string;
  readonly data: string;
  /** The last id so far: an event without one keeps that of the event before. */
  readonly id: string;
}

/** The longest event in characters: a thousand times the longest that LiveTwin sends. */
export const EVENT_CHARS_MAX = 4 * 1024 * 1024;

const END_OF_LINE = /\r\n?|\n/g;

/** The parser of one stream. What follows the last empty line is no event: it ends with the stream. */
export class SseParser {
  /** The last `retry` of the stream in milliseconds. */
  retryMs: number | undefined;
  #rest = "";
  #afterCarriageReturn = false;
  #first = true;
  #event = "";
  #data: string[] = [];
  #chars = 0;
  #id: string;

  constructor(lastEventId = "") {
    this.#id = lastEventId;
  }

  /** Yields the messages that end in this piece of the stream. Raises UnexpectedAnswerError when an event never ends. */
  *push(piece: string): Generator<SseMessage, void, void> {
    let text = piece;
    if (text === "") return;
    if (this.#first && text.startsWith("\ufeff")) text = text.slice(1);
    this.#first = false;
    // A carriage return ended a line; a line feed after it is of the same end.
    if (this.#afterCarriageReturn && text.startsWith("\n")) text = text.slice(1);
    this.#afterCarriageReturn = piece.endsWith("\r");
    text = this.#rest + text;
    let start = 0;
    for (const end of text.matchAll(END_OF_LINE)) {
      const message = this.#line(text.slice(start, end.index));
      start = end.index + end[0].length;
      if (message !== undefined) yield message;
    }
    this.#rest = text.slice(start);
    if (this.#chars + this.#rest.length > EVENT_CHARS_MAX)
      throw new UnexpectedAnswerError(`an event is longer than ${EVENT_CHARS_MAX} characters`);
  }

  #line(line: string): SseMessage | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") this.#event = value;
    else if (field === "data") {
      this.#data.push(value);
      this.#chars += value.length + 1;
    } else if (field === "id") {
      if (!value.includes("\0")) this.#id = value;
    } else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  #dispatch(): SseMessage | undefined {
    const message = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    const empty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    this.#chars = 0;
    return empty ? undefined : message;
  }
}
