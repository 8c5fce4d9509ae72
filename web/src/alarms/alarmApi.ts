/** Requests to the API about alarms, and actions of operators on them. Times are epoch milliseconds. */

import type { Parameters, RequestBody, Schemas } from "livetwin-client";
import { done, fetched } from "../http/problem";
import { ownTwin } from "../http/twin";
import type { Bilingual } from "../language/language.svelte";
import type { Operation } from "../session/operations";
import { session } from "../session/session.svelte";
import { alarmOf, timeOf, type Alarm } from "./alarm";
import { alarmSentences } from "./sentences";

export interface Observation {
  readonly sensorId: string;
  readonly time: number;
  /** The link to the messages behind it. */
  readonly provenance: string;
}

/** What a window of a rule is reduced to. */
export type Statistic = Schemas["OperandWindow"]["statistic"];

/** A value that the condition of an alarm uses. */
export interface Operand {
  readonly name: string;
  readonly entityId: string;
  readonly value: number | undefined;
  readonly unit: string;
  readonly quality: string;
  readonly threshold: number | undefined;
  readonly time: number;
  readonly window: { readonly start: number; readonly end: number; readonly statistic: Statistic } | undefined;
  readonly observations: readonly Observation[];
  readonly provenance: string;
}

/** An alarm with its explanation, at one moment. */
export interface AlarmDetails extends Alarm {
  readonly ruleVersion: number;
  readonly returnedTime: number | undefined;
  readonly guidance: Bilingual | undefined;
  readonly acknowledgedBy: string | undefined;
  readonly acknowledgedTime: number | undefined;
  readonly assignee: string | undefined;
  readonly suppressedBy: string | undefined;
  readonly incidentId: string | undefined;
  readonly operands: readonly Operand[];
}

export interface AlarmEvent {
  readonly kind: string;
  readonly time: number;
  readonly toldTime: number;
  readonly actor: string | undefined;
  readonly text: string | undefined;
}

/** An alarm at a moment, and what had happened until then, newest first. */
export interface AlarmStory {
  readonly details: AlarmDetails;
  readonly events: readonly AlarmEvent[];
}

/** A message to somebody on duty. */
export interface Notification {
  readonly id: string;
  readonly time: number;
  readonly kind: string;
  readonly contact: string;
  readonly channel: string;
  readonly outcome: string;
  readonly attempt: number;
  readonly detail: string | undefined;
}

export type Owners = ReadonlyMap<string, { readonly assignee?: string; readonly acknowledgedBy?: string }>;

/** The largest number of shown events of an alarm. */
const EVENTS_MAX = 50;
/** The largest number of pages of events that are read to find what was shown at a moment in the past. */
const EVENT_PAGES_MAX = 20;
const NOTIFICATIONS_MAX = 50;
/** The largest number of alarms whose owners are fetched. */
const OWNERS_MAX = 1000;

export type AlarmAction = "acknowledge" | "shelve" | "unshelve" | "assign" | "comment" | "reset" | "restore";

/** The operations of the API by action, as `session.may` takes them. */
export const OPERATIONS: Readonly<Record<AlarmAction, Operation>> = {
  acknowledge: "acknowledgeAlarm",
  shelve: "shelveAlarm",
  unshelve: "unshelveAlarm",
  assign: "assignAlarm",
  comment: "commentOnAlarm",
  reset: "resetAlarm",
  restore: "restoreAlarm",
};

/** Whether an answer differs for one of these actions: what may be said with it. */
export interface Remark {
  readonly comment?: string;
  readonly text?: string;
  readonly assignee?: string;
  readonly duration?: string;
  /** Refuses the action when the alarm was raised again since. */
  readonly occurrence?: number;
}

/** Fetches an alarm with its explanation and events, as they were at a moment; undefined is now. Raises Problem. */
export async function fetchStory(id: string, moment: number | undefined, signal: AbortSignal): Promise<AlarmStory> {
  const document = await fetched(alarmSentences().theAlarm, ownTwin().get("/v1/alarms/{id}", { id }, { signal }));
  const events = await fetched(alarmSentences().itsEvents, eventsUntil(id, moment, signal));
  const newest = events[0];
  const before = moment === undefined || newest === undefined ? document : { ...document, ...newest, id };
  return { details: detailsOf(before), events: events.slice(0, EVENTS_MAX).map(eventOf) };
}

/** Returns the newest events that were told at the moment, at least one page of them. */
async function eventsUntil(id: string, moment: number | undefined, signal: AbortSignal): Promise<Schemas["AlarmEvent"][]> {
  let pages = 0;
  for await (const { items } of ownTwin().pages("/v1/alarms/{id}/events", { id, limit: EVENTS_MAX }, { signal })) {
    const told = items.filter((one) => moment === undefined || knownAt(one) <= moment);
    if (told.length > 0 || (pages += 1) === EVENT_PAGES_MAX) return told;
  }
  return [];
}

