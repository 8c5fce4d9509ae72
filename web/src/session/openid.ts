/**
 * Signing in at an OpenID Connect issuer, by the browser alone: authorization code with PKCE (RFC 7636).
 *
 * Code, verifier and token go between browser and issuer. The page leaves for the issuer and comes back to its one
 * redirect URI, with the answer in the query; what it showed before comes back with it.
 */

import { Problem, fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import { sessionSentences } from "./sentences";

/** An issuer that the page offers, from `/page.json`. */
export interface Issuer {
  readonly id: string;
  readonly name: string;
  /** Where its endpoints are told. */
  readonly href: string;
}

/** The answer of `/sign-in/{id}.json`. */
interface Client {
  readonly issuer: string;
  readonly name: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly resource: string | null;
  readonly redirectUri: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly endSessionEndpoint: string | null;
  readonly issInResponse: boolean;
}

/** What is remembered while the reader is at the issuer. */
interface Pending {
  readonly issuerId: string;
  readonly client: Client;
  readonly state: string;
  readonly verifier: string;
  /** The path and query that the page had. */
  readonly returnTo: string;
}

/** What the issuer sent back. */
export interface IssuerAnswer {
  readonly query: URLSearchParams;
  readonly pending: Pending | undefined;
}

export interface IssuedToken {
  readonly token: string;
  readonly issuerId: string;
  /** Where one signs out at the issuer too. */
  readonly endSession: string | undefined;
}

const PENDING = "livetwin-sign-in";
/** The longest wait for the token. */
const TOKEN_MS_MAX = 20_000;

/** Returns the issuers of `/page.json`. */
export function issuersOf(value: unknown): Issuer[] {
  const items = Array.isArray(value) ? (value as Partial<Record<string, unknown>>[]) : [];
  return items.map(({ id, name, href }) => ({ id: String(id), name: String(name ?? id), href: String(href) }));
}

/** Leaves for an issuer. Raises Problem when the page cannot sign in there. */
export async function leaveFor(issuer: Issuer): Promise<void> {
  const words = sessionSentences();
  // Browsers have no digests on pages without TLS.
  if (!isSecureContext) throw new Problem(words.needsTls, undefined);
  const client = (await fetched(words.issuer(issuer.name), openTwin().follow(issuer.href))) as Client;
  const home = new URL(client.redirectUri);
  if (home.origin !== location.origin) throw new Problem(words.elsewhere(home.origin), undefined);
  const [state, verifier] = [randomText(), randomText()];
  const pending: Pending = { issuerId: issuer.id, client, state, verifier, returnTo: location.pathname + location.search };
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  location.assign(await authorizationUrl(client, state, verifier));
}

/** Returns where the reader signs in. */
export async function authorizationUrl(client: Client, state: string, verifier: string): Promise<string> {
  const url = new URL(client.authorizationEndpoint);
  const values = {
    response_type: "code",
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    scope: client.scopes.join(" "),
    state,
    code_challenge: base64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)))),
    code_challenge_method: "S256",
    ...(client.resource === null ? {} : { resource: client.resource }),
  };
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value);
  return url.href;
}

/** Takes the answer of an issuer out of the address, which is then again what it was; undefined if there is none. */
export function takeAnswer(): IssuerAnswer | undefined {
  const query = new URLSearchParams(location.search);
  if (!query.has("state") || !(query.has("code") || query.has("error"))) return undefined;
  const pending = takePending();
  // A code in the address would be in the history and in every link that is shared.
  history.replaceState(null, "", pending?.returnTo ?? location.pathname);
  return { query, pending };
}

/** Exchanges the code of an answer for a token. Raises Problem. */
export async function tokenOf({ query, pending }: IssuerAnswer): Promise<IssuedToken> {
  const words = sessionSentences();
  if (pending === undefined || query.get("state") !== pending.state) throw new Problem(words.notAsked, undefined);
  const { client } = pending;
  const named = query.get("iss");
  // RFC 9207: another issuer may not pass for this one.
  if ((client.issInResponse || named !== null) && named !== client.issuer) throw new Problem(words.notAsked, undefined);
  const error = query.get("error");
  if (error !== null) {
    const why = error === "access_denied" ? words.cancelled : (query.get("error_description") ?? error);
    throw new Problem(words.notSignedIn(client.name, why), undefined);
  }
  const token = await exchange(client, query.get("code") ?? "", pending.verifier);
  return { token, issuerId: pending.issuerId, endSession: client.endSessionEndpoint ?? undefined };
}

async function exchange(client: Client, code: string, verifier: string): Promise<string> {
  const words = sessionSentences();
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    code,
    redirect_uri: client.redirectUri,
    client_id: client.clientId,
    code_verifier: verifier,
    ...(client.resource === null ? {} : { resource: client.resource }),
  });
  let answer: Record<string, unknown>;
  try {
    const response = await fetch(client.tokenEndpoint, { method: "POST", body, signal: AbortSignal.timeout(TOKEN_MS_MAX) });
    answer = (await response.json()) as Record<string, unknown>;
  } catch {
    throw new Problem(words.notSignedIn(client.name, words.noToken), undefined);
  }
  const { access_token: token, error_description: description, error } = answer;
  if (typeof token === "string" && token !== "") return token;
  throw new Problem(words.notSignedIn(client.name, String(description ?? error ?? words.noToken)), undefined);
}

function takePending(): Pending | undefined {
  try {
    const text = sessionStorage.getItem(PENDING);
    sessionStorage.removeItem(PENDING);
    return text === null ? undefined : (JSON.parse(text) as Pending);
  } catch {
    return undefined;
  }
}

/** 256 bits of randomness, as 43 characters that a verifier may have. */
function randomText(): string {
  return base64Url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
