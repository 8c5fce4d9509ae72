/** The live events of the city, across broken connections: each once and in order, or a `gap`. */

import type { CursorStore } from "./cursorStore.js";
import { problemOf, ProblemError, UnexpectedAnswerError } from "./errors.js";
import type { Parameters, Schemas } from "./operations.js";
import { authorization, failureOf, isTemporary, urlOf, type RequestSettings } from "./requests.js";
import { SseParser, type SseMessage } from "./sseParser.js";
import { Backoff, sleep, Watch } from "./waiting.js";

/** An event as `GET /v1/live` sends it: `snapshot`, `state`, `alarm` or `gap`; `heartbeat` for a query with it. */
export type LiveEvent =
  | Schemas["LiveSnapshotEvent"]
  | Schemas["LiveStateEvent"]
  | Schemas["LiveAlarmEvent"]
  | Schemas["LiveGapEvent"]
  | Schemas["LiveHeartbeatEvent"];

export type LiveQuery = Parameters<"/v1/live">;

/** `connecting`: a request was sent; `open`: events can come; `lost`: the next attempt comes after a wait. */
export type Connection = "connecting" | "open" | "lost";

export interface LiveOptions {
  /** Ends the stream: the iteration raises its reason. */
  readonly signal?: AbortSignal;
  /** Where the stream begins, and where the cursor is kept; by default it begins with a snapshot. */
  readonly cursorStore?: CursorStore;
  readonly onConnection?: (state: Connection) => void;
}

/** The longest silence: twice the time after which the server sends a comment. */
const SILENCE_MS_MAX = 30_000;

const EVENTS: Readonly<Record<LiveEvent["event"], true>> = {
  snapshot: true,
  state: true,
  alarm: true,
  gap: true,
  heartbeat: true,
};

/**
 * Yields the events, and connects again whenever the connection breaks.
 *
 * A cursor is saved when the next event is asked for, so after the work on the event: a program that is started
 * again gets each event at least once. Raises ProblemError for a refusal that a repetition does not change.
 */
export async function* followLive(
  settings: RequestSettings,
  query: LiveQuery,
  options: LiveOptions,
): AsyncGenerator<LiveEvent, void, void> {
  const { signal, cursorStore, onConnection } = options;
  const { cursor: given, ...filter } = query;
  const url = urlOf(settings.baseUrl, "/v1/live", filter);
  const backoff = new Backoff(settings.random);
  let cursor = given ?? (await cursorStore?.load()) ?? "";
  for (;;) {
    let leastMs: number | undefined;
    try {
      onConnection?.("connecting");
      for await (const message of messages(settings, url, cursor, options, backoff)) {
        backoff.succeeded();
        cursor = message.id;
        const event = eventOf(message);
        if (event === undefined) continue;
        yield event;
        await cursorStore?.save(cursor);
      }
    } catch (error) {
      if (!isTemporary(error)) throw error;
      if (error instanceof ProblemError) leastMs = error.retryAfterMs;
    }
    onConnection?.("lost");
    await sleep(settings.timers, backoff.nextMs(leastMs), signal);
  }
}

/** Yields the messages of one connection, until the server ends it. */
async function* messages(
  settings: RequestSettings,
  url: URL,
  cursor: string,
  options: LiveOptions,
  backoff: Backoff,
): AsyncGenerator<SseMessage, void, void> {
  const watch = new Watch(settings.timers, SILENCE_MS_MAX, options.signal);
  const waited = async <T>(part: () => Promise<T>): Promise<T> => {
    try {
      return await watch.part(part);
    } catch (error) {
      throw failureOf(error, options.signal, url);
    }
  };
  try {
    const headers: Record<string, string> = { Accept: "text/event-stream", ...authorization(settings) };
    if (cursor !== "") headers["Last-Event-ID"] = cursor;
    const response = await waited(() => settings.fetch(url, { headers, cache: "no-store", signal: watch.signal }));
    if (!response.ok) throw await waited(() => problemOf(response));
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream") || response.body === null)
      throw new UnexpectedAnswerError(`${url.pathname}: the answer is not a stream of events`);
    options.onConnection?.("open");
    const reader = response.body.getReader();
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const parser = new SseParser(cursor);
    for (;;) {
      const { done, value } = await waited(() => reader.read());
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
      if (parser.retryMs !== undefined) backoff.firstMs = parser.retryMs;
    }
  } finally {
    watch.close();
  }
}

/** Returns the event of a message; undefined for one of a kind that a later version may add. */
function eventOf(message: SseMessage): LiveEvent | undefined {
  if (!Object.hasOwn(EVENTS, message.event)) return undefined;
  let data: unknown;
  try {
    data = JSON.parse(message.data);
  } catch {
    throw new UnexpectedAnswerError(`the data of the event ${message.id} are not JSON`);
  }
  return { event: message.event, id: message.id, data } as LiveEvent;
}
