import assert from "node:assert/strict";
import { test } from "vitest";
import { ageText, numberText } from "../src/language/format";
import { alarmOf, causeName, type Alarm } from "../src/alarms/alarm";
import { StandingAlarms } from "../src/alarms/standingAlarms";
import type { Entity } from "../src/entities/entity";
import { freshest } from "../src/entities/freshness";
import { kindOf, propertyName, quantityText, rankOf, setDisplayTexts } from "../src/entities/quantity";
import { EntityValues, stateEventOf, type StateEvent } from "../src/live/entityValues";

setDisplayTexts({
  names: { pm2_5: { en: "PM2.5", nl: "PM2,5" }, no2: { en: "nitrogen dioxide", nl: "stikstofdioxide" } },
  unitSymbols: { "ug/m3": "µg/m³", "1": "" },
});

const event = (property: string, value: number, revision: number): StateEvent => ({
  entityId: "alkmaar.overdie",
  property,
  value,
  unit: "ug/m3",
  phenomenonTime: 0,
  quality: "good",
  freshness: "live",
  revision,
  count: 1,
  lastGood: undefined,
});

test("an older revision changes nothing, a newer one does", () => {
  const state = new EntityValues();
  assert.ok(state.apply(event("no2", 20, 5)));
  assert.ok(!state.apply(event("no2", 10, 4)));
  assert.ok(!state.apply(event("no2", 20, 5)));
  assert.ok(state.apply(event("no2", 30, 6)));
  assert.equal(state.valuesOf("alkmaar.overdie").get("no2")?.value, 30);
});

test("a value from history, which has no revision, counts by its time", () => {
  const state = new EntityValues();
  const first = event("pm2_5", 10, 5);
  state.apply(first);
  const minute = 60_000;
  const played = (value: number, minutes: number): StateEvent => ({
    ...event("pm2_5", value, 0),
    phenomenonTime: first.phenomenonTime + minutes * minute,
  });
  assert.equal(state.apply(played(8, -1)), false);
  assert.equal(state.apply(played(10, 0)), false);
  assert.equal(state.apply(played(11, 0)), true);
  assert.equal(state.apply(played(12, 1)), true);
  assert.equal(state.apply(event("pm2_5", 13, 6)), true);
  assert.equal(state.valuesOf("alkmaar.overdie").get("pm2_5")?.value, 13);
});

test("a value that ages keeps its revision and is shown", () => {
  const state = new EntityValues();
  state.apply(event("no2", 20, 5));
  assert.ok(state.apply({ ...event("no2", 20, 5), freshness: "stale" }));
  assert.equal(state.valuesOf("alkmaar.overdie").get("no2")?.freshness, "stale");
});

test("a complete snapshot removes missing values, and may lower revisions", () => {
  const state = new EntityValues();
  state.apply(event("no2", 20, 5));
  state.apply(event("pm10", 9, 6));
  state.addFromSnapshot(event("no2", 21, 1));
  assert.deepEqual(state.endSnapshot(), ["alkmaar.overdie"]);
  assert.deepEqual([...state.valuesOf("alkmaar.overdie").keys()], ["no2"]);
  assert.equal(state.valuesOf("alkmaar.overdie").get("no2")?.revision, 1);
});

test("a message without a value is not a state event", () => {
  assert.equal(stateEventOf({ complete: true }), undefined);
  assert.equal(stateEventOf({ entityId: "a", property: "no2", value: 1, phenomenonTime: "soon" }), undefined);
});

test("values of unknown entities stay bounded", () => {
  const state = new EntityValues();
  for (let index = 0; index < 5000; index += 1) state.apply({ ...event("no2", 1, 1), entityId: `x${index}` });
  let kept = 0;
  for (let index = 0; index < 5000; index += 1) kept += state.valuesOf(`x${index}`).size;
  assert.equal(kept, 1000);
});

test("the freshness of an entity is that of its freshest value", () => {
  assert.equal(freshest(["silent", "stale", "live"]), "live");
  assert.equal(freshest(["silent", "stale"]), "stale");
  assert.equal(freshest([]), undefined);
});

test("quantities have labels, symbols and rounded numbers", () => {
  assert.equal(quantityText("pm2_5", 11.24, "ug/m3"), "11.2\u202fµg/m³");
  assert.equal(quantityText("water_level", -0.474, "m"), "\u22120.47\u202fm");
  assert.equal(quantityText("pump_state", 1, "1"), "On");
  assert.equal(quantityText("vehicle_count", 1234, "1"), "1,234");
  assert.equal(numberText(-0.0001), "0");
  assert.equal(numberText(NaN), "–");
  assert.equal(propertyName("no2"), "Nitrogen dioxide");
  assert.equal(propertyName("duck_count"), "Duck count");
});

test("derived values are distinguished from measured ones, and sorted after them", () => {
  assert.equal(kindOf("pm2_5", ["pm2_5"]), "observed");
  assert.equal(kindOf("lki", ["pm2_5"]), "indicator");
  assert.equal(kindOf("area_pm2_5", ["pm2_5"]), "area");
  assert.equal(propertyName("area_pm2_5"), "PM2.5");
  const ranked = ["area_lki", "lki", "area_pm2_5", "battery_level", "pm2_5"].sort((a, b) => rankOf(a) - rankOf(b));
  assert.deepEqual(ranked, ["pm2_5", "lki", "battery_level", "area_pm2_5", "area_lki"]);
});

