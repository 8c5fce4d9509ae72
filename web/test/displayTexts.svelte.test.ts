import { afterEach, expect, test, vi } from "vitest";
import { DisplayTexts } from "../src/duty/displayTexts.svelte";
import { language } from "../src/language/language.svelte";

const TEXTS = { city: { name: "Alkmaar", timezone: "Europe/Amsterdam" }, names: {}, unitSymbols: { "ug/m3": "µg/m³" } };

afterEach(() => {
  localStorage.clear();
  language.timezone = undefined;
  vi.unstubAllGlobals();
});

test("without a connection times are in the zone that the phone learned before", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve(Response.json(TEXTS)));
  await new DisplayTexts().fetch();
  language.timezone = undefined;
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("offline")));
  const texts = new DisplayTexts();
  await texts.fetch();
  expect([language.timezone, texts.city, texts.unitOf("ug/m3")]).toEqual(["Europe/Amsterdam", "Alkmaar", "\u202fµg/m³"]);
});

test("what the phone cannot read is as if it had kept nothing", async () => {
  localStorage.setItem("livetwin-texts", "{");
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("offline")));
  const texts = new DisplayTexts();
  await texts.fetch();
  expect([language.timezone, texts.city]).toEqual([undefined, undefined]);
});
