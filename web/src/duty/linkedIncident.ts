/** The incident of an acknowledgement link, from `GET` and `POST /v1/acknowledge/{token}` as JSON. No key: the link is one. */

// The service worker is built with this module, without the stores of the page: it has types of its own for languages.
type Language = "nl" | "en";
type Bilingual = Readonly<Record<Language, string>>;

const linkPath = (token: string) => `/v1/acknowledge/${token}`;

/** The path before the token of a link. */
export const LINK_PATH = linkPath("");

/** What a token may consist of: base64url and dots. Anything else in an address is no link of ours. */
const TOKEN = /^[\w.~-]{8,4000}$/;

export interface LinkedValue {
  readonly name: string;
  readonly value: number | null;
  /** UCUM. */
  readonly unit: string;
  readonly time: string;
  readonly threshold: number | null;
  readonly now: { readonly value: number | null; readonly time: string; readonly quality: string; readonly freshness: string } | null;
}

export interface LinkedAlarm {
  readonly id: string;
  readonly severity: "critical" | "major" | "minor" | "warning";
  readonly state: string;
  readonly title: Bilingual;
  readonly sentence: Bilingual;
  readonly guidance: Bilingual | null;
  readonly entityId: string;
  readonly entityName: string | null;
  readonly values: readonly LinkedValue[];
  readonly raisedTime: string | null;
  readonly acknowledgedTime: string | null;
  readonly acknowledgedBy: string | null;
  /** Whether the message of the link told of it, as it is now. */
  readonly told: boolean;
  readonly waits: boolean;
  readonly _links: { readonly page: { readonly href: string } };
}

export interface LinkedIncident {
  readonly contact: { readonly id: string; readonly name: string; readonly language: Language };
  readonly time: string;
  /** Alarms that the link acknowledges, and others that wait. */
  readonly waiting: number;
  readonly later: number;
  /** The worst first. */
  readonly alarms: readonly LinkedAlarm[];
  readonly omitted: number;
  readonly notifications: readonly { readonly contactName: string; readonly channel: string; readonly outcome: string; readonly time: string }[] | null;
  readonly next: { readonly contactNames: readonly string[]; readonly time: string } | null;
  readonly _links: { readonly page: { readonly href: string } };
}

/** What became of an acknowledgement; `unanswered`: it is logged, and not decided yet. */
export type Outcome = "acknowledged" | "already" | "changed" | "over" | "used" | "unanswered";

export interface Acknowledgement extends LinkedIncident {
  readonly outcome: Outcome;
  /** The outcome as a sentence, in the language of the contact. */
  readonly answer: string;
}

export type Refusal = "expired" | "not-in-plan" | "unknown";

/** The server knows the link not, or not any more: sending it again changes nothing. */
export class LinkRefused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(`the link is refused: ${refusal}`);
    this.refusal = refusal;
  }
}

/** No answer that decides: no connection, or a server that is busy or away. It can be sent again. */
export class NoAnswer extends Error {}

/** The longest wait for an answer; a phone that seems to be connected may not be. */
const ANSWER_MS_MAX = 20_000;

/** Returns the token in the fragment of the page's address, which no server log has; undefined without one. */
export function tokenOf(fragment: string): string | undefined {
  const token = fragment.replace(/^#/, "");
  return TOKEN.test(token) ? token : undefined;
}

/** Fetches the incident; this changes nothing. Raises LinkRefused, NoAnswer. */
export function fetchIncident(token: string, signal?: AbortSignal): Promise<LinkedIncident> {
  return asked<LinkedIncident>(token, "GET", signal);
}

/** Acknowledges what the message of the link told; however often it is sent, it is done once. Raises LinkRefused, NoAnswer. */
export function sendAcknowledgement(token: string): Promise<Acknowledgement> {
  return asked<Acknowledgement>(token, "POST");
}

async function asked<Answer>(token: string, method: "GET" | "POST", signal?: AbortSignal): Promise<Answer> {
  const limit = AbortSignal.timeout(ANSWER_MS_MAX);
  let response: Response;
  try {
    response = await fetch(linkPath(token), {
      method,
      headers: { Accept: "application/json" },
      cache: "no-store",
      credentials: "omit",
      signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
    });
    if (response.ok) return (await response.json()) as Answer;
  } catch (error) {
    signal?.throwIfAborted();
    throw new NoAnswer(String(error));
  }
  if (response.status === 410) throw new LinkRefused(await refusalOf(response));
  // A server without a key for links, or a link that is not one of ours.
  if (response.status === 404 || response.status === 400) throw new LinkRefused("unknown");
  throw new NoAnswer(`the server answered ${response.status}`);
}

async function refusalOf(response: Response): Promise<Refusal> {
  try {
    const problem = (await response.json()) as { errors?: readonly { code?: string }[] };
    return problem.errors?.[0]?.code === "not-in-plan" ? "not-in-plan" : "expired";
  } catch {
    return "expired";
  }
}
