/** Who a credential stands for, and what its owner may do. */

import { LiveTwin, LiveTwinError, ProblemError, type Schemas } from "livetwin-client";
import { timeOf } from "../alarms/alarm";
import { Problem } from "../http/problem";
import { sessionSentences } from "./sentences";

/** The owner of an API key or an access token. */
export interface Principal {
  readonly name: string;
  readonly role: Schemas["Principal"]["role"];
  /** Ids of the areas that the role is limited to; empty: everywhere. */
  readonly areas: readonly string[];
  /** Epoch milliseconds; undefined for a key that is valid until it is revoked. */
  readonly expires: number | undefined;
  /** Method and path of what is allowed. */
  readonly permissions: ReadonlySet<string>;
}

/** Returns the owner of a credential. Raises Problem for one that the server refuses, or when it does not answer. */
export async function fetchPrincipal(key: string): Promise<Principal> {
  const twin = new LiveTwin({ baseUrl: location.origin, apiKey: key, retries: 0 });
  try {
    return principalOf(await twin.get("/v1/principal"));
  } catch (error) {
    throw refusalOf(error);
  }
}

/** Returns the principal of an answer of `GET /v1/principal`. */
export function principalOf({ name, role, areas, expiresTime, permissions }: Omit<Schemas["Principal"], "kind">): Principal {
  return { name, role, areas: areas ?? [], expires: timeOf(expiresTime), permissions: new Set(permissions) };
}

function refusalOf(error: unknown): unknown {
  if (!(error instanceof LiveTwinError)) return error;
  const status = error instanceof ProblemError ? error.status : undefined;
  const words = sessionSentences();
  return new Problem(status === 401 || status === 403 ? words.refused : words.unchecked, status);
}
