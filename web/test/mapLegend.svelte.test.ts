import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { address } from "../src/app/address.svelte";
import { setDisplayTexts } from "../src/entities/quantity";
import { language } from "../src/language/language.svelte";
import { clock } from "../src/live/clock.svelte";
import { live } from "../src/live/live.svelte";
import MapLegend from "../src/map/MapLegend.svelte";
import { shownValue } from "../src/map/shownValue.svelte";

const PLACES = ["alkmaar.overdie", "alkmaar.oudorp"];

function answer(input: RequestInfo | URL): Promise<Response> {
  const { pathname } = new URL(input instanceof Request ? input.url : String(input));
  if (pathname !== "/v1/entities") return new Promise(() => undefined);
  const items = PLACES.map((id) => ({ id, type: "Site", name: id, parent: null, geometry: null, themes: ["environment"], properties: ["no2"] }));
  return Promise.resolve(Response.json({ items, _links: { self: { href: pathname } } }));
}

const event = (entityId: string, property: string, value: number, revision: number) => ({
  entityId,
  property,
  value,
  unit: "ug/m3",
  phenomenonTime: Date.parse("2026-03-01T12:00:00Z"),
  quality: "good",
  freshness: "live" as const,
  revision,
  count: 1,
  lastGood: undefined,
});

let stops: (() => void)[];
let legend: Record<string, unknown>;

beforeEach(async () => {
  vi.stubGlobal("fetch", answer);
  setDisplayTexts({ names: { no2: { en: "nitrogen dioxide", nl: "stikstofdioxide" } }, unitSymbols: { "ug/m3": "µg/m³" } });
  history.replaceState(null, "", "/");
  language.timezone = "Europe/Amsterdam";
  language.current = "en";
  const before = live.entities;
  stops = [address.begin(), live.begin()];
  await vi.waitFor(() => expect(live.entities).not.toBe(before));
  for (const [index, id] of PLACES.entries()) {
    live.onSnapshotState(event(id, "no2", 20 + 60 * index, 1));
    live.onSnapshotState(event(id, "air_pressure", 1000 + index, 1));
  }
  live.onSnapshotComplete();
  await vi.waitFor(() => expect(live.cell(PLACES[1]!).values.size).toBe(2));
  legend = mount(MapLegend, { target: document.body });
  flushSync();
});

afterEach(async () => {
  await unmount(legend);
  for (const stop of stops) stop();
});

const textOf = (id: string) => document.querySelector(`[data-testid="${id}"]`)?.textContent?.trim();

/** Not by the select: happy-dom does not say which option of it is selected. */
function choose(value: string): void {
  shownValue.choose(value);
  flushSync();
}

test("the legend names unit, classes, their source and the time of the value that is chosen, which is in the address", () => {
  expect(textOf("legend-themes")).toContain("Environment");
  choose("no2");
  expect(location.search).toBe("?show=no2");
  expect(textOf("legend-themes")).toBeUndefined();
  expect(textOf("legend-unit")).toBe("µg/m³");
  expect(textOf("legend-classes")).toContain("above 30 up to 75moderate");
  expect(textOf("map-legend")).toContain("RIVM report 2014-0050");
  expect(textOf("legend-time")).toContain("13:00");
  language.current = "nl";
  flushSync();
  expect(textOf("legend-classes")).toContain("boven 30 tot en met 75matig");
  choose("");
  expect(location.search).toBe("");
});

test("values are chosen by their theme", () => {
  const groups = [...document.querySelectorAll("optgroup")].map((one) => [one.label, [...one.children].map((option) => option.textContent)]);
  expect(groups).toEqual([["Environment", ["Air pressure", "Nitrogen dioxide"]]]);
});

test("edges that lie close to each other are told apart", () => {
  choose("air_pressure");
  expect(textOf("legend-classes")).toContain("above 1,000.2 up to 1,000.4");
});

test("a value that no place has says so, and stays in the choice", () => {
  address.go({ show: "snow_depth" });
  flushSync();
  expect(textOf("map-legend")).toContain("No place has this value now.");
  expect(document.querySelector("select")!.value).toBe("snow_depth");
});

test("values are looked at with the clock, not with each change", async () => {
  choose("no2");
  let looks = 0;
  let shown: number | undefined;
  stops.push(
    $effect.root(() => {
      $effect(() => {
        shown = shownValue.values?.byEntity.get(PLACES[0]!)?.value;
        looks += 1;
      });
    }),
  );
  flushSync();
  for (const [index, value] of [21, 22, 23].entries()) {
    live.onState(event(PLACES[0]!, "no2", value, index + 2));
    await vi.waitFor(() => expect(live.cell(PLACES[0]!).values.get("no2")?.value).toBe(value));
    flushSync();
  }
  expect([looks, shown]).toEqual([1, 20]);
  clock.now += 2000;
  flushSync();
  expect([looks, shown]).toEqual([2, 23]);
});
