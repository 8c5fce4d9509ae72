/** The lineage of a value as the card shows it: the values below it, or the readings and their messages. */

import type { Schemas } from "livetwin-client";
import { fetched } from "../../http/problem";
import { ownTwin } from "../../http/twin";
import { timeOf } from "../alarm";
import { cardSentences } from "./sentences";

export interface Reading {
  readonly sensorId: string;
  readonly time: number;
  readonly receivedTime: number;
  readonly value: number;
  readonly rawValue: number;
  readonly quality: string;
  readonly message: Schemas["LineageMessage"] | undefined;
}

/** A value that the value is made of, one level further down. */
export interface Part {
  readonly entityId: string;
  readonly property: string;
  readonly value: number | undefined;
  readonly unit: string;
  readonly href: string;
}

export interface Lineage {
  readonly entityId: string;
  readonly property: string;
  readonly unit: string;
  readonly readings: readonly Reading[];
  readonly parts: readonly Part[];
  readonly isTruncated: boolean;
  readonly withheld: string | undefined;
}

/** Rows of one lineage; the API has its own limit above it. */
const ROWS_MAX = 50;

type Document = Schemas["ObservedProvenance"] | Schemas["IndicatorProvenance"] | Schemas["RollUpProvenance"];

/** Fetches the lineage behind a link of the API. Raises Problem. */
export async function fetchLineage(href: string, signal: AbortSignal): Promise<Lineage> {
  const answer = await fetched(cardSentences().theMessages, ownTwin().follow(href, { signal }));
  return lineageOf(answer as Document);
}

export function lineageOf(document: Document): Lineage {
  const { entityId, property, unit } = document;
  let readings: Reading[] = [];
  let parts: Part[] = [];
  let isTruncated = false;
  let withheld: string | undefined;
  if (document.kind === "observed") {
    readings = document.observations.map(readingOf);
    ({ withheld, truncated: isTruncated } = { withheld: document.withheld, truncated: document.truncated });
  } else if (document.kind === "rollUp") {
    isTruncated = document.truncated;
    parts = document.contributions.map((one) => ({
      entityId: one.entityId,
      property: one.property,
      value: one.value,
      unit: one.unit,
      href: one._links.provenance.href,
    }));
  } else {
    for (const one of document.inputs) {
      isTruncated ||= one.truncated ?? false;
      withheld ??= one.withheld;
      readings.push(...(one.observations ?? []).map(readingOf));
      const link = one._links?.provenance.href;
      if (link === undefined) continue;
      const value = one.values?.at(-1)?.value ?? one.buckets?.at(-1)?.value ?? undefined;
      parts.push({ entityId, property: one.property, value, unit: one.unit ?? "1", href: link });
    }
  }
  return {
    entityId,
    property,
    unit,
    readings: readings.slice(0, ROWS_MAX),
    parts: parts.slice(0, ROWS_MAX),
    isTruncated: isTruncated || readings.length > ROWS_MAX || parts.length > ROWS_MAX,
    withheld,
  };
}

function readingOf(one: Schemas["ObservationLineage"]): Reading {
  return {
    sensorId: one.sensorId,
    time: timeOf(one.phenomenonTime) ?? 0,
    receivedTime: timeOf(one.receivedTime) ?? 0,
    value: one.value,
    rawValue: one.rawValue,
    quality: one.quality,
    message: one.message ?? undefined,
  };
}
