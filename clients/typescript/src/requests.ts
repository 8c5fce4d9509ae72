/** Requests to the API: addresses, the key, failures as errors, repetition while the server is busy. */

import { ConnectionError, LiveTwinError, problemOf, ProblemError, UnexpectedAnswerError } from "./errors.js";
import { Backoff, sleep, Watch, type Timers } from "./waiting.js";

export interface RequestSettings {
  readonly baseUrl: URL;
  readonly apiKey: () => string | undefined;
  readonly fetch: typeof fetch;
  readonly timers: Timers;
  readonly random: () => number;
  /** Repetitions of a request after 429, 5xx or no answer. */
  readonly retries: number;
}

export type Values = Readonly<Record<string, unknown>>;

export interface JsonRequest {
  readonly method: "GET" | "POST";
  readonly accept: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether the request may be sent again: it changes nothing, or has an idempotency key. */
  readonly repeatable: boolean;
}

export interface JsonAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The longest wait for the head of an answer and for its body, each. */
const ANSWER_MS_MAX = 60_000;

/** Statuses of a server that is busy, starting or in trouble: the same request can succeed later. */
const TEMPORARY: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** Returns the URL of an address; members of `values` that it does not name become the query. */
export function urlOf(baseUrl: URL, address: string, values: Values): URL {
  const inPath = new Set<string>();
  const path = address.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined || value === "") throw new TypeError(`${address}: ${name} is missing`);
    inPath.add(name);
    return encodeURIComponent(String(value));
  });
  const url = new URL(baseUrl.href.replace(/\/+$/, "") + path);
  for (const [name, value] of Object.entries(values)) {
    if (inPath.has(name) || value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(one));
  }
  return url;
}

/** Returns the URL of a link; raises UnexpectedAnswerError when it leads to another server, which must not get the key. */
export function linkedUrl(baseUrl: URL, href: string): URL {
  const url = new URL(href, baseUrl);
  if (url.origin !== baseUrl.origin) throw new UnexpectedAnswerError(`a link leads to ${url.origin}, not to ${baseUrl.origin}`);
  return url;
}

/** Returns the header with the API key; no header without a key. */
export function authorization(settings: RequestSettings): Record<string, string> {
  const key = settings.apiKey() ?? "";
  return key === "" ? {} : { Authorization: `Bearer ${key}` };
}

/** Returns the answer of the API; raises a LiveTwinError when there is none, and the signal's reason when aborted. */
export async function requestJson(settings: RequestSettings, url: URL, request: JsonRequest): Promise<JsonAnswer> {
  const backoff = new Backoff(settings.random);
  for (let left = request.repeatable ? settings.retries : 0; ; left -= 1) {
    try {
      return await requestOnce(settings, url, request);
    } catch (error) {
      if (left <= 0 || !isTemporary(error)) throw error;
      const least = error instanceof ProblemError ? error.retryAfterMs : 0;
      await sleep(settings.timers, backoff.nextMs(least), request.signal);
    }
  }
}

/** Whether the same request can succeed later. */
export function isTemporary(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof ProblemError && TEMPORARY.has(error.status));
}

async function requestOnce(settings: RequestSettings, url: URL, request: JsonRequest): Promise<JsonAnswer> {
  const watch = new Watch(settings.timers, ANSWER_MS_MAX, request.signal);
  try {
    const response = await watch.part(() =>
      settings.fetch(url, {
        method: request.method,
        headers: { Accept: request.accept, ...authorization(settings), ...request.headers },
        body: request.body ?? null,
        signal: watch.signal,
      }),
    );
    if (!response.ok) throw await watch.part(() => problemOf(response));
    const text = await watch.part(() => response.text());
    return { status: response.status, body: jsonOf(text, url) };
  } catch (error) {
    throw failureOf(error, request.signal, url);
  } finally {
    watch.close();
  }
}

function jsonOf(text: string, url: URL): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    throw new UnexpectedAnswerError(`${url.pathname}: the answer is not JSON`);
  }
}

/** Returns what to raise for a failed request: errors of `fetch` say little, and differ by platform. */
export function failureOf(error: unknown, signal: AbortSignal | undefined, url: URL): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof LiveTwinError) return error;
  return new ConnectionError(`${url.origin} does not answer`, { cause: error });
}
