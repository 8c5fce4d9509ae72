/** Web push of this browser: the key of the server, the subscription of the browser, and its registration for a contact. */

import { ConnectionError, ProblemError } from "livetwin-client";
import { done, fetched, Problem } from "../http/problem";
import { session } from "../session/session.svelte";

/** A browser that takes the messages of a contact: `PushSubscriptionModel` of docs/reference/api.md. */
export interface PushSubscriptionAnswer {
  readonly id: string;
  readonly contactId: string;
  readonly device: string;
  readonly expirationTime: string;
}

const SUBSCRIPTIONS = "/v1/duty/push-subscriptions";

/** Why messages cannot come to this browser; undefined when they can. */
export function obstacle(): "insecure" | "missing" | "denied" | undefined {
  if (!isSecureContext) return "insecure";
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) return "missing";
  return Notification.permission === "denied" ? "denied" : undefined;
}

/** Returns the subscription of this browser at its push service. */
export async function ownSubscription(): Promise<PushSubscription | null> {
  const registration = await navigator.serviceWorker.getRegistration();
  return (await registration?.pushManager?.getSubscription()) ?? null;
}

/** Subscribes this browser and registers it for a contact; again, its days begin anew. Raises Problem. */
export async function subscribe(what: string, contactId: string, device: string): Promise<PushSubscriptionAnswer> {
  const { applicationServerKey } = (await fetched(what, asked("GET", "/v1/duty/push-key"))) as { applicationServerKey: string };
  const registration = await navigator.serviceWorker.ready;
  const subscription = await subscribed(registration.pushManager, applicationServerKey);
  const { endpoint, keys } = subscription.toJSON();
  return (await done(asked("POST", SUBSCRIPTIONS, { contactId, device, endpoint, keys }))) as PushSubscriptionAnswer;
}

/** Ends the messages to this browser, here and at the server. Raises Problem. */
export async function unsubscribe(id: string | undefined): Promise<void> {
  if (id !== undefined) {
    try {
      await done(asked("DELETE", `${SUBSCRIPTIONS}/${encodeURIComponent(id)}`));
    } catch (error) {
      // One that the server has forgotten is what was asked for.
      if (!(error instanceof Problem) || error.status !== 404) throw error;
    }
  }
  await (await ownSubscription())?.unsubscribe();
}

async function subscribed(manager: PushManager, key: string): Promise<PushSubscription> {
  const options = { userVisibleOnly: true, applicationServerKey: key };
  try {
    return await manager.subscribe(options);
  } catch (error) {
    // A subscription with another key of the server, which must go first.
    const old = await manager.getSubscription();
    if (old === null || !(error instanceof DOMException) || error.name !== "InvalidStateError") throw error;
    await old.unsubscribe();
    return await manager.subscribe(options);
  }
}

async function asked(method: string, path: string, body?: object): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        Accept: "application/json",
        ...(session.key === "" ? {} : { Authorization: `Bearer ${session.key}` }),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    throw new ConnectionError(String(error));
  }
  const text = await response.text();
  const answer: unknown = text === "" ? undefined : JSON.parse(text);
  if (!response.ok) throw new ProblemError(response.status, answer as ConstructorParameters<typeof ProblemError>[1], undefined);
  return answer;
}
