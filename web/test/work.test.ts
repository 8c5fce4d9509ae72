import { afterEach, expect, test } from "vitest";
import { language } from "../src/language/language.svelte";
import { authorizationUrl } from "../src/session/openid";
import { principalOf } from "../src/session/principal";
import { decoded, hexLines } from "../src/work/data/payload";
import { barsOf, equationOf, sumsByFeed, type LedgerRow } from "../src/work/data/ledger";
import { mapOfItem } from "../src/work/data/quarantine";
import { partsOf } from "../src/work/duty/roster";
import { localText, startOfDay, startOfWeek, timeOfLocal } from "../src/work/localTime";
import { recurrenceOf, recurrenceSentence, ruleOf } from "../src/work/maintenance/recurrence";
import { episodesOf, watchedProperty, type BacktestResult } from "../src/work/rules/backtest";
import { lineDifference } from "../src/work/rules/lineDifference";
import { documentOf, faultsOfRule } from "../src/work/rules/rule";
import { edited, pointerOf, readText } from "../src/work/rules/yamlText";

afterEach(() => {
  language.current = "en";
  language.timezone = undefined;
});

const RULE = `# Smogregeling 2010
id: no2-smog
select: {within: [alkmaar]}
when:
  value: no2
  above:
    minor: 200 # an hour
    major: 400
`;

test("an edit in the form keeps comments and order of the text", () => {
  const text = edited(RULE, ["when", "above", "minor"], 180);
  expect(text).toBe(RULE.replace("200", "180"));
  expect(edited(text, ["onDelay"], "PT10M")).toContain("onDelay: PT10M");
});

test("a level takes the place of one number for all", () => {
  const text = edited("when: {value: no2, above: 200}\n", ["when", "above", "minor"], 180);
  expect(readText(text, "").value).toEqual({ when: { value: "no2", above: { minor: 180 } } });
});

test("what is taken out takes empty maps with it, and nothing else", () => {
  expect(edited("id: a\nguidance:\n  nl: Bel\n", ["guidance", "nl"], undefined)).toBe("id: a\n");
  expect(edited("guidance:\n  nl: Bel\n  en: Call\n", ["guidance", "nl"], undefined)).toBe("guidance:\n  en: Call\n");
});

test("a fault of the API is at the line of its part, or of the nearest one above it", () => {
  const { lineOf } = readText(RULE, "");
  expect(lineOf("/when/above/major")).toBe(8);
  expect(lineOf("/when/unit")).toBe(4);
  expect(lineOf("/select/within/0")).toBe(3);
  expect(lineOf("")).toBe(1);
  expect(pointerOf(["when", "a/b~c"])).toBe("/when/a~1b~0c");
  const [fault] = faultsOfRule([{ in: "body", name: "/rule/when/value", detail: "unknown" }], "rule");
  expect(lineOf(fault!.name)).toBe(5);
});

test("a text that is no rule has a fault with its line", () => {
  expect(readText("id: a\nwhen: {value: no2\n", "no map").faults[0]?.line).toBeGreaterThan(1);
  expect(readText("- a\n", "no map").faults).toEqual([{ line: 1, detail: "no map" }]);
});

const firing = (entity: string, raised: string) => ({
  alarmId: `r~${entity}`,
  entityId: entity,
  sensorId: null,
  raisedTime: raised,
  returnedTime: null,
  duration: "PT1H",
  severity: "minor" as const,
  peak: 1,
  sentence: { en: "", nl: "" },
});

test("episodes are new, gone, changed or the same", () => {
  const [a, b, c, d] = ["a", "b", "c", "d"].map((one, index) => firing(one, `2026-11-0${index + 1}T00:00:00Z`));
  const result = {
    firings: [a, b, c],
    difference: { added: [a], removed: [d], changed: [{ before: { ...b!, severity: "major" }, after: b }] },
  } as unknown as BacktestResult;
  expect(episodesOf(result).map((one) => [one.entityId, one.change])).toEqual([
    ["a", "added"],
    ["b", "changed"],
    ["c", "unchanged"],
    ["d", "removed"],
  ]);
  const alone = { firings: [a], difference: null } as unknown as BacktestResult;
  expect(episodesOf(alone)[0]?.change).toBe("added");
});