test("a suspect value has the last good one", () => {
  const data = { entityId: "a", property: "no2", value: 900, phenomenonTime: "2026-11-23T12:00:00Z", quality: "suspect" };
  const good = { value: 31, phenomenonTime: "2026-11-23T11:50:00Z" };
  assert.equal(stateEventOf(data)?.lastGood, undefined);
  assert.deepEqual(stateEventOf({ ...data, lastGood: good })?.lastGood, {
    value: 31,
    phenomenonTime: Date.parse(good.phenomenonTime),
  });
});

test("roll-ups over an area do not hide its own silent sensors", () => {
  const state = new EntityValues();
  const area = { id: "alkmaar.overdie", type: "Neighbourhood", name: "", parent: undefined, geometry: undefined, themes: [] };
  const without: Entity = { ...area, properties: [] };
  const withSensors: Entity = { ...area, themes: ["environment"], properties: ["no2"] };
  assert.equal(state.freshnessOf(without), undefined);
  assert.equal(state.freshnessOf(withSensors), "silent");
  state.apply(event("area_no2", 20, 1));
  assert.equal(state.freshnessOf(without), "live");
  assert.equal(state.freshnessOf(withSensors), "silent");
});

test("ages are short", () => {
  assert.equal(ageText(1000, 900), "now");
  assert.equal(ageText(0, 59_999), "59 s ago");
  assert.equal(ageText(0, 3_600_000), "1 h ago");
  assert.equal(ageText(0, 72 * 3_600_000), "3 d ago");
});

const alarm = (id: string, revision: number, changes: Partial<Alarm> = {}): Alarm => ({
  id,
  revision,
  entityId: "alkmaar.canal",
  severity: "major",
  state: "unacknowledged",
  active: true,
  raisedTime: 0,
  shelvedUntil: undefined,
  cause: "high-water",
  area: "alkmaar",
  sentence: { en: "High water.", nl: "Hoog water." },
  rule: "high-water",
  occurrence: 1,
  theme: "water",
  compared: undefined,
  ...changes,
});

test("an alarm is news once, and again when it returns", () => {
  const alarms = new StandingAlarms();
  assert.equal(alarms.apply(alarm("a", 1)), "news");
  assert.equal(alarms.apply(alarm("a", 1)), undefined);
  assert.equal(alarms.apply(alarm("a", 2, { state: "acknowledged" })), "changed");
  assert.equal(alarms.apply(alarm("a", 3, { state: "normal", active: false })), "changed");
  assert.equal(alarms.apply(alarm("a", 2, { state: "acknowledged" })), undefined);
  assert.deepEqual(alarms.standing(), []);
  assert.equal(alarms.apply(alarm("a", 4)), "news");
  assert.equal(alarms.apply(alarm("a", 5, { severity: "critical" })), "news");
  assert.equal(alarms.apply(alarm("a", 6)), "changed");
});

test("alarms missing in a snapshot are removed", () => {
  const alarms = new StandingAlarms();
  alarms.apply(alarm("a", 1));
  alarms.apply(alarm("b", 1));
  alarms.addFromSnapshot(alarm("b", 2));
  alarms.endSnapshot();
  assert.deepEqual(alarms.standing().map((one) => one.id), ["b"]);
  alarms.endSnapshot();
  assert.deepEqual(alarms.standing(), []);
});

test("waiting alarms come first, then the worst, and shelved ones last", () => {
  const alarms = new StandingAlarms();
  alarms.apply(alarm("known", 1, { state: "acknowledged", severity: "critical" }));
  alarms.apply(alarm("mild", 1, { severity: "warning" }));
  alarms.apply(alarm("bad", 1, { severity: "critical", entityId: "alkmaar.road" }));
  alarms.apply(alarm("aside", 1, { state: "shelved", severity: "critical", entityId: "alkmaar.shed" }));
  assert.deepEqual(alarms.standing().map((one) => one.id), ["bad", "mild", "known", "aside"]);
  const worst = [...alarms.worstByEntity()].map(([entity, one]) => [entity, one.id]);
  assert.deepEqual(worst, [["alkmaar.road", "bad"], ["alkmaar.canal", "mild"]]);
});

test("an alarm is read from a message that has one", () => {
  assert.equal(alarmOf({ entityId: "a", property: "no2", value: 1 }), undefined);
  const alarm = alarmOf({ alarmId: "a~b", severity: "minor", sentence: { en: "x", nl: "y" }, raisedTime: "2026-01-01T00:00:00Z" });
  assert.equal(alarm?.id, "a~b");
  assert.equal(alarm?.raisedTime, Date.parse("2026-01-01T00:00:00Z"));
  assert.equal(causeName("high-water"), "High water");
  const sentence = { en: "High water, at 17:53 on 2 December 2026.", nl: "Hoog water, op 2 december 2026 om 17:53." };
  assert.deepEqual(alarmOf({ alarmId: "a", severity: "minor", sentence })?.sentence, { en: "High water.", nl: "Hoog water." });
});
