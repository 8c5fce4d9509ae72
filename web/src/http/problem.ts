/** Requests to the API, whose failures become a problem with one sentence for the user. */

interface ProblemDetails {
  title?: string;
  detail?: string;
}

const REASONS: Readonly<Record<number, string>> = {
  401: "an API key is required",
  403: "access is denied",
  404: "the server does not have it",
  503: "the service is unavailable",
};

/** A failed request. The message is a sentence for the user. */
export class Problem extends Error {}

/** Fetches JSON; raises Problem with a sentence about `what` when that fails. */
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

/** Sends JSON and returns the status; raises Problem with a sentence about `what` when that fails. */
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

/** Returns the sentence of a Problem; any other error is a bug and is raised again. */
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
    // A proxy may answer in HTML; the status is sufficient then.
  }
  return known ?? `the server answered ${response.status}`;
}
