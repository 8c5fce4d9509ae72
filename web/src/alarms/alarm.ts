/** An alarm, from an event of the stream or a document of `GET /v1/alarms`. */

import type { Bilingual } from "../language/language.svelte";

/** Worst first. */
export const SEVERITIES = ["critical", "major", "minor", "warning"] as const;

export type Severity = (typeof SEVERITIES)[number];

/** Colours on a light and on a dark map; a word or the order in the list always shows the same. */
export const SEVERITY_COLOURS: Readonly<Record<"light" | "dark", Readonly<Record<Severity, string>>>> = {
  light: { critical: "#8f1239", major: "#c81e1e", minor: "#b45309", warning: "#4d5d69" },
  dark: { critical: "#ff5d8f", major: "#ff8a80", minor: "#fbb040", warning: "#aebcc7" },
};

const WAITING: ReadonlySet<string> = new Set([
  "unacknowledged",
  "returned-unacknowledged",
  "latched-unacknowledged",
]);
const ASIDE: ReadonlySet<string> = new Set(["shelved", "suppressed-by-design", "out-of-service"]);

export interface Alarm {
  readonly id: string;
  readonly revision: number;
  readonly entityId: string;
  readonly severity: Severity;
  readonly state: string;
  readonly active: boolean;
  /** Epoch milliseconds. */
  readonly raisedTime: number | undefined;
  readonly shelvedUntil: number | undefined;
  /** Alarms of one cause and one area are one incident. */
  readonly cause: string;
  readonly area: string;
  /** What is wrong, without the time at its end, which the page shows on its own. */
  readonly sentence: Bilingual;
  /** Id of its rule. */
  readonly rule: string;
  /** Counts from 1; an acknowledgement is of one occurrence. */
  readonly occurrence: number;
  readonly theme: string;
  /** The value that its condition compares with a limit, else the first that it uses; of silence there is none. */
  readonly compared: Compared | undefined;
}

/** A value of the condition at the last change of the alarm. */
export interface Compared {
  readonly entityId: string;
  /** With the relation before it, where it is of a related entity: "drainsTo.water_level". */
  readonly name: string;
  readonly value: number | undefined;
  readonly unit: string;
  readonly threshold: number | undefined;
}

/** Returns the alarm of an event or a document, or undefined for other data. */
export function alarmOf(data: Record<string, unknown>): Alarm | undefined {
  const id = data["alarmId"] ?? data["id"];
  const sentence = data["sentence"];
  const severity = SEVERITIES.find((one) => one === data["severity"]);
  if (typeof id !== "string" || typeof sentence !== "object" || sentence === null) return undefined;
  if (severity === undefined) return undefined;
  const { en, nl } = sentence as Record<string, unknown>;
  return {
    id,
    revision: Number(data["revision"] ?? 0),
    entityId: String(data["entityId"] ?? ""),
    severity,
    state: String(data["state"] ?? "normal"),
    active: data["active"] === true,
    raisedTime: timeOf(data["raisedTime"]),
    shelvedUntil: timeOf(data["shelvedUntil"]),
    cause: String(data["cause"] ?? ""),
    area: String(data["area"] ?? ""),
    sentence: { en: withoutTime(String(en ?? id)), nl: withoutTime(String(nl ?? en ?? id)) },
    rule: String(data["rule"] ?? id.split("~")[0]),
    occurrence: Number(data["occurrence"] ?? 0),
    theme: String(data["theme"] ?? ""),
    compared: comparedOf(data),
  };
}

/** Events have operands themselves, documents in their explanation. */
function comparedOf(data: Record<string, unknown>): Compared | undefined {
  const explanation = data["explanation"] as { operands?: unknown } | undefined;
  const operands = data["operands"] ?? explanation?.operands;
  if (!Array.isArray(operands)) return undefined;
  const given = operands as Record<string, unknown>[];
  const one = given.find((each) => typeof each["threshold"] === "number") ?? given[0];
  if (one === undefined) return undefined;
  const numberOf = (value: unknown) => (typeof value === "number" ? value : undefined);
  return {
    entityId: String(one["entityId"] ?? ""),
    name: String(one["name"] ?? ""),
    value: numberOf(one["value"]),
    unit: String(one["unit"] ?? "1"),
    threshold: numberOf(one["threshold"]),
  };
}

/** Returns the property of a name that may have a relation before it: "drainsTo.water_level" is of "water_level". */
export function propertyOf(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** Whether it waits for an acknowledgement. */
export function waits(alarm: Alarm): boolean {
  return WAITING.has(alarm.state);
}

/** Whether it is shelved, suppressed or out of service, and needs no action now. */
export function isAside(alarm: Alarm): boolean {
  return ASIDE.has(alarm.state);
}

/** Whether its condition no longer holds, or it is set aside: such an alarm is shown in grey. */
export function isWell(alarm: Alarm): boolean {
  return !alarm.active || isAside(alarm);
}

/** Orders alarms: waiting ones first, then the worst, then the newest; those that need no action last. */
export function byUrgency(one: Alarm, other: Alarm): number {
  return (
    Number(isAside(one)) - Number(isAside(other)) ||
    Number(waits(other)) - Number(waits(one)) ||
    SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity) ||
    (other.raisedTime ?? 0) - (one.raisedTime ?? 0) ||
    one.id.localeCompare(other.id)
  );
}

/** Returns a cause in words: "high-water" is "High water". */
export function causeName(cause: string): string {
  const words = cause.replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function withoutTime(text: string): string {
  return text.replace(/,? (?:at \d\d:\d\d on \d+ \p{L}+ \d{4}|op \d+ \p{L}+ \d{4} om \d\d:\d\d)\.$/u, ".");
}

/** Returns epoch milliseconds of a time, or undefined. */
export function timeOf(text: unknown): number | undefined {
  const time = typeof text === "string" ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? undefined : time;
}
