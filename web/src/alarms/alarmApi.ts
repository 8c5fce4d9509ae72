/** Requests to the API about one alarm, and actions of operators on it. */

import { alarmOf, timeOf, type Alarm } from "./alarm";
import { authorization } from "../http/apiKey";
import { fetchJson, sendJson } from "../http/problem";

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
  readonly guidance: { readonly en: string; readonly nl: string } | undefined;
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

type Data = Record<string, unknown>;

/** Fetches an alarm with its explanation. Raises Problem. */
export async function fetchAlarm(id: string, signal: AbortSignal): Promise<AlarmDetails> {
  const url = `/v1/alarms/${encodeURIComponent(id)}`;
  return detailsOf((await fetchJson("The alarm", url, { signal, headers: authorization() })) as Data);
}

/** Fetches the last events of an alarm, newest first. Raises Problem. */
export async function fetchEvents(id: string, signal: AbortSignal): Promise<AlarmEvent[]> {
  const url = `/v1/alarms/${encodeURIComponent(id)}/events?limit=${EVENTS_MAX}`;
  const page = (await fetchJson("What happened", url, { signal, headers: authorization() })) as { items: Data[] };
  return page.items.map((one) => ({
    kind: String(one["kind"]),
    time: timeOf(one["time"]) ?? 0,
    actor: textOf(one["actor"]),
    text: textOf(one["text"]),
  }));
}

/** Fetches the names of those who acknowledged, by alarm; empty without an API key. Raises Problem. */
export async function fetchAcknowledgers(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  if (authorization()["Authorization"] === undefined) return found;
  const url = "/v1/alarms?state=acknowledged,latched-acknowledged,shelved&limit=500";
  const page = (await fetchJson("The alarms", url, { headers: authorization() })) as { items: Data[] };
  for (const one of page.items) {
    const by = textOf(one["acknowledgedBy"]);
    if (by !== undefined) found.set(String(one["id"]), by);
  }
  return found;
}

/** Sends an action on an alarm; returns a sentence while its outcome is unknown. Raises Problem. */
export async function act(id: string, action: string, body: Data): Promise<string | undefined> {
  const url = `/v1/alarms/${encodeURIComponent(id)}/_${action}`;
  const headers = { ...authorization(), "Idempotency-Key": randomKey() };
  const status = await sendJson("That", url, body, headers);
  return status === 202 ? "The command was accepted; its outcome is not known yet." : undefined;
}

function detailsOf(data: Data): AlarmDetails {
  const alarm = alarmOf(data);
  if (alarm === undefined) throw new Error("the API answered without an alarm");
  const explanation = (data["explanation"] ?? {}) as Data;
  const operands = Array.isArray(explanation["operands"]) ? (explanation["operands"] as Data[]) : [];
  const guidance = data["guidance"] as AlarmDetails["guidance"] | null;
  return {
    ...alarm,
    rule: String(data["rule"]),
    ruleVersion: Number(data["ruleVersion"]),
    guidance: guidance ?? undefined,
    acknowledgedBy: textOf(data["acknowledgedBy"]),
    acknowledgedTime: timeOf(data["acknowledgedTime"]),
    assignee: textOf(data["assignee"]),
    operands: operands.map(operandOf),
  };
}

function operandOf(data: Data): Operand {
  const observations = Array.isArray(data["observations"]) ? (data["observations"] as Data[]) : [];
  return {
    name: String(data["name"]),
    entityId: String(data["entityId"]),
    value: numberOf(data["value"]),
    unit: String(data["unit"]),
    quality: String(data["quality"]),
    threshold: numberOf(data["threshold"]),
    time: String(data["time"]),
    window: (data["window"] as Operand["window"] | null) ?? undefined,
    observations: observations.map((one) => ({
      sensorId: String(one["sensorId"]),
      time: String(one["phenomenonTime"]),
      provenance: linkOf(one),
    })),
    provenance: linkOf(data),
  };
}

function linkOf(data: Data): string {
  const links = (data["_links"] ?? {}) as Record<string, { href?: unknown } | undefined>;
  return String(links["provenance"]?.href ?? "");
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** Returns a random key; `crypto.randomUUID` is missing on pages without TLS. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
}
