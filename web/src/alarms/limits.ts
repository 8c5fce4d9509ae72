/**
 * The limits of a rule at one entity, for cards, charts and the map: levels with their deadbands, and delays.
 *
 * The only module that computes them. Numbers are in the canonical unit of the value, as the API answers a rule.
 */

import type { Schemas } from "livetwin-client";
import { SEVERITIES, type Severity } from "./alarm";

/** What a rule compares with its levels. */
export type Comparison = "value" | "rate" | "deviation";

/** A limit: the alarm is raised at `raised` or beyond, and the condition ends at `clear`; between them is the deadband. */
export interface Level {
  readonly severity: Severity;
  readonly raised: number;
  readonly clear: number;
}

export interface Limits {
  /** The name of the value, with its relation: "water_level", "drainsTo.water_level". */
  readonly name: string;
  readonly comparison: Comparison;
  readonly direction: "above" | "below";
  /** The mildest first. */
  readonly levels: readonly Level[];
  /** How long the condition must hold before the alarm is raised, in milliseconds. */
  readonly onDelay: number;
  /** How long it must be over before the alarm ends, in milliseconds. */
  readonly offDelay: number;
  /** The length of the windows that are compared, in milliseconds; undefined: each single value. */
  readonly window: number | undefined;
  /** Such as "3 of 5". */
  readonly times: string | undefined;
}

type RuleParts = Pick<Schemas["RuleContent"], "when" | "onDelay" | "offDelay">;

/**
 * Returns the limits of a rule at an entity with these attributes.
 *
 * Undefined for a rule without levels, such as one of silence or an expression, and where the attribute that the
 * levels depend on is missing.
 */
export function limitsOf(rule: RuleParts, attributes: Readonly<Record<string, unknown>>): Limits | undefined {
  const { when } = rule;
  const [name, comparison] = comparedBy(when);
  const raised = when.above ?? when.below;
  if (name === undefined || raised === undefined) return undefined;
  const place = placing(when, attributes);
  if (place === undefined) return undefined;
  const levels = [...SEVERITIES].reverse().flatMap((severity): Level[] => {
    const at = raised[severity];
    return at === undefined ? [] : [{ severity, raised: place(at), clear: place(when.clear?.[severity] ?? at) }];
  });
  return {
    name,
    comparison,
    direction: when.above === undefined ? "below" : "above",
    levels,
    onDelay: durationOf(rule.onDelay) ?? 0,
    offDelay: durationOf(rule.offDelay) ?? 0,
    window: typeof when.over === "string" ? durationOf(when.over) : undefined,
    times: when.times,
  };
}

/** Returns the level that a value is at or beyond, the worst one; undefined while it is within all of them. */
export function levelAt(limits: Limits, value: number): Level | undefined {
  const beyond = (one: Level) => (limits.direction === "above" ? value >= one.raised : value <= one.raised);
  // The levels rise; the worst one is the last.
  return [...limits.levels].reverse().find(beyond);
}

/** Returns milliseconds of a duration of ISO 8601 with days, hours, minutes and seconds; undefined for another text. */
export function durationOf(text: string | undefined | null): number | undefined {
  const parts = /^P(?=\d|T\d)(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text ?? "");
  if (parts === null) return undefined;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = parts;
  return (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

function comparedBy(when: RuleParts["when"]): [name: string | undefined, comparison: Comparison] {
  if (when.rateOf !== undefined) return [when.rateOf, "rate"];
  if (when.deviationOf !== undefined) return [when.deviationOf, "deviation"];
  return [when.value, "value"];
}

/** Returns what makes a level of the rule one of the entity: added to an attribute, or a share of it. */
function placing(
  when: RuleParts["when"],
  attributes: Readonly<Record<string, unknown>>,
): ((level: number) => number) | undefined {
  const attribute = (name: string): number | undefined => {
    const value = attributes[name];
    return typeof value === "number" ? value : undefined;
  };
  if (when.relativeTo !== undefined) {
    const target = attribute(when.relativeTo);
    return target === undefined ? undefined : (level) => target + level;
  }
  if (when.shareOf !== undefined) {
    const whole = attribute(when.shareOf);
    // The API answers shares as parts of one, whatever the rule was written in.
    return whole === undefined ? undefined : (level) => whole * level;
  }
  return (level) => level;
}
