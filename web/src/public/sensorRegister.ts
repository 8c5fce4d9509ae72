/** The sensor register, from `GET /v1/sensors`. */

import type { Bilingual } from "../language/language.svelte";
import { fetched } from "../http/problem";
import { openTwin } from "../http/twin";
import { publicSentences } from "./sentences";

export interface RegisteredSensor {
  readonly id: string;
  readonly status: "active" | "retired";
  /** Null where there are too few households to say. */
  readonly count: number | null;
  readonly kind: string | null;
  readonly deviceKind: Bilingual | null;
  readonly owner: string | null;
  /** URL. */
  readonly contact: string | null;
  readonly purpose: Bilingual | null;
  readonly observes: Bilingual | null;
  readonly observesNot: Bilingual | null;
  readonly legalBasis: Bilingual | null;
  readonly personalData: boolean | null;
  readonly properties: readonly { readonly property: string }[];
  readonly entityId: string;
  readonly entityName: string | null;
  /** Dates: "2023-04-01". */
  readonly since: string | null;
  readonly until: string | null;
}

/** Sensors of one kind, owner and purpose: what is said of them is said once. */
export interface SensorGroup {
  readonly key: string;
  /** Its first one: what the texts say is the same for all. */
  readonly example: RegisteredSensor;
  readonly members: readonly RegisteredSensor[];
}

/** The largest number of sensors that the page fetches: more than a city has. */
const SENSORS_MAX = 20_000;
const PAGE_SIZE = 500;

interface SensorPage {
  readonly items: readonly RegisteredSensor[];
  readonly _links: { readonly next?: { readonly href: string } };
}

/** Fetches the sensors with a status. Raises Problem. */
export function fetchSensors(status: RegisteredSensor["status"], signal: AbortSignal): Promise<RegisteredSensor[]> {
  return fetched(publicSentences().theRegister, allSensors(status, signal));
}

async function allSensors(status: RegisteredSensor["status"], signal: AbortSignal): Promise<RegisteredSensor[]> {
  const sensors: RegisteredSensor[] = [];
  let href: string | undefined = `/v1/sensors?status=${status}&limit=${PAGE_SIZE}`;
  while (href !== undefined && sensors.length < SENSORS_MAX) {
    const page = (await openTwin().follow(href, { signal })) as SensorPage;
    sensors.push(...page.items);
    href = page._links.next?.href;
  }
  return sensors;
}

/** Groups sensors whose texts are the same, in the order of their first one. */
export function groupsOf(sensors: readonly RegisteredSensor[]): SensorGroup[] {
  const groups = new Map<string, { key: string; example: RegisteredSensor; members: RegisteredSensor[] }>();
  for (const sensor of sensors) {
    const { kind, owner, contact, deviceKind, purpose, observes, observesNot, legalBasis, personalData } = sensor;
    const key = JSON.stringify([kind, owner, contact, deviceKind, purpose, observes, observesNot, legalBasis, personalData]);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { key, example: sensor, members: [sensor] });
    else known.members.push(sensor);
  }
  return [...groups.values()];
}
