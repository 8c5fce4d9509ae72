/** Failed requests to the API, as a problem with one sentence for the user. */

import { ConnectionError, LiveTwinError, ProblemError } from "livetwin-client";

const REASONS: Readonly<Record<number, string>> = {
  401: "an API key is required",
  403: "access is denied",
  404: "the server does not have it",
  503: "the service is unavailable",
};

/** A failed request. The message is a sentence for the user. */
export class Problem extends Error {}

/** Waits for what is fetched; raises Problem with a sentence about `what` when that fails. */
export function fetched<T>(what: string, answer: Promise<T>): Promise<T> {
  return succeeded(`${what} could not be fetched`, answer);
}

/** Waits for what is done; raises Problem with a sentence about `what` when that fails. */
export function done<T>(what: string, answer: Promise<T>): Promise<T> {
  return succeeded(`${what} could not be done`, answer);
}

async function succeeded<T>(failure: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof LiveTwinError)) throw error;
    throw new Problem(`${failure}: ${reasonOf(error)}.`);
  }
}

/** Returns the sentence of a Problem; any other error is a bug and is raised again. */
export function sentenceOf(error: unknown): string {
  if (error instanceof Problem) return error.message;
  throw error;
}

function reasonOf(error: LiveTwinError): string {
  if (error instanceof ConnectionError) return "the server does not answer";
  if (!(error instanceof ProblemError)) return error.message;
  const known = REASONS[error.status];
  const said = (error.problem?.detail || error.problem?.title)?.replace(/\.$/, "");
  if (said) return known ? `${known} (${said})` : said;
  return known ?? `the server answered ${error.status}`;
}
