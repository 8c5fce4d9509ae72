/** The operations of the API by address, from the types that are generated of its description. */

import type { components, paths } from "./openapi.js";

export type Schemas = components["schemas"];

type Method = "get" | "post";
type Json = "application/json" | "application/geo+json";

/** The operation at an address: `/v1` and a path of the description, with parameters in braces. */
type Operation<Address, M extends Method> = Address extends `/v1${infer P extends keyof paths & string}`
  ? paths[P] extends Record<M, infer O>
    ? O
    : never
  : never;

type Content<O> = O extends { responses: infer R }
  ? { [Status in keyof R & (200 | 201 | 202)]: R[Status] extends { content: infer C } ? C : never }[keyof R &
      (200 | 201 | 202)]
  : never;

type InMedia<C, Media> = C extends Partial<Record<Media & string, infer Body>> ? Body : never;

/** The answer of an operation. */
export type Answer<Address, M extends Method = "get", Media extends Json = "application/json"> = InMedia<
  Content<Operation<Address, M>>,
  Media
>;

type Addresses<M extends Method> = {
  [P in keyof paths & string]: [Answer<`/v1${P}`, M>] extends [never] ? never : `/v1${P}`;
}[keyof paths & string];

/** Addresses that answer GET with JSON. */
export type GetAddress = Addresses<"get">;
export type PostAddress = Addresses<"post">;

type Part<O, Place extends "path" | "query"> = O extends { parameters: { [K in Place]?: infer Members } }
  ? [Members] extends [undefined]
    ? unknown
    : NonNullable<Members>
  : unknown;

/** The parameters of an operation, those of the path and those of the query in one object. */
export type Parameters<Address, M extends Method = "get"> = Part<Operation<Address, M>, "path"> &
  Part<Operation<Address, M>, "query">;

type JsonBody<O> = O extends { requestBody?: { content: { "application/json": infer Body } } } ? Body : never;

export type RequestBody<Address> = JsonBody<Operation<Address, "post">> | undefined;

/** Addresses of collections: pages with a link to the next one. */
export type PageAddress = {
  [A in GetAddress]: Answer<A> extends { _links: { next?: unknown } } ? A : never;
}[GetAddress];

/** Addresses of collections whose pages have `items`. */
export type ItemAddress = {
  [A in PageAddress]: Answer<A> extends { items: unknown[] } ? A : never;
}[PageAddress];

export type Item<Address> = Answer<Address> extends { items: (infer I)[] } ? I : never;

export type HistoryQuery = Omit<Parameters<"/v1/entities/{id}/history">, "id">;
