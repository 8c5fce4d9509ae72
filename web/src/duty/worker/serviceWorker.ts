/** The service worker of the duty page: opens it without a connection, shows pushed messages, and sends what waited. */

import { sendWaiting, SYNC_TAG } from "../acknowledgementQueue";
import { DOCUMENT, messageOf, pageOf, planFor, rings, stays } from "./policy";

/** The files of this build, and a name that changes with them; from web/plugins/serviceWorker.ts. */
declare const DUTY_FILES: readonly string[];
declare const DUTY_VERSION: string;
declare const self: ServiceWorkerGlobalScope;

/** Background Sync (WICG), where the browser has it. */
interface SyncEvent extends ExtendableEvent {
  readonly tag: string;
}

const PREFIX = "livetwin-duty-";
const CACHE = `${PREFIX}${DUTY_VERSION}`;
const files = new Set(DUTY_FILES);

self.addEventListener("install", (event) => {
  event.waitUntil(store().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(removeOld().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const plan = planFor(event.request, self.location.origin, files);
  if (plan === undefined) return;
  event.respondWith("redirect" in plan ? Response.redirect(plan.redirect) : cached(plan.cached, event.request));
});

self.addEventListener("push", (event) => {
  event.waitUntil(show(event.data));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(pageOf(String((event.notification.data as { url?: string } | null)?.url ?? "/duty"), self.location.origin)));
});

self.addEventListener("sync", (event) => {
  const sync = event as SyncEvent;
  if (sync.tag === SYNC_TAG) sync.waitUntil(send());
});

async function store(): Promise<void> {
  const cache = await caches.open(CACHE);
  // The document has no hash in its name: the copy that the browser may have is not asked.
  await cache.addAll([...files].map((path) => new Request(path, { cache: path === DOCUMENT ? "reload" : "default" })));
}

async function removeOld(): Promise<void> {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
}

async function cached(path: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(path, { ignoreVary: true })) ?? fetch(request);
}

async function show(data: PushMessageData | null): Promise<void> {
  const message = messageOf(read(data));
  const present = await self.registration.getNotifications({ tag: message.tag });
  const ids = present.map((one) => String((one.data as { notification?: string } | null)?.notification));
  const rung = rings(message, ids);
  const options = {
    body: message.body,
    tag: message.tag,
    lang: message.language,
    icon: "/icon-192.png",
    badge: "/icon-192.png",
    requireInteraction: stays(message),
    silent: !rung,
    renotify: rung,
    data: { url: message.url, notification: message.notification },
  };
  await self.registration.showNotification(message.title, options);
}

function read(data: PushMessageData | null): unknown {
  try {
    return data?.json();
  } catch {
    return undefined;
  }
}

async function open(page: string): Promise<void> {
  for (const client of await self.clients.matchAll({ type: "window" })) {
    if (!new URL(client.url).pathname.startsWith("/duty")) continue;
    await client.focus();
    await client.navigate(page);
    return;
  }
  await self.clients.openWindow(page);
}

/** Sends what waits; raises while something still does, so that the browser asks again. */
async function send(): Promise<void> {
  const left = await sendWaiting(Date.now, async ({ token, told }) => {
    const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    for (const client of windows) client.postMessage({ type: "told", token });
    if (windows.some((client) => client.visibilityState === "visible")) return;
    const failed = told.answer ?? "Niet bevestigd: de link geldt niet meer. Not acknowledged: the link is no longer valid.";
    await self.registration.showNotification("LiveTwin", {
      body: failed,
      tag: `told-${told.time}`,
      icon: "/icon-192.png",
      data: { url: `/duty#${token}` },
    });
  });
  if (left > 0) throw new Error(`${left} acknowledgements still wait`);
}
