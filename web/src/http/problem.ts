/** Failed requests to the API, as a problem with one sentence for the reader. */

import { ConnectionError, LiveTwinError, ProblemError } from "livetwin-client";
import { httpSentences } from "./sentences";

/** A failed request. The message is a sentence for the reader. */
export class Problem extends Error {
  /** The status of the answer; undefined without one. */
  readonly status: number | undefined;

  constructor(message: string, status: number | undefined) {
    super(message);
    this.status = status;
  }
}

/** Waits for what is fetched; raises Problem with a sentence about `what`, such as "the alarms". */
export function fetched<T>(what: string, answer: Promise<T>): Promise<T> {
  return succeeded((why) => httpSentences().fetchFailed(what, why), answer);
}

/** Waits for an action; raises Problem with a sentence. */
export function done<T>(answer: Promise<T>): Promise<T> {
  return succeeded((why) => httpSentences().actFailed(why), answer);
}

async function succeeded<T>(sentence: (why: string) => string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof LiveTwinError)) throw error;
    throw new Problem(sentence(reasonOf(error)), error instanceof ProblemError ? error.status : undefined);
  }
}

/** Returns the sentence of a Problem; any other error is a bug and is raised again. */
export function sentenceOf(error: unknown): string {
  if (error instanceof Problem) return error.message;
  throw error;
}

function reasonOf(error: LiveTwinError): string {
  const words = httpSentences();
  if (error instanceof ConnectionError) return words.noAnswer;
  if (!(error instanceof ProblemError)) return error.message;
  const known = words.reasons[error.status];
  const said = (error.problem?.detail || error.problem?.title)?.replace(/\.$/, "");
  if (said) return known ? `${known} (${said})` : said;
  return known ?? words.answered(error.status);
}
