import { afterEach, expect, test } from "vitest";
import { ageText, durationText, numberText, timeText } from "../src/language/format";
import { language, languageOf } from "../src/language/language.svelte";

afterEach(() => {
  language.current = "en";
  language.timezone = undefined;
});

test("numbers and ages are those of the language", () => {
  expect(numberText(1234.5)).toBe("1,235");
  expect(ageText(0, 7_200_000)).toBe("2 h ago");
  language.current = "nl";
  expect(numberText(1234.5)).toBe("1.235");
  expect(numberText(8.42)).toBe("8,42");
  expect(ageText(0, 7_200_000)).toBe("2 uur geleden");
  expect(durationText(45_000)).toBe("45 s");
});

test("the hour that comes twice in autumn is named", () => {
  language.timezone = "Europe/Amsterdam";
  const summer = timeText(Date.parse("2026-10-25T00:30:00Z"), "clock");
  const winter = timeText(Date.parse("2026-10-25T01:30:00Z"), "clock");
  expect([summer, winter]).toEqual(["02:30 CEST", "02:30 CET"]);
  expect(timeText(Date.parse("2026-10-25T02:30:00Z"), "clock")).toBe("03:30");
  expect(timeText(Date.parse("2026-10-24T23:30:00Z"), "clock")).toBe("01:30");
});

test("the language is that of the link, else that of the city", () => {
  language.begin("en", "nl");
  expect(language.current).toBe("en");
  language.begin(undefined, "nl");
  expect(language.current).toBe("nl");
  expect(languageOf("nl-BE")).toBe("nl");
  expect(languageOf("fr")).toBeUndefined();
});
