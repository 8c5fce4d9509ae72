/** What the map draws, as features: places and areas with their look, and the marks of alarms. Pure. */

import type { Feature } from "geojson";
import { SEVERITIES, waits, type Alarm } from "../alarms/alarm";
import { alarmSentences, severityName } from "../alarms/sentences";
import { anchorOf, extentOf, type Entity } from "../entities/entity";
import type { Freshness } from "../entities/freshness";
import { MAP_COLOURS, type Scheme } from "./mapColours";
import { THEME_COLOURS, type Theme } from "./theme";
import { classColour, classOf, type ValueClasses } from "./valueClasses";

/** How an entity is drawn now. */
export interface Appearance {
  readonly entity: Entity;
  /** The theme that colours it; undefined while it is only background. */
  readonly theme: Theme | undefined;
  readonly freshness: Freshness | undefined;
  /** The value that the map shows, where it has one; by its class it is coloured. */
  readonly value?: number | undefined;
  /** The value shown, or one of its values, is suspect. */
  readonly isDoubtful?: boolean;
  /** Its whole area has the colour of the value: no smaller area in it has one. */
  readonly isFilled?: boolean;
}

/** The features of the map, by source. */
export interface CityFeatures {
  /** Areas and lines, large areas first: small ones are drawn over them. */
  readonly shapes: readonly Feature[];
  readonly points: readonly Feature[];
}

/** Returns the features of entities; with classes they are coloured by value, else by theme. */
export function cityFeatures(appearances: readonly Appearance[], classes: ValueClasses | undefined, scheme: Scheme): CityFeatures {
  const shapes: Appearance[] = [];
  const points: Appearance[] = [];
  for (const one of appearances) {
    if (one.entity.geometry === undefined) continue;
    (one.entity.geometry.type === "Point" ? points : shapes).push(one);
  }
  shapes.sort((one, other) => extentOf(other.entity.geometry) - extentOf(one.entity.geometry));
  const featureOf = (one: Appearance) => feature(one, classes, scheme);
  return { shapes: shapes.map(featureOf), points: points.map(featureOf) };
}

function feature(appearance: Appearance, classes: ValueClasses | undefined, scheme: Scheme): Feature {
  const { entity, theme, freshness, isDoubtful, isFilled } = appearance;
  return {
    type: "Feature",
    geometry: entity.geometry!,
    properties: {
      id: entity.id,
      name: entity.name,
      type: entity.type,
      theme: theme ?? "",
      colour: colourOf(appearance, classes, scheme),
      freshness: freshness ?? "",
      doubtful: isDoubtful === true,
      filled: classes !== undefined && isFilled === true,
    },
  };
}

/** Grey is what has no value that the map shows. */
function colourOf({ theme, value }: Appearance, classes: ValueClasses | undefined, scheme: Scheme): string {
  if (theme === undefined && value === undefined) return "";
  if (classes === undefined) return theme === undefined ? "" : THEME_COLOURS[scheme][theme];
  return value === undefined ? MAP_COLOURS[scheme].border : classColour(classOf(value, classes), classes, scheme);
}

/** Returns a text that differs when features look different, wherever they are. */
export function lookOf({ shapes, points }: CityFeatures): string {
  const looks = [...shapes, ...points].map(({ properties }) => {
    const { id, colour, freshness, doubtful, filled } = properties!;
    return `${id} ${colour} ${freshness} ${doubtful} ${filled}`;
  });
  return looks.join("\n");
}

/** Returns a mark for each entity that has an alarm, with its most urgent one. */
export function alarmFeatures(appearances: readonly Appearance[], worst: ReadonlyMap<string, Alarm>): Feature[] {
  return appearances.flatMap(({ entity }): Feature[] => {
    const alarm = worst.get(entity.id);
    const anchor = anchorOf(entity.geometry);
    if (alarm === undefined || anchor === undefined) return [];
    const properties = {
      id: entity.id,
      name: alarmSentences().onMap(entity.name, severityName(alarm.severity)),
      severity: alarm.severity,
      rank: SEVERITIES.length - SEVERITIES.indexOf(alarm.severity),
      waits: waits(alarm),
    };
    return [{ type: "Feature", geometry: { type: "Point", coordinates: anchor }, properties }];
  });
}
