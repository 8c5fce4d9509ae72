/**
 * What the service worker does with a request, and with a message that was pushed. Without effects, so that it can be tested.
 *
 * The cache has the files of one build of the duty page: its document and its hashed assets. No answer of the API and no
 * other file is ever in it; all other requests go past the service worker.
 */

import { LINK_PATH } from "../linkedIncident";

/** The document of the duty page; its path with the history of the browser, and the file. */
export const DOCUMENT = "/duty.html";
const DOCUMENTS: ReadonlySet<string> = new Set(["/duty", DOCUMENT]);

/** What to do with a request: answer it from the cache, send the browser elsewhere, or leave it alone. */
export type Plan = { readonly cached: string } | { readonly redirect: string } | undefined;

/** `files` are the paths that the build has for the duty page. */
export function planFor(request: { method: string; mode: string; url: string }, origin: string, files: ReadonlySet<string>): Plan {
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== origin) return undefined;
  if (request.mode === "navigate") {
    const token = tokenIn(url);
    if (token !== undefined) return { redirect: `/duty#${token}` };
    return DOCUMENTS.has(url.pathname) ? { cached: DOCUMENT } : undefined;
  }
  return files.has(url.pathname) ? { cached: url.pathname } : undefined;
}

/** A pushed message, as docs/reference/push.md has it. */
export interface PushedMessage {
  readonly title: string;
  readonly body: string;
  readonly url: string;
  readonly tag: string;
  readonly severity: string;
  readonly language: string;
  readonly notification: string;
}

/** Returns a message; of what cannot be read a plain one, since a browser must show each message that it gets. */
export function messageOf(data: unknown): PushedMessage {
  const given = (typeof data === "object" && data !== null ? data : {}) as Record<string, unknown>;
  const text = (name: string, otherwise: string) => (typeof given[name] === "string" && given[name] !== "" ? given[name] : otherwise);
  return {
    title: text("title", "LiveTwin"),
    body: text("body", "Er is een bericht. There is a message."),
    url: text("url", "/"),
    tag: text("tag", "livetwin"),
    severity: text("severity", "warning"),
    language: text("language", "nl"),
    notification: text("notification", ""),
  };
}

/** Whether the phone rings for a message: not for one that it shows already, nor for the end of an incident. */
export function rings(message: PushedMessage, shown: readonly string[]): boolean {
  return message.severity !== "cleared" && !shown.includes(message.notification);
}

/** Whether the notification stays until somebody touches it. */
export function stays(message: PushedMessage): boolean {
  return message.severity === "critical" || message.severity === "major";
}

/** Returns the page that a notification opens: the incident of its link on the duty page, else a page of this origin. */
export function pageOf(address: string, origin: string): string {
  let url: URL;
  try {
    url = new URL(address, origin);
  } catch {
    return "/duty";
  }
  if (url.origin !== origin) return "/duty";
  const token = tokenIn(url);
  return token === undefined ? `${url.pathname}${url.search}${url.hash}` : `/duty#${token}`;
}

function tokenIn(url: URL): string | undefined {
  return url.pathname.startsWith(LINK_PATH) ? url.pathname.slice(LINK_PATH.length) : undefined;
}
