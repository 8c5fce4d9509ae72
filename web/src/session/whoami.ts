/** Who a key belongs to, and what its owner may do. */

import { LiveTwin, LiveTwinError, ProblemError } from "livetwin-client";
import { Problem } from "../http/problem";
import { sessionSentences } from "./sentences";

/** The owner of a key or a token. */
export interface Principal {
  readonly name: string;
  /** "operator", "admin", …; undefined where the server does not tell. */
  readonly role: string | undefined;
  /** Ids of the areas that the role is limited to; empty: everywhere. */
  readonly areas: readonly string[];
  /** Epoch milliseconds. */
  readonly expires: number | undefined;
  /** Ids of operations of `/v1/openapi.json` that are allowed; undefined where the server does not tell. */
  readonly may: ReadonlySet<string> | undefined;
}

/** Returns the owner of a key. Raises Problem for a key that the server refuses, or when it does not answer. */
export async function fetchPrincipal(key: string): Promise<Principal> {
  const twin = new LiveTwin({ baseUrl: location.origin, apiKey: key, retries: 0 });
  try {
    return principalOf((await twin.follow("/v1/whoami")) as Record<string, unknown>);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 404) throw refusalOf(error);
  }
  // A server without this route: any answer with the key shows that it is known.
  try {
    await twin.get("/v1/properties", { limit: 1 });
  } catch (error) {
    throw refusalOf(error);
  }
  return { name: "", role: undefined, areas: [], expires: undefined, may: undefined };
}

function principalOf(data: Record<string, unknown>): Principal {
  const { name, role, areas, expires, may } = data;
  const expiry = Date.parse(String(expires ?? ""));
  const names = (list: unknown) => (Array.isArray(list) ? list.map(String) : undefined);
  const allowed = names(may);
  return {
    name: String(name ?? ""),
    role: typeof role === "string" ? role : undefined,
    areas: names(areas) ?? [],
    expires: Number.isNaN(expiry) ? undefined : expiry,
    may: allowed === undefined ? undefined : new Set(allowed),
  };
}

function refusalOf(error: unknown): unknown {
  if (!(error instanceof LiveTwinError)) return error;
  const status = error instanceof ProblemError ? error.status : undefined;
  const words = sessionSentences();
  return new Problem(status === 401 || status === 403 ? words.refused : words.unchecked, status);
}
