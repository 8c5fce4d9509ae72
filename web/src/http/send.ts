/** Requests that the client has no methods for: PUT and DELETE, and files. */

import { ConnectionError, ProblemError } from "livetwin-client";
import { session } from "../session/session.svelte";

interface Sent {
  readonly status: number;
  /** The JSON of the answer; undefined for an empty one. */
  readonly body: unknown;
}

/** The longest wait for an answer. */
const ANSWER_MS_MAX = 60_000;

/** Puts a document at an address of the API. Raises LiveTwinError. */
export async function put(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Sent> {
  const answer = await request(path, "PUT", { ...headers, "Content-Type": "application/json" }, JSON.stringify(body));
  return { status: answer.status, body: await answer.json() };
}

/** Deletes what is at an address of the API. Raises LiveTwinError. */
export async function remove(path: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  await request(path, "DELETE", headers);
}

/** Fetches a file with the credential of the reader, and hands it to the browser to save. Raises LiveTwinError. */
export async function saveFile(path: string, name: string, accept = "*/*"): Promise<void> {
  const answer = await request(path, "GET", { Accept: accept });
  const href = URL.createObjectURL(await answer.blob());
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
  // The browser reads it only after this task.
  setTimeout(() => URL.revokeObjectURL(href), ANSWER_MS_MAX);
}

async function request(
  path: string,
  method: string,
  headers: Readonly<Record<string, string>>,
  body: string | null = null,
): Promise<Response> {
  const authorization: Record<string, string> = session.key === "" ? {} : { Authorization: `Bearer ${session.key}` };
  let answer: Response;
  try {
    answer = await fetch(path, { method, body, headers: { ...headers, ...authorization }, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  } catch (error) {
    throw new ConnectionError(String(error));
  }
  if (answer.ok) return answer;
  const problem: unknown = await answer.json().catch(() => undefined);
  throw new ProblemError(answer.status, isProblem(problem) ? problem : undefined, undefined);
}

function isProblem(body: unknown): body is NonNullable<ProblemError["problem"]> {
  return typeof body === "object" && body !== null && "title" in body && typeof body.title === "string";
}
