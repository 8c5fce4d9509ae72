/** Messages in quarantine, and devices that the model does not have. */

import type { RequestBody, Schemas } from "livetwin-client";
import { done, fetched } from "../../http/problem";
import { openTwin, ownTwin } from "../../http/twin";
import { session } from "../../session/session.svelte";
import { dataSentences } from "./sentences";

export type QuarantinedMessage = Schemas["QuarantinedMessage"];
export type UnassignedDevice = Schemas["UnassignedDevice"];
export type Reason = Schemas["QuarantineReason"];

/** Which messages; a replay of many takes the first three. */
export interface QuarantineFilter {
  readonly feed?: string;
  readonly reason?: Reason;
  readonly device?: string;
  readonly resolved?: boolean;
}

/** The largest number of messages, and of devices, in a list. */
const MESSAGES_MAX = 500;
const DEVICES_MAX = 200;

const twin = () => (session.isSignedIn ? ownTwin() : openTwin());

/** Fetches quarantined messages. Raises Problem. */
export async function fetchQuarantine(filter: QuarantineFilter, signal: AbortSignal): Promise<readonly QuarantinedMessage[]> {
  const answer = twin().get("/v1/quarantine", { ...filter, limit: MESSAGES_MAX }, { signal });
  return (await fetched(dataSentences().theQuarantine, answer)).items;
}

/** Fetches one with its payload (base64). Raises Problem. */
export function fetchMessage(id: string, signal?: AbortSignal): Promise<Schemas["QuarantinedMessageWithPayload"]> {
  return fetched(dataSentences().thePayload, twin().get("/v1/quarantine/{id}", { id }, { signal }));
}

/** Asks to process one message again. Raises Problem. */
export async function replayMessage(id: string): Promise<number> {
  return (await done(ownTwin().post("/v1/quarantine/{id}/_replay", { id }))).body.requested;
}

/** Asks to process those of a filter again; returns how many were asked for. Raises Problem. */
export async function replayMessages({ feed, reason, device }: QuarantineFilter): Promise<number> {
  const query = { ...(feed === undefined ? {} : { feed }), ...(reason === undefined ? {} : { reason }), ...(device === undefined ? {} : { device }) };
  return (await done(ownTwin().post("/v1/quarantine/_replay", query))).body.requested;
}

/** Fetches the devices that no sensor of the model has. Raises Problem. */
export async function fetchDevices(feed: string | undefined, signal: AbortSignal): Promise<readonly UnassignedDevice[]> {
  const query = { limit: DEVICES_MAX, ...(feed === undefined ? {} : { feed }) };
  return (await fetched(dataSentences().theDevices, twin().get("/v1/unassigned-devices", query, { signal }))).items;
}

/** Makes a device a sensor. Raises Problem. */
export async function assignDevice(sensor: object): Promise<Schemas["AssignedSensor"]> {
  return (await done(ownTwin().post("/v1/unassigned-devices/_assign", {}, sensor as RequestBody<"/v1/unassigned-devices/_assign">))).body;
}

/** Returns an item of a list of YAML as a map of its own: without the dash, and as far to the left. */
export function mapOfItem(item: string): string {
  return item
    .split("\n")
    .map((line) => line.slice(4))
    .join("\n");
}
