import assert from "node:assert/strict";
import { test } from "vitest";
import { alarmOf, propertyOf, type Alarm } from "../src/alarms/alarm";
import { spanOf, withGaps } from "../src/alarms/card/chartData";
import { lineageOf } from "../src/alarms/card/lineage";
import { PAYLOAD_CHARACTERS_MAX, payloadOf } from "../src/alarms/card/payload";
import { FLOOD_BEGINS_OVER, FLOOD_ENDS_BELOW, FLOOD_WITHIN_MS, FloodWatch } from "../src/alarms/flood";
import { durationOf, levelAt, limitsOf } from "../src/alarms/limits";
import { group, nextWaiting, select, type Choice, type Surroundings } from "../src/alarms/list/arrange";
import { figuresOf, isGood, priorityShares } from "../src/alarms/record/figures";
import { lengthOf, periodOf } from "../src/alarms/record/period";
import { parseLines } from "../src/alarms/record/recordApi";
import { iconOf } from "../src/alarms/signals/favicon";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const alarm = (id: string, changes: Partial<Alarm> = {}): Alarm => ({
  id,
  revision: 1,
  entityId: `alkmaar.${id}`,
  severity: "major",
  state: "unacknowledged",
  active: true,
  raisedTime: 0,
  shelvedUntil: undefined,
  cause: "high-water",
  area: "alkmaar",
  sentence: { en: `High water at ${id}.`, nl: `Hoog water bij ${id}.` },
  rule: "high-water",
  occurrence: 1,
  theme: "water",
  compared: undefined,
  ...changes,
});

const everything: Choice = {
  sort: undefined,
  descending: false,
  grouping: "none",
  severities: new Set(),
  states: new Set(),
  theme: undefined,
  within: undefined,
  incident: undefined,
  text: "",
};

const around: Surroundings = {
  nameOf: (entity) => entity,
  sentenceOf: (one) => one.sentence.en,
  whoOf: (id) => (id === "b" ? "water" : ""),
  excessOf: (one) => one.compared?.value ?? -Infinity,
  isWithin: (entity, area) => entity.startsWith(area),
};

const ids = (alarms: readonly Alarm[]) => alarms.map((one) => one.id);

const highWater = {
  when: {
    value: "water_level",
    unit: "m",
    relativeTo: "targetLevel",
    above: { warning: 0.1, minor: 0.15, major: 0.25 },
    clear: { warning: 0.07, minor: 0.12, major: 0.22 },
  },
  onDelay: "PT10M",
  offDelay: "PT30M",
};

const round = (value: number | undefined) => (value === undefined ? undefined : Math.round(value * 1000) / 1000);

test("limits are those of the entity: levels and deadbands beside its target, with the delays", () => {
  const limits = limitsOf(highWater, { targetLevel: -3.8 });
  assert.equal(limits?.direction, "above");
  assert.deepEqual(limits?.levels.map((one) => one.severity), ["warning", "minor", "major"]);
  assert.deepEqual(limits?.levels.map((one) => round(one.raised)), [-3.7, -3.65, -3.55]);
  assert.deepEqual(limits?.levels.map((one) => round(one.clear)), [-3.73, -3.68, -3.58]);
  assert.equal(limits?.onDelay, 10 * MINUTE);
  assert.equal(limits?.offDelay, 30 * MINUTE);
  assert.equal(limits?.window, undefined);
});

test("without the attribute that levels depend on there are no limits", () => {
  assert.equal(limitsOf(highWater, {}), undefined);
  assert.equal(limitsOf(highWater, { targetLevel: "low" }), undefined);
});

test("a share is a part of the attribute, and a level without a deadband ends where it begins", () => {
  const load = { when: { value: "transformer_power", unit: "1", shareOf: "ratedPower", above: { minor: 0.8, major: 1 }, over: "PT10M" } };
  const limits = limitsOf(load, { ratedPower: 400 });
  assert.deepEqual(limits?.levels.map(({ raised, clear }) => [raised, clear]), [[320, 320], [400, 400]]);
  assert.equal(limits?.window, 10 * MINUTE);
});

