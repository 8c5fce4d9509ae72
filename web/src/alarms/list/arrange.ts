/** Which alarms the list shows, in which order and in which groups. Pure. */

import { byUrgency, isAside, SEVERITIES, waits, type Alarm, type Severity } from "../alarm";

export const STATES = ["waiting", "known", "aside"] as const;
/** Waiting for an acknowledgement; acknowledged; shelved, suppressed or out of service. */
export type StateKind = (typeof STATES)[number];

export const COLUMNS = ["priority", "state", "age", "place", "what", "value", "who"] as const;
export type Column = (typeof COLUMNS)[number];

export const GROUPINGS = ["none", "incident", "cause", "area"] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface Choice {
  /** Undefined: by urgency. */
  readonly sort: Column | undefined;
  readonly descending: boolean;
  readonly grouping: Grouping;
  /** Empty sets let everything through. */
  readonly severities: ReadonlySet<Severity>;
  readonly states: ReadonlySet<StateKind>;
  readonly theme: string | undefined;
  /** The id of an area: alarms in it. */
  readonly within: string | undefined;
  /** The id of an incident: the alarms with its cause and area. */
  readonly incident: string | undefined;
  readonly text: string;
}

/** What the list knows of alarms beyond the alarms. */
export interface Surroundings {
  nameOf(entity: string): string;
  sentenceOf(alarm: Alarm): string;
  /** Who is on it, "" for nobody. */
  whoOf(alarm: string): string;
  /** The value of now against its limit: how far beyond, as a share; for sorting. */
  excessOf(alarm: Alarm): number;
  isWithin(entity: string, area: string): boolean;
}

export interface Group {
  readonly key: string;
  readonly cause: string | undefined;
  readonly area: string | undefined;
  readonly alarms: readonly Alarm[];
}

export function kindOf(alarm: Alarm): StateKind {
  return isAside(alarm) ? "aside" : waits(alarm) ? "waiting" : "known";
}

/** Returns the alarms that a choice lets through, in its order. */
export function select(alarms: readonly Alarm[], choice: Choice, around: Surroundings): Alarm[] {
  const words = choice.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = alarms.filter((one) => {
    if (choice.severities.size > 0 && !choice.severities.has(one.severity)) return false;
    if (choice.states.size > 0 && !choice.states.has(kindOf(one))) return false;
    if (choice.theme !== undefined && one.theme !== choice.theme) return false;
    if (choice.within !== undefined && !around.isWithin(one.entityId, choice.within)) return false;
    if (choice.incident !== undefined && !choice.incident.startsWith(`${one.cause}~${one.area}~`)) return false;
    if (words.length === 0) return true;
    const text = [one.id, one.cause, around.nameOf(one.entityId), around.sentenceOf(one), around.whoOf(one.id)].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return found.sort(orderOf(choice, around));
}

/** Returns the groups in the order of their first alarms. */
export function group(alarms: readonly Alarm[], grouping: Grouping): Group[] {
  if (grouping === "none") return alarms.length === 0 ? [] : [{ key: "", cause: undefined, area: undefined, alarms }];
  const groups = new Map<string, { cause: string | undefined; area: string | undefined; alarms: Alarm[] }>();
  for (const alarm of alarms) {
    const cause = grouping === "area" ? undefined : alarm.cause;
    const area = grouping === "cause" ? undefined : alarm.area;
    const key = `${cause ?? ""}~${area ?? ""}`;
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { cause, area, alarms: [alarm] });
    else known.alarms.push(alarm);
  }
  return [...groups].map(([key, one]) => ({ key, ...one }));
}

/**
 * Returns the alarm that the focus goes to after an action on some: the next one that waits, in the order of the rows,
 * beginning after the first of them and going round; undefined when none waits.
 */
export function nextWaiting(rows: readonly Alarm[], acted: ReadonlySet<string>): Alarm | undefined {
  const from = rows.findIndex((one) => acted.has(one.id)) + 1;
  return [...rows.slice(from), ...rows.slice(0, from)].find((one) => waits(one) && !acted.has(one.id));
}

function orderOf({ sort, descending }: Choice, around: Surroundings): (one: Alarm, other: Alarm) => number {
  if (sort === undefined) return byUrgency;
  const by = comparison(sort, around);
  const sign = descending ? -1 : 1;
  return (one, other) => sign * by(one, other) || byUrgency(one, other);
}

function comparison(column: Column, around: Surroundings): (one: Alarm, other: Alarm) => number {
  const text = (of: (alarm: Alarm) => string) => (one: Alarm, other: Alarm) => of(one).localeCompare(of(other));
  switch (column) {
    case "priority":
      return (one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity);
    case "state":
      return (one, other) => STATES.indexOf(kindOf(one)) - STATES.indexOf(kindOf(other));
    case "age":
      return (one, other) => (other.raisedTime ?? 0) - (one.raisedTime ?? 0);
    case "place":
      return text((one) => around.nameOf(one.entityId));
    case "what":
      return text((one) => around.sentenceOf(one));
    case "value":
      return (one, other) => around.excessOf(other) - around.excessOf(one);
    case "who":
      // Those that nobody is on come first.
      return text((one) => around.whoOf(one.id));
  }
}
