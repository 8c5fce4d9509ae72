/**
 * Acknowledgements that wait for a connection, in IndexedDB: the page and its service worker both see them.
 *
 * A link is the key by which it is acknowledged once, so both may send the same one.
 */

import { LinkRefused, NoAnswer, sendAcknowledgement, type Outcome, type Refusal } from "./linkedIncident";

/** The name under which the service worker is asked to send, when there is a connection again. */
export const SYNC_TAG = "livetwin-acknowledgements";

const DATABASE = "livetwin-duty";
const STORE = "acknowledgement";
/** The most acknowledgements that are kept; a phone has a handful. The oldest go first. */
const KEPT_MAX = 50;
/** After this time they are forgotten: the links have expired long before. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

export interface Kept {
  readonly token: string;
  /** Epoch milliseconds: when the button was pressed. */
  readonly asked: number;
  /** The language that the page was in: without a connection, that of the contact is not known. */
  readonly language?: string;
  /** What became of it; undefined while it waits. */
  readonly told?: Told;
}

/** Whether an acknowledgement counted. */
export interface Told {
  readonly outcome: Exclude<Outcome, "unanswered"> | Refusal;
  /** In the language of the contact; undefined for a link that the server refuses. */
  readonly answer: string | undefined;
  readonly time: number;
}

/** Keeps an acknowledgement until it is sent. */
export async function keep(token: string, now: number, language: string): Promise<void> {
  await changed(async (store) => {
    for (const one of forgotten((await read(store)).filter((one) => one.token !== token), now)) store.delete(one.token);
    store.put({ token, asked: now, language } satisfies Kept);
  });
}

/** Returns which of those that are kept make room for a new one: what is too old, and the oldest of too many. */
export function forgotten(kept: readonly Kept[], now: number): Kept[] {
  const old = kept.filter((one) => now - one.asked > KEPT_MS);
  const rest = kept.filter((one) => !old.includes(one)).sort((one, other) => one.asked - other.asked);
  return [...old, ...rest.slice(0, Math.max(0, rest.length + 1 - KEPT_MAX))];
}

/** Returns what is kept for a link. */
export async function keptOf(token: string): Promise<Kept | undefined> {
  const all = await changed(read, "readonly");
  return all.find((one) => one.token === token);
}

/** Forgets a link once its outcome was shown. */
export async function forget(token: string): Promise<void> {
  await changed(async (store) => void store.delete(token));
}

/**
 * Sends what waits; calls `told` for each one whose outcome is known now.
 *
 * Returns how many still wait: without a connection, or because the server has not decided yet.
 */
export async function sendWaiting(now: () => number, told: (kept: Kept & { told: Told }) => unknown): Promise<number> {
  let left = 0;
  for (const one of await changed(read, "readonly")) {
    if (one.told !== undefined) continue;
    const outcome = await sent(one.token, now());
    if (outcome === undefined) {
      left += 1;
      continue;
    }
    const known = { ...one, told: outcome };
    await changed(async (store) => void store.put(known));
    await told(known);
  }
  return left;
}

async function sent(token: string, now: number): Promise<Told | undefined> {
  try {
    const { outcome, answer } = await sendAcknowledgement(token);
    return outcome === "unanswered" ? undefined : { outcome, answer, time: now };
  } catch (error) {
    if (error instanceof LinkRefused) return { outcome: error.refusal, answer: undefined, time: now };
    if (error instanceof NoAnswer) return undefined;
    throw error;
  }
}

async function changed<T>(work: (store: IDBObjectStore) => Promise<T>, mode: IDBTransactionMode = "readwrite"): Promise<T> {
  const database = await opened();
  try {
    const transaction = database.transaction(STORE, mode);
    const over = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error("the browser stored nothing"));
    });
    // What failed is raised by the work, or below.
    over.catch(() => undefined);
    const result = await work(transaction.objectStore(STORE));
    await over;
    return result;
  } finally {
    database.close();
  }
}

function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "token" });
  return answered(request);
}

function read(store: IDBObjectStore): Promise<Kept[]> {
  return answered(store.getAll() as IDBRequest<Kept[]>);
}

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser stores nothing"));
  });
}
