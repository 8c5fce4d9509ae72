/** Entities of the city, from `GET /v1/entities`. */

import type { Geometry, Position } from "geojson";
import type { Schemas } from "livetwin-client";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import { entitySentences } from "./sentences";
import { themesOf, type Theme } from "../map/theme";

export interface Entity {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly parent: string | undefined;
  readonly geometry: Geometry | undefined;
  /** Themes of its observed properties; empty for an entity without sensors. */
  readonly themes: readonly Theme[];
  /** Names of its observed properties; other values are derived. */
  readonly properties: readonly string[];
}

/** West, south, east, north in degrees. */
export type Bounds = [number, number, number, number];

/** Entities per requested page: as many as the api gives, since each page is one more way to the server and back. */
const PAGE_SIZE = 1_000;
/** The largest number of entities: more than a city has. */
const ENTITIES_MAX = 100_000;

/** Fetches all entities, page after page. Raises Problem. */
export function fetchEntities(): Promise<Entity[]> {
  return fetched(entitySentences().theEntities, allEntities());
}

async function allEntities(): Promise<Entity[]> {
  const entities: Entity[] = [];
  for await (const entity of openTwin().entities({ limit: PAGE_SIZE })) {
    entities.push(entityOf(entity));
    if (entities.length === ENTITIES_MAX) break;
  }
  return entities;
}

/** Returns the smallest bounds around the geometries, or undefined where there are none. */
export function boundsOf(geometries: Iterable<Geometry | undefined>): Bounds | undefined {
  const bounds: Bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (const geometry of geometries) {
    for (const [longitude, latitude] of positionsOf(geometry)) {
      bounds[0] = Math.min(bounds[0], longitude!);
      bounds[1] = Math.min(bounds[1], latitude!);
      bounds[2] = Math.max(bounds[2], longitude!);
      bounds[3] = Math.max(bounds[3], latitude!);
    }
  }
  return bounds[0] <= bounds[2] ? bounds : undefined;
}

/** Returns the middle of the bounds: longitude, latitude. */
export function centreOf(bounds: Bounds): [number, number] {
  return [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2];
}

/** Returns the position of a mark: the middle of a line, else the centre; undefined without a geometry. */
export function anchorOf(geometry: Geometry | undefined): Position | undefined {
  if (geometry?.type === "LineString") return geometry.coordinates[Math.floor(geometry.coordinates.length / 2)];
  const bounds = boundsOf([geometry]);
  return bounds === undefined ? undefined : centreOf(bounds);
}

/** Returns the extent of a geometry in square degrees; at one point the smallest entity is selected. */
export function extentOf(geometry: Geometry | undefined): number {
  const bounds = boundsOf([geometry]);
  return bounds === undefined ? 0 : (bounds[2] - bounds[0]) * (bounds[3] - bounds[1]);
}

function* positionsOf(geometry: Geometry | undefined): Generator<Position> {
  if (geometry === undefined) return;
  if (geometry.type === "GeometryCollection") {
    for (const part of geometry.geometries) yield* positionsOf(part);
    return;
  }
  const waiting: unknown[] = [geometry.coordinates];
  while (waiting.length > 0) {
    const next = waiting.pop() as unknown[];
    if (typeof next[0] === "number") yield next as Position;
    else waiting.push(...next);
  }
}

function entityOf(entity: Schemas["Entity"]): Entity {
  const { id, type, name, parent, geometry, themes, properties } = entity;
  return {
    id,
    type,
    name,
    parent: parent ?? undefined,
    // The schema of a collection does not say what is in the geometries of it.
    geometry: (geometry as Geometry | null) ?? undefined,
    themes: themesOf(themes),
    properties,
  };
}
