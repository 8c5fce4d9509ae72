import { expect, test } from "vitest";
import type { Alarm } from "../src/alarms/alarm";
import type { StateEvent } from "../src/live/entityValues";
import { Interruption } from "../src/live/interruption";
import { Watchdog } from "../src/live/watchdog";

test("a stream is late after more than two missed beats, and no longer after the next one", () => {
  const watchdog = new Watchdog(0, 5000);
  expect(watchdog.isLate(10_000)).toBe(false);
  expect(watchdog.isLate(12_501)).toBe(true);
  watchdog.beat(12_600);
  expect(watchdog.isLate(12_700)).toBe(false);
  expect(watchdog.last).toBe(12_600);
});

const event = (property: string, phenomenonTime: number, revision: number): StateEvent => ({
  entityId: "alkmaar.overdie",
  property,
  value: 1,
  unit: "1",
  phenomenonTime,
  quality: "good",
  freshness: "live",
  revision,
  count: 1,
  lastGood: undefined,
});

test("what came after an interruption is counted once, and what is new is not", () => {
  const interruption = new Interruption();
  interruption.value(event("no2", 500, 1), undefined);
  interruption.begin(1000);
  interruption.begin(2000);
  interruption.end(31_000);
  interruption.value(event("no2", 20_000, 2), undefined);
  interruption.value(event("no2", 30_000, 3), undefined);
  interruption.value(event("pm10", 32_000, 4), undefined);
  interruption.alarm({ id: "a" } as Alarm);
  expect(interruption.summary(32_000)).toBeUndefined();
  expect(interruption.summary(36_000)).toEqual({ from: 1000, until: 31_000, values: 1, alarms: 1, gap: false });
  expect(interruption.summary(37_000)).toBeUndefined();
});

test("after a gap the values of the snapshot that differ are counted", () => {
  const interruption = new Interruption();
  interruption.begin(1000);
  interruption.gap();
  interruption.value(event("no2", 900, 1), event("no2", 900, 1));
  interruption.value(event("pm10", 20_000, 9), event("pm10", 800, 2));
  interruption.end(31_000);
  expect(interruption.summary(36_000)).toMatchObject({ values: 1, gap: true });
});
