import assert from "node:assert/strict";
import { test } from "vitest";
import { rangeOf, RANGES, rangeText, resolutionOf } from "../src/entities/chartRange";
import { pairsOf, scale } from "../src/entities/correlation";
import { limitsAt, type LimitedPlace, type Rule } from "../src/entities/limits";
import { byRelation, layOut, linksOf } from "../src/entities/relationGraph";
import { usualOf } from "../src/entities/usual";
import { bucketSeries, goneOn, POINTS_MAX, readingSeries, summaryOf, type ValueSeries } from "../src/entities/valueSeries";

const NOON = Date.parse("2026-12-02T12:00:00Z");
const HOUR = 3_600_000;
const TEN_MINUTES = { interval: "PT10M", length: 600_000 };
const RAW = { interval: undefined, length: 0 };

const bucket = (minute: number, mean: number | null, suspect = 0) => ({
  start: new Date(NOON + minute * 60_000).toISOString(),
  end: new Date(NOON + (minute + 10) * 60_000).toISOString(),
  count: mean === null ? 0 : 3,
  suspect,
  coverage: 1,
  quality: "good" as const,
  mean,
  min: mean === null ? null : mean - 1,
  max: mean === null ? null : mean + 1,
});

test("buckets become points with their band, and missing ones a gap", () => {
  const series = bucketSeries({ buckets: [bucket(0, 1), bucket(10, 2), bucket(20, null, 2), bucket(60, 3)] }, TEN_MINUTES, NOON + 2 * HOUR);
  assert.deepEqual(series.means, [1, 2, null, 3]);
  assert.deepEqual(series.lows, [0, 1, null, 2]);
  assert.deepEqual(series.highs, [2, 3, null, 4]);
  assert.equal(series.suspect, 2);
  assert.deepEqual(series.times, [...series.times].sort((one, other) => one - other));
});

test("no point lies after the moment that is shown", () => {
  const end = NOON + 60_000;
  assert.equal(bucketSeries({ buckets: [bucket(0, 1)] }, TEN_MINUTES, end).times[0], end / 1000);
});

test("single readings show gaps, sensors of one time as a range, and no suspect ones", () => {
  const reading = (minute: number, value: number, quality: "good" | "suspect" = "good") => ({
    phenomenonTime: new Date(NOON + minute * 60_000).toISOString(),
    value,
    quality,
  });
  const observations = [reading(0, 1), reading(1, 2), reading(2, 99, "suspect"), reading(2, 3), reading(2, 5), reading(30, 6)];
  const series = readingSeries({ observations }, RAW);
  assert.deepEqual(series.means, [1, 2, 4, null, 6]);
  assert.deepEqual([series.lows[2], series.highs[2]], [3, 5]);
  assert.equal(series.suspect, 1);
  assert.deepEqual(summaryOf(series), { low: 1, high: 6, mean: 13 / 4, count: 4 });
});

test("a live tail is in order, in its range, and bounded", () => {
  const full = Array.from({ length: POINTS_MAX }, (_, second) => second);
  let series: ValueSeries = { times: full, means: full, lows: full, highs: full, resolution: RAW, suspect: 0 };
  for (const second of [POINTS_MAX, POINTS_MAX + 1]) series = goneOn(series, second, second, 1e9);
  assert.equal(series.times.length, POINTS_MAX);
  assert.deepEqual([series.times[0], series.times.at(-1)], [2, POINTS_MAX + 1]);
  assert.equal(goneOn(series, 5, 5, 1e9), series);
  const later = goneOn(series, 1_000_000, 1, 60);
  assert.deepEqual(later.times, [1_000_000]);
  assert.deepEqual(goneOn(later, 1_000_000, 2, 60).means, [2]);
});

test("a range is a length until now, or two times; anything else is the last day", () => {
  assert.deepEqual(rangeOf("1w", NOON), { start: NOON - RANGES["1w"], end: NOON, name: "1w" });
  assert.deepEqual(rangeOf(rangeText(NOON - HOUR, NOON), NOON + HOUR), { start: NOON - HOUR, end: NOON, name: undefined });
  for (const text of [undefined, "", "2d", "x~y", rangeText(NOON, NOON - HOUR)]) assert.equal(rangeOf(text, NOON).name, "1d");
});

test("hours are read as single readings, a year as days", () => {
  const intervals = Object.values(RANGES).map((length) => resolutionOf({ start: NOON - length, end: NOON }).interval);
  assert.deepEqual(intervals, [undefined, "PT10M", "PT1H", "PT6H", "P1D"]);
});

