/**
 * The limits of all rules for one value of one place, for charts.
 *
 * Only rules about the value itself have one: rates, deviations, qualities and expressions have no level to draw.
 */

import type { Schemas } from "livetwin-client";
import { SEVERITIES, timeOf, type Severity } from "../alarms/alarm";
import { limitsOf } from "../alarms/limits";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import type { Bilingual } from "../language/language.svelte";
import { entitySentences } from "./sentences";

export type Rule = Pick<Schemas["Rule"], "id" | "title" | "select" | "when"> &
  Partial<Pick<Schemas["Rule"], "onDelay" | "offDelay" | "start" | "end" | "schedule" | "enabled">>;

/** What is needed to know of a place. */
export interface LimitedPlace {
  readonly id: string;
  readonly type: string;
  /** The id of the place and of all areas that it lies in. */
  readonly line: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly relations: readonly { readonly type: string; readonly entityId: string }[];
}

export interface Limit {
  readonly rule: string;
  readonly title: Bilingual;
  readonly severity: Severity;
  readonly side: "above" | "below";
  /** In the unit of the value. */
  readonly level: number;
  /** Where it ends again. */
  readonly clear: number;
  /** ISO 8601: the window that the value is taken over, and how long it must last. */
  readonly over: string | undefined;
  readonly onDelay: string | undefined;
  /** It holds at some times of day only. */
  readonly scheduled: boolean;
}

/** The largest number of rules that are looked at: more than a city has. */
const RULES_MAX = 5000;

let known: { readonly rules: readonly Rule[]; readonly until: number } | undefined;
/** Rules change seldom, and each chart asks for them. */
const KEEP_MS = 60_000;

/** Fetches the rules in force; they are kept for a minute. Raises Problem. */
export async function fetchRules(now: number, signal: AbortSignal): Promise<readonly Rule[]> {
  if (known !== undefined && now < known.until) return known.rules;
  const rules = await fetched(entitySentences().theRules, allRules(signal));
  known = { rules, until: now + KEEP_MS };
  return rules;
}

async function allRules(signal: AbortSignal): Promise<Rule[]> {
  const rules: Rule[] = [];
  for await (const rule of openTwin().items("/v1/rules", { limit: 500 }, { signal })) {
    rules.push(rule);
    if (rules.length === RULES_MAX) break;
  }
  return rules;
}

/** Returns the limits of a property at a time, the worst first. */
export function limitsAt(rules: readonly Rule[], place: LimitedPlace, property: string, time: number): Limit[] {
  const limits = rules
    .filter((rule) => rule.when.value === property && rule.when.in === undefined && isInForce(rule, time) && isSelected(rule, place))
    .flatMap((rule) => limitsOfRule(rule, place));
  return limits.sort((one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity) || one.level - other.level);
}

function limitsOfRule(rule: Rule, place: LimitedPlace): Limit[] {
  const { when } = rule;
  const limits = limitsOf(rule, place.attributes);
  return (limits?.levels ?? []).map(({ severity, raised, clear }) => ({
    rule: rule.id,
    title: rule.title,
    severity,
    side: limits!.direction,
    level: raised,
    clear,
    over: typeof when.over === "string" ? when.over : when.over?.[when.value ?? ""],
    onDelay: rule.onDelay,
    scheduled: (rule.schedule ?? []).length > 0,
  }));
}

function isInForce({ enabled, start, end }: Rule, time: number): boolean {
  return enabled !== false && (timeOf(start) ?? -Infinity) <= time && time < (timeOf(end) ?? Infinity);
}

/** Whether a rule is for a place: all members that its selection has must match. */
function isSelected({ select }: Rule, { id, type, line, relations }: LimitedPlace): boolean {
  const { types = [], within = [], entities = [], relation } = select;
  return (
    (types.length === 0 || types.includes(type)) &&
    (within.length === 0 || within.some((area) => line.includes(area))) &&
    (entities.length === 0 || entities.includes(id)) &&
    (relation === undefined || relations.some((one) => one.type === relation.type && one.entityId === relation.target))
  );
}
