/** The sensors of a place: what each reported last, how often it should, and how it is calibrated. */

import type { Schemas } from "livetwin-client";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import type { Freshness } from "./freshness";
import { entitySentences } from "./sentences";

/** One sensor and one property. */
export interface SensorState {
  readonly key: string;
  readonly sensorId: string;
  readonly property: string;
  /** ISO 8601: the expected time between two observations. */
  readonly interval: string;
  readonly unit: string;
  /** Undefined for one that has never reported. */
  readonly value: number | undefined;
  readonly phenomenonTime: number | undefined;
  readonly quality: string | undefined;
  readonly freshness: Freshness;
  /** It says something else than the other sensors of the place. */
  readonly deviates: boolean;
}

export type Calibration = NonNullable<Schemas["ObservationLineage"]["calibration"]>;

/** The largest number of shown datastreams of a place. */
const DATASTREAMS_MAX = 500;

/** Fetches the sensors of a place with what they reported last. Raises Problem. */
export function fetchSensors(id: string, signal: AbortSignal): Promise<SensorState[]> {
  return fetched(entitySentences().theSensors, read(id, signal));
}

async function read(id: string, signal: AbortSignal): Promise<SensorState[]> {
  const [page, state] = await Promise.all([
    openTwin().get("/v1/datastreams", { entity: [id], limit: DATASTREAMS_MAX }, { signal }),
    openTwin().state(id, { signal }),
  ]);
  const newest = new Map(state.datastreams.map((one) => [one.id, one]));
  return page.items.map((one) => {
    const last = newest.get(one.id);
    return {
      key: String(one.id),
      sensorId: one.sensorId,
      property: one.property,
      interval: one.interval,
      unit: one.unit ?? "1",
      value: last?.value,
      phenomenonTime: last === undefined ? undefined : Date.parse(last.phenomenonTime),
      quality: last?.quality,
      freshness: last?.freshness ?? "silent",
      deviates: state.properties[one.property]?.deviatingSensorIds?.includes(one.sensorId) ?? false,
    };
  });
}

/** Fetches the calibration of each sensor of a property at a time; null for one that has none. Raises Problem. */
export async function fetchCalibrations(
  id: string,
  property: string,
  time: number | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Calibration | null>> {
  const query = { id, property, ...(time === undefined ? {} : { time: new Date(time).toISOString() }) };
  const lineage = await fetched(entitySentences().theCalibration, openTwin().get("/v1/entities/{id}/provenance", query, { signal }));
  const observations = "observations" in lineage ? lineage.observations : [];
  return new Map(observations.map((one) => [one.sensorId, one.calibration]));
}