test("the usual is the median of the hour, of working days and weekends apart", () => {
  const means = [];
  for (let day = 0; day < 28; day += 1) {
    const time = Date.parse("2026-11-02T08:00:00Z") + day * 24 * HOUR;
    const weekend = day % 7 >= 5;
    means.push({ time, mean: weekend ? 5 : 20 + (day % 3) });
  }
  const usual = usualOf(means, "Europe/Amsterdam");
  assert.equal(usual(Date.parse("2026-12-02T08:30:00Z")), 21);
  assert.equal(usual(Date.parse("2026-12-05T08:30:00Z")), 5);
  assert.equal(usual(Date.parse("2026-12-02T11:30:00Z")), undefined);
});

const canal: LimitedPlace = {
  id: "alkmaar.canal",
  type: "Waterway",
  line: ["alkmaar.canal", "alkmaar.oost", "alkmaar"],
  attributes: { targetLevel: -0.6, capacity: 400 },
  relations: [{ type: "drainsTo", entityId: "alkmaar.lake" }],
};
const title = { en: "High water", nl: "Hoog water" };
const rule = (when: Rule["when"], more: Partial<Rule> = {}): Rule => ({ id: "r", title, select: { within: ["alkmaar"] }, when, ...more });
const levels = (...rules: Rule[]) => limitsAt(rules, canal, "water_level", NOON).map((one) => [one.severity, one.side, Number(one.level.toFixed(3))]);

test("limits are in the unit of the value: relative to an attribute, or a share of it", () => {
  assert.deepEqual(levels(rule({ value: "water_level", relativeTo: "targetLevel", above: { minor: 0.15, major: 0.2 } })), [
    ["major", "above", -0.4],
    ["minor", "above", -0.45],
  ]);
  assert.deepEqual(levels(rule({ value: "water_level", shareOf: "capacity", unit: "1", below: { warning: 0.5 } })), [["warning", "below", 200]]);
  assert.deepEqual(levels(rule({ value: "water_level", relativeTo: "unknown", above: { minor: 1 } })), []);
});

test("a rule about something else, of another place or another time has no limit", () => {
  const above = { value: "water_level", above: { minor: 1 } };
  assert.equal(levels(rule(above)).length, 1);
  assert.deepEqual(levels(rule({ rateOf: "water_level", above: { minor: 1 } })), []);
  assert.deepEqual(levels(rule({ value: "no2", above: { minor: 1 } })), []);
  assert.deepEqual(levels(rule(above, { select: { types: ["Polder"], within: ["alkmaar"] } })), []);
  assert.deepEqual(levels(rule(above, { select: { relation: { type: "drainsTo", target: "elsewhere" } } })), []);
  assert.equal(levels(rule(above, { select: { relation: { type: "drainsTo", target: "alkmaar.lake" } } })).length, 1);
  assert.deepEqual(levels(rule(above, { start: "2026-12-12T00:00:00Z" })), []);
  assert.deepEqual(levels(rule(above, { end: "2026-12-02T12:00:00Z" })), []);
  assert.deepEqual(levels(rule(above, { enabled: false })), []);
});

test("relations are at the side that they lead to; the list has all of them", () => {
  const related = {
    entityId: "a",
    parent: "area",
    children: Array.from({ length: 20 }, (_, index) => `child-${index}`),
    outgoing: [{ type: "drainsTo", entityId: "b", name: "B" }],
    incoming: [{ type: "feeds", entityId: "c", name: "C" }],
    _links: { self: { href: "" } },
  };
  const links = linksOf(related);
  assert.equal(links.length, 23);
  const { nodes, left, height } = layOut(links);
  assert.equal(nodes.length + left, 23);
  assert.ok(nodes.every((one) => one.y >= 0 && one.y < height));
  assert.deepEqual(byRelation(links).map((one) => [one.kind, one.inward, one.ids.length]), [
    ["within", false, 1],
    ["drainsTo", false, 1],
    ["feeds", true, 1],
    ["within", true, 20],
  ]);
});

test("pairs of a lag take the second value so many hours later", () => {
  const hour = (index: number, mean: number | null) => ({ start: new Date(NOON + index * HOUR).toISOString(), mean });
  const pairs = pairsOf([hour(0, 1), hour(1, 2), hour(2, null)], [hour(1, 10), hour(2, 20), hour(3, 30)], 1);
  assert.deepEqual(pairs, [{ x: 1, y: 10 }, { x: 2, y: 20 }]);
  assert.equal(scale([3, 3], 0, 10)(3), 5);
});
