/** Who a credential stands for, and what its owner may do. */

import { LiveTwin, LiveTwinError, ProblemError } from "livetwin-client";
import { Problem } from "../http/problem";
import { sessionSentences } from "./sentences";

/** The owner of an API key or an access token. */
export interface Principal {
  readonly name: string;
  /** "operator", "admin", …; undefined where the server does not tell. */
  readonly role: string | undefined;
  /** Ids of the areas that the role is limited to; empty: everywhere. */
  readonly areas: readonly string[];
  /** Epoch milliseconds. */
  readonly expires: number | undefined;
  /** Method and path of what is allowed; undefined where the server does not tell. */
  readonly permissions: ReadonlySet<string> | undefined;
}

/** Returns the owner of a credential. Raises Problem for one that the server refuses, or when it does not answer. */
export async function fetchPrincipal(key: string): Promise<Principal> {
  const twin = new LiveTwin({ baseUrl: location.origin, apiKey: key, retries: 0 });
  try {
    return principalOf((await twin.follow("/v1/principal")) as Record<string, unknown>);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 404) throw refusalOf(error);
  }
  // A server without this route: any answer with the key shows that it is known.
  try {
    await twin.get("/v1/properties", { limit: 1 });
  } catch (error) {
    throw refusalOf(error);
  }
  return { name: "", role: undefined, areas: [], expires: undefined, permissions: undefined };
}

/** Returns the principal of an answer of `GET /v1/principal`. */
export function principalOf(data: Record<string, unknown>): Principal {
  const { name, role, areas, expiresTime, permissions } = data;
  const expires = Date.parse(String(expiresTime ?? ""));
  const names = (list: unknown) => (Array.isArray(list) ? list.map(String) : undefined);
  const allowed = names(permissions);
  return {
    name: String(name ?? ""),
    role: typeof role === "string" ? role : undefined,
    areas: names(areas) ?? [],
    expires: Number.isNaN(expires) ? undefined : expires,
    permissions: allowed === undefined ? undefined : new Set(allowed),
  };
}

function refusalOf(error: unknown): unknown {
  if (!(error instanceof LiveTwinError)) return error;
  const status = error instanceof ProblemError ? error.status : undefined;
  const words = sessionSentences();
  return new Problem(status === 401 || status === 403 ? words.refused : words.unchecked, status);
}
