/**
 * What can go wrong.
 *
 *     LiveTwinError
 *       ConnectionError   no answer, or one that broke off
 *       ProblemError      the API refused; it has the problem (RFC 9457)
 *       UnexpectedAnswerError       an answer that is not of LiveTwin
 */

import type { components } from "./openapi.js";

/** A problem of RFC 9457, as the API describes every failure. */
export type Problem = components["schemas"]["Problem"];

export class LiveTwinError extends Error {
  override name = "LiveTwinError";
}

/** The server did not answer, or the answer broke off or stopped. */
export class ConnectionError extends LiveTwinError {
  override name = "ConnectionError";
}

/** The answer is not one of LiveTwin: a proxy's, for example. */
export class UnexpectedAnswerError extends LiveTwinError {
  override name = "UnexpectedAnswerError";
}

/** The API refused a request. */
export class ProblemError extends LiveTwinError {
  override name = "ProblemError";
  readonly status: number;
  /** Undefined where a proxy answered without one. */
  readonly problem: Problem | undefined;
  /** The least wait before a repetition, where the server named one. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, problem: Problem | undefined, retryAfterMs: number | undefined) {
    super(problem === undefined ? `the server answered ${status}` : problem.detail || problem.title);
    this.status = status;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Returns the error of an answer that is not a success; reads its body. */
export async function problemOf(response: Response): Promise<ProblemError> {
  let problem: Problem | undefined;
  try {
    const body: unknown = await response.json();
    if (isProblem(body)) problem = body;
  } catch {
    // A proxy may answer in HTML, or break off; the status is sufficient then.
  }
  return new ProblemError(response.status, problem, retryAfterOf(response.headers));
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "title" in body && typeof body.title === "string";
}

/** Returns `Retry-After` (RFC 9110, section 10.2.3) in milliseconds: seconds, or a time beside that of the server. */
export function retryAfterOf(headers: Headers): number | undefined {
  const text = headers.get("Retry-After")?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const wait = Date.parse(text) - Date.parse(headers.get("Date") ?? "");
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