test("rules without levels have no limits, and those of a rate say so", () => {
  assert.equal(limitsOf({ when: { expression: "pump_state < 0.5", severity: "major" } }, {}), undefined);
  assert.equal(limitsOf({ when: { silent: { intervals: 10 }, severity: "warning" } }, {}), undefined);
  const rate = limitsOf({ when: { rateOf: "water_level", per: "PT1H", span: "PT30M", above: { minor: 0.08 } } }, {});
  assert.equal(rate?.comparison, "rate");
});

test("a value at a level is beyond it; below, the worst level is the lowest", () => {
  const above = limitsOf({ when: { value: "no2", above: { minor: 150, major: 200 } } }, {})!;
  assert.deepEqual([149, 150, 199, 200].map((one) => levelAt(above, one)?.severity), [undefined, "minor", "minor", "major"]);
  const below = limitsOf({ when: { value: "water_level", below: { warning: -0.15, minor: -0.25 } } }, {})!;
  assert.deepEqual([0, -0.15, -0.3].map((one) => levelAt(below, one)?.severity), [undefined, "warning", "minor"]);
});

test("durations of ISO 8601 are milliseconds, other texts are none", () => {
  assert.deepEqual(["PT10M", "P2D", "P1DT2H", "PT1.5S"].map(durationOf), [10 * MINUTE, 48 * HOUR, 26 * HOUR, 1500]);
  assert.deepEqual(["", "P", "PT", "10 min", undefined, null].map((one) => durationOf(one)), Array(6).fill(undefined));
});

test("a flood begins with more than ten new alarms in ten minutes, and ends with fewer than five", () => {
  const watch = new FloodWatch();
  for (let number = 0; number < FLOOD_BEGINS_OVER; number += 1) watch.add(`a${number}`, number * 1000);
  watch.add("a0", 5000);
  assert.equal(watch.at(9000), undefined);
  watch.add("b", 10_000);
  assert.equal(watch.at(10_000), 10_000);
  const later = FLOOD_WITHIN_MS + 5500;
  assert.equal(watch.countAt(later), 5);
  assert.equal(watch.at(later), 10_000);
  assert.equal(watch.countAt(later + 1000), FLOOD_ENDS_BELOW - 1);
  assert.equal(watch.at(later + 1000), undefined);
});

test("filters let through what meets all of them", () => {
  const alarms = [
    alarm("a"),
    alarm("b", { severity: "minor", state: "acknowledged" }),
    alarm("c", { theme: "device", cause: "silence", state: "shelved" }),
  ];
  const found = (choice: Partial<Choice>) => ids(select(alarms, { ...everything, ...choice }, around));
  assert.deepEqual(found({}), ["a", "b", "c"]);
  assert.deepEqual(found({ severities: new Set(["minor"]) }), ["b"]);
  assert.deepEqual(found({ states: new Set(["waiting", "aside"]) }), ["a", "c"]);
  assert.deepEqual(found({ theme: "device" }), ["c"]);
  assert.deepEqual(found({ within: "alkmaar.b" }), ["b"]);
  assert.deepEqual(found({ incident: "silence~alkmaar~4" }), ["c"]);
  assert.deepEqual(found({ text: "WATER b" }), ["b"]);
  assert.deepEqual(found({ text: "nothing" }), []);
});

test("a column sorts, the other way round too, and equal ones are by urgency", () => {
  const compared = (value: number) => ({ entityId: "", name: "water_level", value, unit: "m", threshold: 1 });
  const alarms = [
    alarm("a", { severity: "warning", raisedTime: 3, compared: compared(1) }),
    alarm("b", { severity: "critical", raisedTime: 1, compared: compared(3) }),
    alarm("c", { severity: "minor", raisedTime: 2, compared: compared(2) }),
  ];
  const sorted = (sort: Choice["sort"], descending = false) => ids(select(alarms, { ...everything, sort, descending }, around));
  assert.deepEqual(sorted("age"), ["a", "c", "b"]);
  assert.deepEqual(sorted("age", true), ["b", "c", "a"]);
  assert.deepEqual(sorted("value"), ["b", "c", "a"]);
  assert.deepEqual(sorted("place"), ["a", "b", "c"]);
  assert.deepEqual(sorted("who"), ["c", "a", "b"]);
  assert.deepEqual(sorted("priority"), ["b", "c", "a"]);
});

