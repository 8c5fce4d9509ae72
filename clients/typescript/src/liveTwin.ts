/** A LiveTwin as an object: its live events, its collections, and every GET of its API. */

import { UnexpectedAnswerError } from "./errors.js";
import { followLive, type LiveEvent, type LiveOptions, type LiveQuery } from "./liveStream.js";
import type {
  Answer,
  GetAddress,
  HistoryQuery,
  Item,
  ItemAddress,
  PageAddress,
  Parameters,
  PostAddress,
  RequestBody,
  Schemas,
} from "./operations.js";
import { linkedUrl, requestJson, urlOf, type RequestSettings, type Values } from "./requests.js";
import { PLATFORM_TIMERS, type Timers } from "./waiting.js";

export interface LiveTwinOptions {
  /** Where the server is, without `/v1`: "https://twin.city.example". */
  readonly baseUrl: string | URL;
  /** An API key or an access token; a function where it changes. Without one: the open data. */
  readonly apiKey?: string | (() => string | undefined);
  readonly fetch?: typeof fetch;
  /** Repetitions of a request after 429, 5xx or no answer; 3 by default. The live stream has no limit. */
  readonly retries?: number;
  readonly timers?: Timers;
  /** Returns numbers from 0 to below 1, for the length of waits. */
  readonly random?: () => number;
}

export interface GetOptions<Media extends string = "application/json"> {
  readonly accept?: Media;
  readonly signal?: AbortSignal | undefined;
}

export interface PostOptions {
  /** With it a request is done once, however often it is sent, and so it is repeated like a GET. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface PostAnswer<Body> {
  /** 202: accepted, and not done yet. */
  readonly status: number;
  readonly body: Body;
}

/** Parameters come first; they may be left out where all of them may. */
type Given<Values, Options> = object extends Values
  ? [parameters?: Values, options?: Options]
  : [parameters: Values, options?: Options];

type ListOptions = Pick<GetOptions, "signal">;

export class LiveTwin {
  readonly #settings: RequestSettings;

  constructor(options: LiveTwinOptions) {
    const { apiKey } = options;
    this.#settings = {
      baseUrl: new URL(options.baseUrl),
      apiKey: typeof apiKey === "function" ? apiKey : () => apiKey,
      // Called as a function: browsers refuse `fetch` as a method of another object.
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      timers: options.timers ?? PLATFORM_TIMERS,
      random: options.random ?? Math.random,
      retries: options.retries ?? 3,
    };
  }

  /**
   * Yields the live events, across broken connections: each once and in order, or a `gap`.
   *
   * The first are a snapshot, whose last event has `complete`. The cursor is saved after the work on an event, so a
   * program that is started again gets each event at least once. Raises ProblemError when the server refuses.
   */
  live(query: LiveQuery = {}, options: LiveOptions = {}): AsyncGenerator<LiveEvent, void, void> {
    return followLive(this.#settings, query, options);
  }

  /** Yields entities, over all pages; `limit` is the size of a page. */
  entities(query: Parameters<"/v1/entities"> = {}, options: ListOptions = {}): AsyncGenerator<Schemas["Entity"], void, void> {
    return this.items("/v1/entities", query, options);
  }

  /** Yields alarms as they are now, the latest raised first, over all pages. */
  alarms(query: Parameters<"/v1/alarms"> = {}, options: ListOptions = {}): AsyncGenerator<Schemas["Alarm"], void, void> {
    return this.items("/v1/alarms", query, options);
  }

  /** Yields the pages of the history of a value, oldest first: `buckets` with an `interval`, else `observations`. */
  history(
    entityId: string,
    query: HistoryQuery,
    options: ListOptions = {},
  ): AsyncGenerator<Schemas["History"], void, void> {
    return this.pages("/v1/entities/{id}/history", { ...query, id: entityId }, options);
  }

  /** Returns the present state of an entity. */
  state(entityId: string, options: ListOptions = {}): Promise<Schemas["State"]> {
    return this.get("/v1/entities/{id}/state", { id: entityId }, options);
  }

  /** Returns the answer at an address; parameters of path and query are in one object. Raises LiveTwinError. */
  async get<Address extends GetAddress, Media extends "application/json" | "application/geo+json" = "application/json">(
    address: Address,
    ...[parameters, options]: Given<Parameters<Address>, GetOptions<Media>>
  ): Promise<Answer<Address, "get", Media>> {
    const url = urlOf(this.#settings.baseUrl, address, (parameters ?? {}) as Values);
    return (await this.#get(url, options ?? {})) as Answer<Address, "get", Media>;
  }

  /** Yields the items of a collection, over all pages. */
  async *items<Address extends ItemAddress>(
    address: Address,
    ...given: Given<Parameters<Address>, ListOptions>
  ): AsyncGenerator<Item<Address>, void, void> {
    for await (const page of this.pages(address, ...given)) yield* (page as unknown as { items: Item<Address>[] }).items;
  }

  /** Yields the pages of anything that has a link to the next one. */
  async *pages<Address extends PageAddress>(
    address: Address,
    ...[parameters, options]: Given<Parameters<Address>, ListOptions>
  ): AsyncGenerator<Answer<Address>, void, void> {
    let url = urlOf(this.#settings.baseUrl, address, (parameters ?? {}) as Values);
    for (;;) {
      const page = (await this.#get(url, options ?? {})) as Answer<Address>;
      yield page;
      const next = (page as { _links: Schemas["PageLinks"] })._links.next;
      if (next === undefined) return;
      const following = linkedUrl(url, next.href);
      if (following.href === url.href) throw new UnexpectedAnswerError(`${url.pathname}: the next page is the same page`);
      url = following;
    }
  }

  /** Returns what a link of the API leads to. Raises LiveTwinError, also for a link to another server. */
  async follow(href: string, options: GetOptions<string> = {}): Promise<unknown> {
    return this.#get(linkedUrl(this.#settings.baseUrl, href), options);
  }

  /** Sends a request that acts. It is repeated only with an idempotency key. Raises LiveTwinError. */
  async post<Address extends PostAddress>(
    address: Address,
    parameters: Parameters<Address, "post">,
    body?: RequestBody<Address>,
    options: PostOptions = {},
  ): Promise<PostAnswer<Answer<Address, "post">>> {
    const { idempotencyKey, signal } = options;
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
    const url = urlOf(this.#settings.baseUrl, address, parameters as Values);
    const answer = await requestJson(this.#settings, url, {
      method: "POST",
      accept: "application/json",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      repeatable: idempotencyKey !== undefined,
    });
    return { status: answer.status, body: answer.body as Answer<Address, "post"> };
  }

  async #get(url: URL, options: GetOptions<string>): Promise<unknown> {
    const accept = options.accept ?? "application/json";
    const { signal } = options;
    return (await requestJson(this.#settings, url, { method: "GET", accept, signal, repeatable: true })).body;
  }
}
