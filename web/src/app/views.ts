/** The views of the page, in the order of the navigation. Those that lie `onMap` share one map, which stays. */

import type { Component } from "svelte";
import { alarms } from "../alarms/alarms.svelte";
import { alarmSentences } from "../alarms/sentences";
import Explorer from "../entities/Explorer.svelte";
import { workSentences } from "../work/sentences";
import { address } from "./address.svelte";
import { wallSentences } from "../wall/sentences";
import { appSentences } from "./sentences";

export interface View {
  /** As `view` in the address; the first one is shown without it. */
  readonly id: string;
  readonly title: () => string;
  /** A number of things that wait, after the title. */
  readonly count?: () => string;
  /** Whether it is in the navigation; for instance, for those who may see it. */
  readonly isOffered?: () => boolean;
  readonly onMap: boolean;
  /** Shown without the masthead and larger than the map: for a screen that nobody touches. */
  readonly isWall?: boolean;
  /** Its component, or a function that fetches it when it is first opened. */
  readonly component?: Component;
  readonly load?: () => Promise<{ default: Component }>;
}

/** Pixels: a narrower screen hangs on no wall. Its link works there too. */
const WALL_WIDTH_MIN = 1600;

export const VIEWS: readonly View[] = [
  { id: "city", title: () => appSentences().theCity, onMap: true, component: Explorer },
  {
    id: "alarms",
    title: () => alarmSentences().alarms,
    count: () => (alarms.present.length === 0 ? alarmSentences().noneShort : alarmSentences().count(alarms.present.length, alarms.waiting)),
    onMap: false,
    load: () => import("../alarms/list/AlarmRoom.svelte"),
  },
  { id: "wall", title: () => wallSentences().wall, isOffered: () => innerWidth >= WALL_WIDTH_MIN, onMap: true, isWall: true, load: () => import("../wall/Wall.svelte") },
  { id: "work", title: () => workSentences().work, onMap: false, load: () => import("../work/WorkRoom.svelte") },
];

/** Returns the view that the address names. */
export function currentView(): View {
  // Messages link to an incident without a view.
  const id = address.get("view") ?? (address.get("incident") === undefined ? undefined : "alarms");
  return VIEWS.find((one) => one.id === id) ?? VIEWS[0]!;
}

/** Returns what changes in the address to go to a view. */
export function viewChange(view: View): Record<string, string | undefined> {
  return { view: view === VIEWS[0] ? undefined : view.id, incident: undefined };
}