test("groups are in the order of their first alarms", () => {
  const alarms = [alarm("a"), alarm("b", { cause: "silence" }), alarm("c"), alarm("d", { area: "bergen" })];
  assert.deepEqual(group(alarms, "incident").map((one) => ids(one.alarms)), [["a", "c"], ["b"], ["d"]]);
  assert.deepEqual(group(alarms, "cause").map((one) => ids(one.alarms)), [["a", "c", "d"], ["b"]]);
  assert.deepEqual(group(alarms, "area").map((one) => one.area), ["alkmaar", "bergen"]);
  assert.equal(group(alarms, "none").length, 1);
  assert.deepEqual(group([], "none"), []);
});

test("after an action the next alarm that waits is the one below, then from the top", () => {
  const rows = [alarm("a"), alarm("b", { state: "acknowledged" }), alarm("c"), alarm("d")];
  assert.equal(nextWaiting(rows, new Set(["a"]))?.id, "c");
  assert.equal(nextWaiting(rows, new Set(["c", "d"]))?.id, "a");
  assert.equal(nextWaiting(rows, new Set(["a", "c", "d"])), undefined);
  assert.equal(nextWaiting(rows, new Set())?.id, "a");
});

test("a message is read as JSON, as text, or as bytes", () => {
  assert.deepEqual(payloadOf(btoa('{"v":1}')), { kind: "json", text: '{\n  "v": 1\n}', isCut: false });
  assert.deepEqual(payloadOf(btoa("level 12")), { kind: "text", text: "level 12", isCut: false });
  assert.deepEqual(payloadOf(btoa("\u00ff\u0000A")), { kind: "bytes", text: "ff 00 41", isCut: false });
  assert.equal(payloadOf("not base64!"), undefined);
  const long = payloadOf(btoa("x".repeat(PAYLOAD_CHARACTERS_MAX + 1)));
  assert.deepEqual([long?.text.length, long?.isCut], [PAYLOAD_CHARACTERS_MAX, true]);
});

test("the value that an alarm compares is in events and in documents", () => {
  const operands = [
    { name: "pump_state", entityId: "pump", value: 0, unit: "1", threshold: null },
    { name: "locatedIn.level_deviation", entityId: "polder", value: 0.2, unit: "m", threshold: 0.12 },
  ];
  const base = { severity: "major", sentence: { en: "x", nl: "y" } };
  const event = alarmOf({ ...base, alarmId: "idle-pump~pump", operands });
  const document = alarmOf({ ...base, id: "idle-pump~pump", explanation: { operands } });
  assert.equal(event?.compared?.name, "locatedIn.level_deviation");
  assert.deepEqual(event?.compared, document?.compared);
  assert.equal(propertyOf("locatedIn.level_deviation"), "level_deviation");
  assert.equal(alarmOf({ ...base, alarmId: "silent~gauge", operands: [] })?.compared, undefined);
});

test("the icon of the tab tells the number and the worst; it is the page's own when all is well", () => {
  assert.equal(iconOf({ waiting: 0, worst: undefined, isCurrent: true }), undefined);
  const text = (icon: string | undefined) => decodeURIComponent(icon ?? "");
  assert.match(text(iconOf({ waiting: 3, worst: "major", isCurrent: true })), />3<\/text>/);
  assert.match(text(iconOf({ waiting: 250, worst: "critical", isCurrent: true })), />99\+<\/text>/);
  assert.doesNotMatch(text(iconOf({ waiting: 3, worst: "major", isCurrent: false })), /<text/);
});

test("the chart begins before the delay and ends a while after the alarm, and gaps are gaps", () => {
  const now = 100 * HOUR;
  assert.deepEqual(spanOf({ raised: 90 * HOUR, returned: undefined, onDelay: HOUR, now }), { start: 88 * HOUR, end: now });
  assert.deepEqual(spanOf({ raised: 90 * HOUR, returned: 92 * HOUR, onDelay: 0, now }), { start: 89 * HOUR, end: 93 * HOUR });
  assert.equal(spanOf({ raised: -1000 * HOUR, returned: undefined, onDelay: 0, now }).start, now - 31 * 24 * HOUR);
  const { times, values } = withGaps([{ time: 0, value: 1 }, { time: 10 * MINUTE, value: 2 }, { time: HOUR, value: 3 }], MINUTE);
  assert.deepEqual(values, [1, 2, null, 3]);
  assert.deepEqual(times, [...times].sort((one, other) => one - other));
});

