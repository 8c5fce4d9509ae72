/** Problems: an answer of the API that is not the one asked for, told in one sentence. */

interface ProblemDetails {
  title?: string;
  detail?: string;
}

const REASONS: Readonly<Record<number, string>> = {
  401: "it asks for an API key",
  403: "it is not open to this page",
  404: "the server does not know it",
  503: "the service is not available just now",
};

/** Something could not be fetched. The message is a sentence for the person at the screen. */
export class Problem extends Error {}

/** Fetches JSON; raises Problem with a sentence that names `what` when that fails. */
export async function fetchJson(
  what: string,
  url: string,
  options: { accept?: string; signal?: AbortSignal; headers?: Record<string, string> } = {},
): Promise<unknown> {
  const request: RequestInit = { headers: { Accept: options.accept ?? "application/json", ...options.headers } };
  if (options.signal !== undefined) request.signal = options.signal;
  let response: Response;
  try {
    response = await fetch(url, request);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(`${what} could not be fetched: the server does not answer.`);
  }
  if (!response.ok) throw new Problem(`${what} could not be fetched: ${await reasonOf(response)}.`);
  return response.json();
}

/** Sends JSON; returns the status of the answer, and raises Problem with a sentence that names `what` when it fails. */
export async function sendJson(
  what: string,
  url: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<number> {
  let response: Response;
  try {
    const given = { ...headers, Accept: "application/json", "Content-Type": "application/json" };
    response = await fetch(url, { method: "POST", headers: given, body: JSON.stringify(body) });
  } catch {
    throw new Problem(`${what} could not be done: the server does not answer.`);
  }
  if (!response.ok) throw new Problem(`${what} could not be done: ${await reasonOf(response)}.`);
  return response.status;
}

/** Returns the sentence of a Problem; anything else is a fault of ours and is raised again. */
export function sentenceOf(error: unknown): string {
  if (error instanceof Problem) return error.message;
  throw error;
}

async function reasonOf(response: Response): Promise<string> {
  const known = REASONS[response.status];
  try {
    const details = (await response.json()) as ProblemDetails;
    const said = details.detail ?? details.title;
    if (said) return `${known ? `${known} (${said.replace(/\.$/, "")})` : said.replace(/\.$/, "")}`;
  } catch {
    // A proxy in between answers in HTML; the status says enough.
  }
  return known ?? `the server answered ${response.status}`;
}