/** Returns when an event was known: it is published with the time of its batch, which a command comes shortly after. */
function knownAt({ time, toldTime }: Schemas["AlarmEvent"]): number {
  return Math.max(timeOf(time) ?? 0, timeOf(toldTime) ?? 0);
}

/** Fetches who was told of an incident, newest first. Raises Problem. */
export async function fetchNotifications(incident: string, signal: AbortSignal): Promise<Notification[]> {
  const answer = ownTwin().get("/v1/notifications", { incident, limit: NOTIFICATIONS_MAX }, { signal });
  return (await fetched(alarmSentences().theAlarm, answer)).items.map((one) => ({
    id: one.id,
    time: timeOf(one.time) ?? 0,
    kind: one.kind,
    contact: one.contactName ?? one.contact,
    channel: one.channel,
    outcome: one.outcome,
    attempt: one.attempt,
    detail: one.detail ?? undefined,
  }));
}

/** Fetches a rule in force. Raises Problem. */
export function fetchRule(id: string, signal: AbortSignal): Promise<Schemas["Rule"]> {
  return fetched(alarmSentences().theAlarm, ownTwin().get("/v1/rules/{id}", { id }, { signal }));
}

/** Fetches the attributes of an entity. Raises Problem. */
export async function fetchAttributes(id: string, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetched(alarmSentences().theAlarm, ownTwin().get("/v1/entities/{id}", { id }, { signal }));
  return answer.attributes;
}

/** Fetches who is on which alarm, by its id; empty without an API key. Raises Problem. */
export async function fetchOwners(): Promise<Owners> {
  const found = new Map<string, { assignee?: string; acknowledgedBy?: string }>();
  if (!session.isSignedIn) return found;
  const state: Parameters<"/v1/alarms">["state"] = STANDING;
  await fetched(
    alarmSentences().theAlarms,
    (async () => {
      let count = 0;
      for await (const { id, assignee, acknowledgedBy } of ownTwin().alarms({ state, limit: 500 })) {
        if (assignee || acknowledgedBy)
          found.set(id, { ...(assignee ? { assignee } : {}), ...(acknowledgedBy ? { acknowledgedBy } : {}) });
        if ((count += 1) === OWNERS_MAX) break;
      }
    })(),
  );
  return found;
}

const STANDING = [
  "unacknowledged",
  "acknowledged",
  "returned-unacknowledged",
  "latched-unacknowledged",
  "latched-acknowledged",
  "shelved",
  "suppressed-by-design",
  "out-of-service",
] satisfies Schemas["AlarmState"][];

/** Sends an action on an alarm; returns a sentence while its outcome is unknown. Raises Problem. */
export async function act(id: string, action: AlarmAction, remark: Remark = {}): Promise<string | undefined> {
  const address = `/v1/alarms/{id}/_${action}` as const;
  const answer = await done(
    ownTwin().post(address, { id }, remark as RequestBody<typeof address>, { idempotencyKey: randomKey() }),
  );
  return answer.status === 202 ? alarmSentences().accepted : undefined;
}

function eventOf(one: Schemas["AlarmEvent"]): AlarmEvent {
  return {
    kind: one.kind,
    time: timeOf(one.time) ?? 0,
    toldTime: timeOf(one.toldTime) ?? 0,
    actor: one.actor || undefined,
    text: one.text || undefined,
  };
}

function detailsOf(data: Schemas["Alarm"]): AlarmDetails {
  const alarm = alarmOf({ ...data });
  if (alarm === undefined) throw new Error("the API answered without an alarm");
  return {
    ...alarm,
    ruleVersion: data.ruleVersion,
    returnedTime: timeOf(data.returnedTime),
    guidance: data.guidance ?? undefined,
    acknowledgedBy: data.acknowledgedBy || undefined,
    acknowledgedTime: timeOf(data.acknowledgedTime),
    assignee: data.assignee || undefined,
    suppressedBy: data.suppressedBy || undefined,
    incidentId: data.incidentId || undefined,
    operands: data.explanation.operands.map(operandOf),
  };
}

function operandOf(data: Schemas["Operand"]): Operand {
  const { window } = data;
  return {
    name: data.name,
    entityId: data.entityId,
    value: data.value ?? undefined,
    unit: data.unit,
    quality: data.quality,
    threshold: data.threshold ?? undefined,
    time: timeOf(data.time) ?? 0,
    window: window === null ? undefined : { start: timeOf(window.start) ?? 0, end: timeOf(window.end) ?? 0, statistic: window.statistic },
    observations: data.observations.map((one) => ({
      sensorId: one.sensorId,
      time: timeOf(one.phenomenonTime) ?? 0,
      provenance: one._links.provenance.href,
    })),
    provenance: data._links.provenance.href,
  };
}

/** Returns a random key; `crypto.randomUUID` is missing on pages without TLS. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
}