test("only a value of the entity itself is drawn", () => {
  expect(watchedProperty({ when: { value: "no2" } })).toBe("no2");
  expect(watchedProperty({ when: { value: "area.rainfall" } })).toBeUndefined();
  expect(watchedProperty({ when: { expression: "a > b" } })).toBeUndefined();
});

test("a difference by lines keeps what both have", () => {
  expect(lineDifference("a\nb\nc\n", "a\nx\nc\n").map(({ kind, text }) => `${kind} ${text}`)).toEqual(["same a", "gone b", "new x", "same c"]);
});

test("times of fields are those of the city's clocks, also where they change", () => {
  language.timezone = "Europe/Amsterdam";
  expect(localText(Date.parse("2026-07-01T10:30:00Z"))).toBe("2026-07-01T12:30");
  expect(timeOfLocal("2026-07-01T12:30")).toBe(Date.parse("2026-07-01T10:30:00Z"));
  // 02:30 comes twice: the first one, in summer time.
  expect(timeOfLocal("2026-10-25T02:30")).toBe(Date.parse("2026-10-25T00:30:00Z"));
  // 02:30 does not come: an hour later by the clocks.
  expect(timeOfLocal("2026-03-29T02:30")).toBe(Date.parse("2026-03-29T01:30:00Z"));
  expect(timeOfLocal("")).toBeUndefined();
  const day = startOfDay(Date.parse("2026-10-25T12:00:00Z"));
  expect((startOfDay(day, 1) - day) / 3_600_000).toBe(25);
  expect(localText(startOfWeek(Date.parse("2026-12-06T22:00:00Z")))).toBe("2026-11-30T00:00");
});

test("a shift is cut at the days, and an override names itself", () => {
  const [from, until] = ["2026-12-02T23:00:00Z", "2026-12-03T23:00:00Z"].map((one) => Date.parse(one)) as [number, number];
  const contact = { id: "lead", name: "Lead", language: "nl" as const };
  const shifts = [
    { teamId: "water", contact, start: "2026-12-01T00:00:00Z", end: "2026-12-03T08:00:00Z", source: "override" as const },
    { teamId: "water", contact: null, start: "2026-12-03T08:00:00Z", end: "2026-12-05T00:00:00Z", source: "calendar" as const },
    { teamId: "roads", contact, start: "2026-12-01T00:00:00Z", end: "2026-12-05T00:00:00Z", source: "calendar" as const },
  ];
  const override = { id: "o1", teamId: "water", contactId: "lead", start: "2026-12-01T00:00:00Z", end: "2026-12-03T08:00:00Z", withdrawnTime: null, madeTime: "2026-11-30T00:00:00Z" };
  const parts = partsOf(shifts, [override] as never, "water", from, until);
  expect(parts.map(({ start, end, contact: name, overrideId }) => [start, end, name, overrideId])).toEqual([
    [from, Date.parse("2026-12-03T08:00:00Z"), "Lead", "o1"],
    [Date.parse("2026-12-03T08:00:00Z"), until, undefined, undefined],
  ]);
});

