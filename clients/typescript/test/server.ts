/** What the tests need: a server whose answers a test writes, and timers that need no time. */

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { LiveTwin, type LiveEvent, type LiveTwinOptions } from "../src/index";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** The times of timers that watch an answer: only `expire` ends them. */
const WATCHES_MS: readonly number[] = [30_000, 60_000];

/** Waits are over at once, and are noted. */
export class TestTimers {
  readonly waits: number[] = [];
  readonly watching = new Map<object, () => void>();

  setTimeout(action: () => void, ms: number): object {
    const timer = {};
    if (WATCHES_MS.includes(ms)) this.watching.set(timer, action);
    else {
      this.waits.push(ms);
      setImmediate(action);
    }
    return timer;
  }

  clearTimeout(timer: object): void {
    this.watching.delete(timer);
  }

  /** Lets the time for the present answers run out. */
  expire(): void {
    for (const action of [...this.watching.values()]) action();
  }
}

export class TestServer {
  readonly requests: { url: string; headers: IncomingMessage["headers"]; body: string }[] = [];
  readonly timers = new TestTimers();
  baseUrl = "";
  readonly #server: Server;

  /** The handlers answer one request each, in order; the last one also those that follow. */
  constructor(...handlers: Handler[]) {
    this.#server = createServer((request, response) => {
      const handler = handlers[Math.min(this.requests.length, handlers.length - 1)]!;
      const seen = { url: request.url ?? "", headers: request.headers, body: "" };
      this.requests.push(seen);
      request.on("data", (part: Buffer) => (seen.body += part.toString()));
      request.on("end", () => handler(request, response));
    });
  }

  /** Runs a test against the server, with a client whose waits have no random part. */
  async run(test: (twin: LiveTwin, server: this) => Promise<void>, options: Partial<LiveTwinOptions> = {}): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.baseUrl = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    try {
      await test(new LiveTwin({ baseUrl: this.baseUrl, timers: this.timers as never, random: () => 1, ...options }), this);
    } finally {
      this.#server.closeAllConnections();
      await new Promise((resolve) => this.#server.close(resolve));
    }
  }
}

/** Answers with the text of a stream, and then ends it, cuts the connection or keeps it open. */
export function stream(text: string | Uint8Array, end: "end" | "cut" | "open" = "open"): Handler {
  return (request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8" });
    response.flushHeaders();
    response.write(text, () => {
      if (end === "end") response.end();
      // A cut that overtakes what was written would be a cut somewhere else.
      if (end === "cut") setImmediate(() => request.socket.destroy());
    });
  };
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Handler {
  return (_, response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
  };
}

export function problem(status: number, headers: Record<string, string> = {}): Handler {
  const body = { type: "about:blank", title: "Refused", status, detail: `found ${status}`, instance: "/v1/live" };
  return json(body, status, { "Content-Type": "application/problem+json", ...headers });
}

/** The text of a state event with this id. */
export function stateEvent(id: string): string {
  return `id: ${id}\nevent: state\ndata: {"entityId":"city.é","property":"pm2_5","value":1}\n\n`;
}

/** Returns what a promise is rejected with. */
export function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("nothing was raised"),
    (error: unknown) => error,
  );
}

/** Takes so many events, and ends the stream. */
export async function take(events: AsyncIterable<LiveEvent>, count: number): Promise<LiveEvent[]> {
  const taken: LiveEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}
