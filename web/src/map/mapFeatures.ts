/** What the map draws, as features: places and areas with their look, and the marks of alarms. Pure. */

import type { Feature } from "geojson";
import { isWell, SEVERITIES, waits, type Alarm } from "../alarms/alarm";
import { alarmSentences, severityName } from "../alarms/sentences";
import { anchorOf, extentOf } from "../entities/entity";
import type { Appearance } from "./appearance";
import { MAP_COLOURS, type Scheme } from "./mapColours";
import { alarmImage } from "./mapImages";
import { THEME_COLOURS } from "./theme";
import { classColour, classOf, classShade, type ValueClasses } from "./valueClasses";

/** The class of what has no value that the map shows. */
export const NO_CLASS = -1;

/** The features of the map, by source. */
export interface CityFeatures {
  /** Areas and lines, large areas first: small ones are drawn over them. */
  readonly shapes: readonly Feature[];
  readonly points: readonly Feature[];
}

/** Returns the features of entities; with classes they are coloured by value, else by theme. */
export function cityFeatures(appearances: readonly Appearance[], classes: ValueClasses | undefined, scheme: Scheme): CityFeatures {
  const shapes: [extent: number, feature: Feature][] = [];
  const points: Feature[] = [];
  for (const one of appearances) {
    const { geometry } = one.entity;
    if (geometry === undefined) continue;
    const drawn = { ...feature(one, classes, scheme), geometry };
    if (geometry.type === "Point") points.push(drawn);
    else shapes.push([extentOf(geometry), drawn]);
  }
  shapes.sort(([one], [other]) => other - one);
  return { shapes: shapes.map(([, drawn]) => drawn), points };
}

function feature(appearance: Appearance, classes: ValueClasses | undefined, scheme: Scheme): Omit<Feature, "geometry"> {
  const { entity, theme, freshness, value, isDoubtful } = appearance;
  const number = classes === undefined || value === undefined ? NO_CLASS : classOf(value, classes);
  return {
    type: "Feature",
    properties: {
      id: entity.id,
      name: entity.name,
      type: entity.type,
      class: number,
      shade: number === NO_CLASS ? NO_CLASS : classShade(number, classes!),
      tint: tintOf(number, theme !== undefined, classes !== undefined),
      colour: number === NO_CLASS ? themeColour(appearance, classes, scheme) : classColour(number, classes!, scheme),
      freshness: freshness ?? "",
      doubtful: isDoubtful === true,
    },
  };
}

/** Returns what fills an area: a value, a theme, or nothing. */
function tintOf(number: number, hasTheme: boolean, isByValue: boolean): "value" | "theme" | "" {
  if (number !== NO_CLASS) return "value";
  return hasTheme && !isByValue ? "theme" : "";
}

/** Grey is what has no value that the map shows; what has no theme either is only background. */
function themeColour({ theme }: Appearance, classes: ValueClasses | undefined, scheme: Scheme): string {
  if (theme === undefined) return "";
  return classes === undefined ? THEME_COLOURS[scheme][theme] : MAP_COLOURS[scheme].lacking;
}

/** Returns a text that differs when features of the same entities look different. */
export function lookOf({ shapes, points }: CityFeatures): string {
  const looks = [...shapes, ...points].map(({ properties }) => {
    const { id, colour, freshness, doubtful, tint } = properties!;
    return `${id} ${colour} ${freshness} ${doubtful} ${tint}`;
  });
  return looks.join("\n");
}

/** Returns a mark for each entity that has an alarm, with its most urgent one. */
export function alarmFeatures(appearances: readonly Appearance[], worst: ReadonlyMap<string, Alarm>): Feature[] {
  return appearances.flatMap(({ entity }): Feature[] => {
    const alarm = worst.get(entity.id);
    const anchor = alarm && anchorOf(entity.geometry);
    if (alarm === undefined || anchor === undefined) return [];
    const properties = {
      id: entity.id,
      name: alarmSentences().onMap(entity.name, severityName(alarm.severity)),
      severity: alarm.severity,
      well: isWell(alarm),
      image: alarmImage(alarm.severity, isWell(alarm)),
      rank: SEVERITIES.length - SEVERITIES.indexOf(alarm.severity),
      waits: waits(alarm),
    };
    return [{ type: "Feature", geometry: { type: "Point", coordinates: anchor }, properties }];
  });
}