test("a recurrence is a sentence, and the form returns its rule", () => {
  const date = (text: string) => text;
  for (const rule of ["FREQ=DAILY", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;UNTIL=20261231", "FREQ=MONTHLY;BYDAY=1TU", "FREQ=MONTHLY;BYMONTHDAY=5;COUNT=3"])
    expect(ruleOf(recurrenceOf(rule)!)).toBe(rule);
  expect(recurrenceSentence("FREQ=WEEKLY;BYDAY=TU", date)).toBe("each week on Tuesday");
  expect(recurrenceSentence("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;UNTIL=20261231", date)).toBe("every 2 weeks on Monday and Thursday, until 2026-12-31");
  language.current = "nl";
  expect(recurrenceSentence("FREQ=MONTHLY;BYDAY=-1FR", date)).toBe("elke maand op de laatste vrijdag");
  expect(recurrenceSentence("FREQ=MONTHLY;BYSETPOS=1;BYDAY=MO", date)).toContain("BYSETPOS");
});

const row = (feed: string, minute: string, received: number): LedgerRow => ({
  feed,
  minute,
  received,
  accepted: received - 1,
  quarantined: 1,
  observations: received,
  new: received,
  corrected: 0,
  superseded: 0,
  duplicate: 0,
  replayed: 0,
  resolved: 0,
});

test("an equation of the ledger is read and checked", () => {
  expect(equationOf("received 120 = accepted 118 + quarantined 2").holds).toBe(true);
  expect(equationOf("received 120 = accepted 118 + quarantined 1").holds).toBe(false);
  expect(equationOf("lost 0 = 0")).toEqual({ left: [{ name: "lost", count: 0 }], right: [{ name: "", count: 0 }], holds: true });
});

test("rows are added up by feed, and in bars of whole minutes", () => {
  const rows = [row("ttn", "2026-11-23T12:00:00Z", 5), row("ttn", "2026-11-23T12:03:00Z", 7), row("p1", "2026-11-23T12:03:00Z", 2)];
  expect(sumsByFeed(rows).map(({ feed, received }) => [feed, received])).toEqual([["p1", 2], ["ttn", 12]]);
  const bars = barsOf(rows, Date.parse("2026-11-23T12:00:00Z"), Date.parse("2026-11-23T12:04:00Z"), 2);
  expect(bars.map((one) => one.received)).toEqual([5, 9]);
});

test("a payload is decoded as far as it is text, else hexadecimal", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  expect(decoded(bytes('{"v":1}'))).toBe('{\n  "v": 1\n}');
  expect(decoded(bytes("/ISk5\r\n1-0:1.8.1"))).toContain("1.8.1");
  expect(decoded(new Uint8Array([0xff, 0x00]))).toBeUndefined();
  expect(decoded(new Uint8Array([0x01, 0x41]))).toBeUndefined();
  expect(hexLines(bytes("{A"))[0]).toMatch(/^0000 {2}7b 41 +\{A$/);
});

test("an item of a list becomes a map", () => {
  expect(readText(mapOfItem("  - id: x\n    feed: ttn\n"), "").value).toEqual({ id: "x", feed: "ttn" });
});

test("the reader leaves for the issuer with a challenge of the verifier, without the verifier", async () => {
  const client = {
    issuer: "https://login.example",
    name: "City",
    clientId: "page",
    scopes: ["openid", "profile"],
    resource: null,
    redirectUri: "https://twin.example/",
    authorizationEndpoint: "https://login.example/authorize?tenant=1",
    tokenEndpoint: "https://login.example/token",
    endSessionEndpoint: null,
    issInResponse: true,
  };
  // RFC 7636, appendix B.
  const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const url = new URL(await authorizationUrl(client, "state", verifier));
  expect(url.searchParams.get("code_challenge")).toBe("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
  expect(url.searchParams.get("code_challenge_method")).toBe("S256");
  expect(url.searchParams.get("tenant")).toBe("1");
  expect(url.searchParams.get("redirect_uri")).toBe("https://twin.example/");
  expect(url.href).not.toContain(verifier);
});

test("what one may do is what the server says", () => {
  const who = principalOf({ name: "a", role: "operator", areas: null, expiresTime: "2026-11-23T13:00:00Z", permissions: ["PUT /v1/rules/{id}"] });
  expect(who.permissions?.has("PUT /v1/rules/{id}")).toBe(true);
  expect(who.areas).toEqual([]);
  expect(who.expires).toBe(Date.parse("2026-11-23T13:00:00Z"));
});

test("a rule is edited by its deadband, not by the levels at which its alarms end", () => {
  const conditionOf = (when: object) => documentOf({ id: "one", version: 3, when })["when"];
  expect(conditionOf({ value: "no2", above: { minor: 0.3, major: 0.7 }, clear: { minor: 0.1, major: 0.5 } })).toEqual({
    value: "no2",
    above: { minor: 0.3, major: 0.7 },
    deadband: 0.2,
  });
  expect(conditionOf({ value: "battery", below: 12, clear: 15 })).toEqual({ value: "battery", below: 12, deadband: 3 });
  expect(conditionOf({ value: "no2", above: { minor: 5 }, clear: { minor: 5 } })).toEqual({ value: "no2", above: { minor: 5 } });
  // What no deadband says stays.
  const uneven = { value: "no2", above: { minor: 100, major: 200 }, clear: { minor: 90, major: 150 } };
  expect(conditionOf(uneven)).toEqual(uneven);
  const silent = { silent: { intervals: 10 }, severity: "warning" };
  expect(conditionOf(silent)).toEqual(silent);
});