const counts = {
  start: "2026-01-01T00:00:00Z",
  end: "2026-01-02T00:00:00Z",
  operators: 1,
  annunciated: 300,
  perOperatorTenMinutes: { average: 2, peak: 11, peakTime: null, rating: "manageable" as const },
  floods: [],
  floodedShare: 0.005,
  chattering: [],
  fleeting: [],
  badActors: [{ alarmId: "a~b", rule: "a", count: 60, share: 0.2 }],
  bySeverity: { warning: 80, minor: 15, major: 5, critical: 0 },
  acknowledged: 10,
  acknowledgeDelay: { p50: "PT1M", p95: null },
  standing: 3,
  stale: [],
  truncated: false,
};

test("figures are held against what EEMUA and ISA aim for", () => {
  const figures = new Map(figuresOf(counts).map((one) => [one.name, one]));
  assert.deepEqual([figures.get("hour")?.value, figures.get("day")?.value], [12, 288]);
  const good = (name: Parameters<typeof figures.get>[0]) => isGood(figures.get(name)!);
  assert.deepEqual([good("tenMinutes"), good("peak"), good("flooded"), good("topTen"), good("stale")], [false, false, true, false, true]);
  assert.deepEqual([good("standing"), good("p50")], [undefined, undefined]);
  assert.equal(figures.get("p50")?.value, MINUTE);
  // Ten of a handful of alarms are all of them: that says nothing.
  assert.equal(figuresOf({ ...counts, annunciated: 9 }).find((one) => one.name === "topTen")?.value, undefined);
  assert.deepEqual(priorityShares(counts.bySeverity).map((one) => one.share), [0, 0.05, 0.15, 0.8]);
  assert.deepEqual(priorityShares({ warning: 0, minor: 0, major: 0, critical: 0 }).map((one) => one.share), [0, 0, 0, 0]);
});

test("a period ends at the time of the address, and never in the future", () => {
  assert.deepEqual(periodOf("PT1H", undefined, 10 * HOUR), { start: 9 * HOUR, end: 10 * HOUR });
  assert.deepEqual(periodOf("PT1H", new Date(5 * HOUR).toISOString(), 10 * HOUR), { start: 4 * HOUR, end: 5 * HOUR });
  assert.equal(periodOf("P1D", new Date(50 * HOUR).toISOString(), 10 * HOUR).end, 10 * HOUR);
  assert.equal(lengthOf("P400D"), "P1D");
  assert.deepEqual(parseLines('{"kind":"raised"}\n{"kind":"returned"}\n').map((one) => one.kind), ["raised", "returned"]);
});

test("the lineage of a roll-up leads one level down, and that of readings has their messages", () => {
  const base = { entityId: "alkmaar.overdie", property: "area_no2", unit: "ug/m3", _links: { self: { href: "/x" } } };
  const rollUp = lineageOf({
    ...base,
    kind: "rollUp",
    rollUp: "mean",
    truncated: false,
    missingEntityIds: [],
    contributions: [
      {
        entityId: "alkmaar.site",
        property: "no2",
        value: 3,
        unit: "ug/m3",
        phenomenonTime: "2026-01-01T00:00:00Z",
        quality: "good",
        count: 1,
        _links: { provenance: { href: "/v1/entities/alkmaar.site/provenance?property=no2" } },
      },
    ],
  });
  assert.equal(rollUp.parts[0]?.href, "/v1/entities/alkmaar.site/provenance?property=no2");
  const observed = lineageOf({
    ...base,
    kind: "observed",
    truncated: true,
    observations: [
      {
        datastreamId: 1,
        sensorId: "no2-site",
        phenomenonTime: "2026-01-01T00:00:00Z",
        receivedTime: "2026-01-01T00:00:01Z",
        rawValue: 3,
        value: 3,
        quality: "good",
        flags: [],
        calibration: null,
        message: { topic: "livetwin/x", payload: btoa("{}") },
      },
    ],
  });
  assert.equal(observed.readings[0]?.message?.topic, "livetwin/x");
  assert.equal(observed.isTruncated, true);
});
