/** Rules: what the API has of them, and their changes. */

import type { Schemas } from "livetwin-client";
import { done, fetched, type Fault } from "../../http/problem";
import { put, remove } from "../../http/send";
import { openTwin, ownTwin } from "../../http/twin";
import { session } from "../../session/session.svelte";
import { ruleSentences } from "./sentences";

export type Rule = Schemas["Rule"];
export type RuleVersion = Schemas["RuleVersion"];
export type RuleDocument = Readonly<Record<string, unknown>>;

/** What answers add to a rule. */
const ADDED: ReadonlySet<string> = new Set(["version", "origin", "changedTime", "changedBy", "_links"]);
/** The largest number of rules in the list, and of versions of one. */
const RULES_MAX = 1000;
const VERSIONS_MAX = 200;

/** What one reads with: names of authors are not for everybody. */
const twin = () => (session.isSignedIn ? ownTwin() : openTwin());

/** Fetches the rules in force, by id. Raises Problem. */
export async function fetchRules(signal: AbortSignal): Promise<Rule[]> {
  const page = await fetched(ruleSentences().theRules, twin().get("/v1/rules", { limit: RULES_MAX }, { signal }));
  return page.items;
}

/** Fetches a rule in force. Raises Problem. */
export function fetchRule(id: string, signal?: AbortSignal): Promise<Rule> {
  return fetched(ruleSentences().theRule, twin().get("/v1/rules/{id}", { id }, { signal }));
}

/** Fetches the versions of a rule, newest first. Raises Problem. */
export async function fetchVersions(id: string, signal: AbortSignal): Promise<RuleVersion[]> {
  const answer = twin().get("/v1/rules/{id}/versions", { id, limit: VERSIONS_MAX }, { signal });
  return [...(await fetched(ruleSentences().itsVersions, answer)).items].sort((a, b) => b.version - a.version);
}

/** Returns a rule as `rules.yaml` has it. */
export function documentOf(rule: object): RuleDocument {
  const document = Object.fromEntries(Object.entries(rule).filter(([name]) => !ADDED.has(name)));
  const when: unknown = document["when"];
  return typeof when === "object" && when !== null ? { ...document, when: withDeadband(when as RuleDocument) } : document;
}

/**
 * Returns a condition with its deadband. The API answers with the levels at which alarms end instead, and a reader who
 * changes a limit would have to change its end as well. Ends that no deadband gives stay as they are.
 */
function withDeadband(when: RuleDocument): RuleDocument {
  const { clear, ...rest } = when;
  const ends = numbersOf(clear);
  const levels = numbersOf(when["above"] ?? when["below"]);
  if (ends === undefined || levels === undefined || ("above" in when && "below" in when)) return when;
  const names = Object.keys(levels);
  const bands = names.map((name) => rounded(Math.abs((levels[name] ?? NaN) - (ends[name] ?? NaN))));
  const [deadband] = bands;
  if (deadband === undefined || names.length !== Object.keys(ends).length || bands.some((one) => one !== deadband)) return when;
  return deadband === 0 ? rest : { ...rest, deadband };
}

function numbersOf(value: unknown): Readonly<Record<string, number>> | undefined {
  if (typeof value === "number") return { level: value };
  if (typeof value !== "object" || value === null) return undefined;
  return Object.values(value).every((one) => typeof one === "number") ? (value as Record<string, number>) : undefined;
}

/** Differences of decimal numbers have digits that nobody wrote. */
const rounded = (value: number) => Number(value.toPrecision(12));

/** Puts a rule into force; `version` is the one that was edited, undefined for a new rule. Raises Problem. */
export async function putRule(id: string, rule: RuleDocument, version: number | undefined): Promise<Rule> {
  const condition: Record<string, string> = version === undefined ? { "If-None-Match": "*" } : { "If-Match": `"${version}"` };
  return (await done(put(pathOf(id), rule, condition))).body as Rule;
}

/** Puts a rule out of force. Raises Problem. */
export function deleteRule(id: string, version: number): Promise<void> {
  return done(remove(pathOf(id), { "If-Match": `"${version}"` }));
}

/** Returns faults of a request whose member `member` was the rule, as faults of the rule; others keep their names. */
export function faultsOfRule(faults: readonly Fault[], member = ""): Fault[] {
  const prefix = member === "" ? "" : `/${member}`;
  return faults.map((one) => (one.name.startsWith(prefix) ? { ...one, name: one.name.slice(prefix.length) } : one));
}

const pathOf = (id: string) => `/v1/rules/${encodeURIComponent(id)}`;
