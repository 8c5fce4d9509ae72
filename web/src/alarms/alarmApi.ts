/** Requests to the API about one alarm, and actions of operators on it. */

import { alarmOf, timeOf, type Alarm } from "./alarm";
import type { RequestBody, Schemas } from "livetwin-client";
import { done, fetched } from "../http/problem";
import { ownTwin } from "../http/twin";
import type { Bilingual } from "../language/language.svelte";
import { session } from "../session/session.svelte";
import { alarmSentences } from "./sentences";

export interface Observation {
  readonly sensorId: string;
  readonly time: string;
  readonly provenance: string;
}

/** A value that the condition of an alarm uses. */
export interface Operand {
  readonly name: string;
  readonly entityId: string;
  readonly value: number | undefined;
  readonly unit: string;
  readonly quality: string;
  readonly threshold: number | undefined;
  readonly time: string;
  readonly window: { readonly start: string; readonly end: string } | undefined;
  readonly observations: readonly Observation[];
  readonly provenance: string;
}

export interface AlarmDetails extends Alarm {
  readonly rule: string;
  readonly ruleVersion: number;
  readonly guidance: Bilingual | undefined;
  readonly acknowledgedBy: string | undefined;
  readonly acknowledgedTime: number | undefined;
  readonly assignee: string | undefined;
  readonly operands: readonly Operand[];
}

export interface AlarmEvent {
  readonly kind: string;
  readonly time: number;
  readonly actor: string | undefined;
  readonly text: string | undefined;
}

/** The largest number of shown events of an alarm. */
const EVENTS_MAX = 20;

export type AlarmAction = "acknowledge" | "shelve" | "unshelve" | "comment" | "reset" | "restore";

/** Fetches an alarm with its explanation. Raises Problem. */
export async function fetchAlarm(id: string, signal: AbortSignal): Promise<AlarmDetails> {
  return detailsOf(await fetched(alarmSentences().theAlarm, ownTwin().get("/v1/alarms/{id}", { id }, { signal })));
}

/** Fetches the last events of an alarm, newest first. Raises Problem. */
export async function fetchEvents(id: string, signal: AbortSignal): Promise<AlarmEvent[]> {
  const answer = ownTwin().get("/v1/alarms/{id}/events", { id, limit: EVENTS_MAX }, { signal });
  return (await fetched(alarmSentences().itsEvents, answer)).items.map((one) => ({
    kind: one.kind,
    time: timeOf(one.time) ?? 0,
    actor: one.actor || undefined,
    text: one.text || undefined,
  }));
}

/** Fetches the names of those who acknowledged, by alarm; empty without an API key. Raises Problem. */
export async function fetchAcknowledgers(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  if (!session.isSignedIn) return found;
  const state = ["acknowledged" as const, "latched-acknowledged" as const, "shelved" as const];
  const page = await fetched(alarmSentences().theAlarms, ownTwin().get("/v1/alarms", { state, limit: 500 }));
  for (const { id, acknowledgedBy } of page.items) if (acknowledgedBy) found.set(id, acknowledgedBy);
  return found;
}

/** Sends an action on an alarm; returns a sentence while its outcome is unknown. Raises Problem. */
export async function act(
  id: string,
  action: AlarmAction,
  body: RequestBody<`/v1/alarms/{id}/_${AlarmAction}`>,
): Promise<string | undefined> {
  const address = `/v1/alarms/{id}/_${action}` as const;
  const answer = await done(ownTwin().post(address, { id }, body, { idempotencyKey: randomKey() }));
  return answer.status === 202 ? alarmSentences().accepted : undefined;
}

function detailsOf(data: Schemas["Alarm"]): AlarmDetails {
  const alarm = alarmOf(data);
  if (alarm === undefined) throw new Error("the API answered without an alarm");
  return {
    ...alarm,
    rule: data.rule,
    ruleVersion: data.ruleVersion,
    guidance: data.guidance ?? undefined,
    acknowledgedBy: data.acknowledgedBy || undefined,
    acknowledgedTime: timeOf(data.acknowledgedTime),
    assignee: data.assignee || undefined,
    operands: data.explanation.operands.map(operandOf),
  };
}

function operandOf(data: Schemas["Operand"]): Operand {
  return {
    name: data.name,
    entityId: data.entityId,
    value: data.value ?? undefined,
    unit: data.unit,
    quality: data.quality,
    threshold: data.threshold ?? undefined,
    time: data.time,
    window: data.window ?? undefined,
    observations: data.observations.map((one) => ({
      sensorId: one.sensorId,
      time: one.phenomenonTime,
      provenance: one._links.provenance.href,
    })),
    provenance: data._links.provenance.href,
  };
}

/** Returns a random key; `crypto.randomUUID` is missing on pages without TLS. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
}
