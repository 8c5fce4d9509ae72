import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import PlaceList from "../src/entities/PlaceList.svelte";
import type { StateEvent } from "../src/live/entityValues";
import { live } from "../src/live/live.svelte";

const PLACES = 5000;

const idOf = (number: number) => `alkmaar.place-${String(number).padStart(4, "0")}`;

const event = (number: number, value: number, revision: number): StateEvent => ({
  entityId: idOf(number),
  property: "no2",
  value,
  unit: "ug/m3",
  phenomenonTime: Date.now(),
  quality: "good",
  freshness: "live",
  revision,
  count: 1,
  lastGood: undefined,
});

/** Answers with all places as one page; the stream of events never answers. */
function answer(input: RequestInfo | URL): Promise<Response> {
  const { pathname } = new URL(input instanceof Request ? input.url : String(input));
  if (pathname !== "/v1/entities") return new Promise(() => undefined);
  const items = Array.from({ length: PLACES }, (_, number) => ({
    id: idOf(number),
    type: "MonitoringSite",
    name: `Place ${number}`,
    parent: null,
    geometry: null,
    themes: ["environment"],
    properties: ["no2"],
  }));
  return Promise.resolve(Response.json({ items, _links: { self: { href: pathname } } }));
}

let stop: () => void;
let list: Record<string, unknown>;

beforeEach(async () => {
  vi.stubGlobal("fetch", answer);
  stop = live.begin();
  await vi.waitFor(() => expect(live.entities.size).toBe(PLACES));
  list = mount(PlaceList, { target: document.body });
  for (let number = 0; number < PLACES; number += 1) live.onSnapshotState(event(number, 20, 1));
  live.onSnapshotComplete();
  await vi.waitFor(() => expect(live.cell(idOf(0)).values.size).toBe(1));
  flushSync();
});

afterEach(async () => {
  await unmount(list);
  stop();
});

test("of thousands of places some rows are in the document, and more on request", () => {
  const rows = () => document.querySelectorAll("[data-row]").length;
  expect(rows()).toBe(150);
  document.querySelector<HTMLButtonElement>(".more button")!.click();
  flushSync();
  expect(rows()).toBe(300);
});

test("values touch the rows that show them and make no row anew", async () => {
  // The list sorts itself once more when the places have become live.
  const before = live.layout;
  await vi.waitFor(() => expect(live.layout).toBeGreaterThanOrEqual(before), { timeout: 2000 });
  flushSync();
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const shown = new Set(rows.map((row) => row.dataset["row"]));
  expect(shown).toContain(idOf(7));
  const touched = new Set<string | undefined>();
  const observer = new MutationObserver((records) => {
    for (const { target } of records) {
      const element = target instanceof Element ? target : target.parentElement;
      touched.add(element?.closest<HTMLElement>("[data-row]")?.dataset["row"]);
    }
  });
  observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
  for (let number = 0; number < 10; number += 1) live.onState(event(number, 31 + number, 2));
  for (let number = 1000; number < 1500; number += 1) live.onState(event(number, 40, 2));
  await vi.waitFor(() => expect(document.querySelector(`[data-row="${idOf(7)}"]`)?.textContent).toContain("38"));
  await Promise.resolve();
  observer.disconnect();
  const changed = new Set(Array.from({ length: 10 }, (_, number) => idOf(number)));
  expect([...touched].filter((id) => id === undefined || !changed.has(id))).toEqual([]);
  expect([...document.querySelectorAll("[data-row]")].every((row, index) => row === rows[index])).toBe(true);
});
