import assert from "node:assert/strict";
import { test } from "vitest";
import { alarmOf } from "../src/alarms/alarm";
import type { Entity } from "../src/entities/entity";
import { stateEventOf, type StateEvent } from "../src/live/entityValues";
import { dateOf, DAY_MS, daySpan, HOUR_MS, spanOf } from "../src/time/span";
import { freshnessAt, Timeline } from "../src/time/timeline";
import { durationMs } from "../src/time/timelineApi";

const NOON = Date.parse("2026-12-01T12:00:00Z");
const MINUTE = 60_000;

const place: Entity = {
  id: "alkmaar.overdie",
  type: "Neighbourhood",
  name: "Overdie",
  parent: undefined,
  geometry: undefined,
  themes: [],
  properties: ["no2"],
};

function state(minutes: number, value: number): { known: number; state: StateEvent } {
  const time = NOON + minutes * MINUTE;
  const data = { entityId: place.id, property: "no2", value, phenomenonTime: new Date(time).toISOString(), freshness: "live" };
  return { known: time + MINUTE, state: stateEventOf(data)! };
}

const alarm = (name: string, revision: number) =>
  alarmOf({ alarmId: "a", entityId: place.id, revision, severity: "major", state: name, active: name !== "normal", sentence: { en: "x", nl: "x" } })!;

const valueAt = (timeline: Timeline, minutes: number) =>
  timeline.at(NOON + minutes * MINUTE, [place]).values.valuesOf(place.id).get("no2");

test("a moment shows what was known then, also after going back", () => {
  const timeline = new Timeline([], () => 10 * MINUTE);
  for (const [minutes, value] of [[0, 10], [10, 11], [20, 12]] as const) timeline.add(state(minutes, value));
  assert.equal(valueAt(timeline, 0), undefined);
  assert.equal(valueAt(timeline, 15)?.value, 11);
  assert.equal(valueAt(timeline, 30)?.value, 12);
  assert.equal(valueAt(timeline, 2)?.value, 10);
});

test("a late observation does not replace a newer one", () => {
  const timeline = new Timeline([], () => 10 * MINUTE);
  timeline.add(state(10, 11));
  timeline.add({ ...state(0, 10), known: NOON + 12 * MINUTE });
  assert.equal(valueAt(timeline, 15)?.value, 11);
});

test("values age with the moment, by the limits of the server", () => {
  const timeline = new Timeline([], () => 10 * MINUTE);
  timeline.add(state(0, 10));
  assert.equal(valueAt(timeline, 25)?.freshness, "live");
  assert.equal(valueAt(timeline, 26)?.freshness, "stale");
  assert.equal(valueAt(timeline, 101)?.freshness, "silent");
  assert.equal(valueAt(timeline, 5)?.freshness, "live");
  assert.equal(freshnessAt(0, MINUTE, 180_000), "live");
  assert.equal(freshnessAt(0, MINUTE, 181_000), "stale");
  assert.equal(freshnessAt(0, MINUTE, 631_000), "silent");
});

test("alarms stand from when they were raised until they are normal again", () => {
  const timeline = new Timeline([{ ...alarm("unacknowledged", -1), id: "before" }], () => undefined);
  timeline.add({ known: NOON, alarm: alarm("unacknowledged", 1) });
  timeline.add({ known: NOON + 10 * MINUTE, alarm: alarm("normal", 2) });
  const standing = (minutes: number) => timeline.at(NOON + minutes * MINUTE, []).alarms.standing().map((one) => one.id).sort();
  assert.deepEqual(standing(-1), ["before"]);
  assert.deepEqual(standing(5), ["a", "before"]);
  assert.deepEqual(standing(10), ["before"]);
  assert.deepEqual(standing(5), ["a", "before"]);
});

test("a day of the city has 25 hours when summer ends, and begins at its own midnight", () => {
  const zone = "Europe/Amsterdam";
  const autumn = daySpan("2026-10-25", zone);
  assert.equal(new Date(autumn.start).toISOString(), "2026-10-24T22:00:00.000Z");
  assert.equal(autumn.end - autumn.start, 25 * HOUR_MS);
  const spring = daySpan("2026-03-29", zone);
  assert.equal(spring.end - spring.start, 23 * HOUR_MS);
  assert.equal(dateOf(autumn.start, zone), "2026-10-25");
});

test("the span is the last 24 hours, or the day of an older time", () => {
  const zone = "Europe/Amsterdam";
  assert.deepEqual(spanOf(NOON - HOUR_MS, NOON, zone), { start: NOON - DAY_MS, end: NOON });
  assert.deepEqual(spanOf(NOON - 3 * DAY_MS, NOON, zone), daySpan("2026-11-28", zone));
});

test("durations are read; other texts are not", () => {
  assert.equal(durationMs("PT10M"), 600_000);
  assert.equal(durationMs("P1DT1H"), 25 * HOUR_MS);
  assert.equal(durationMs("P1M"), undefined);
  assert.equal(durationMs("PT"), undefined);
});
