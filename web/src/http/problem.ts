/** Failed requests to the API, as a problem with one sentence for the reader. */

import { ConnectionError, LiveTwinError, ProblemError } from "livetwin-client";
import { httpSentences } from "./sentences";

/** What is wrong with one part of a request. `name` is a parameter, or a JSON pointer into the body. */
export interface Fault {
  readonly in: string;
  readonly name: string;
  readonly detail: string;
}

/** A failed request. The message is a sentence for the reader. */
export class Problem extends Error {
  /** The status of the answer; undefined without one. */
  readonly status: number | undefined;
  /** Every fault that the server found in the request. */
  readonly faults: readonly Fault[];

  constructor(message: string, status: number | undefined, faults: readonly Fault[] = []) {
    super(message);
    this.status = status;
    this.faults = faults;
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
    const [status, faults] = error instanceof ProblemError ? [error.status, error.problem?.errors] : [undefined, undefined];
    throw new Problem(sentence(reasonOf(error)), status, faults);
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
