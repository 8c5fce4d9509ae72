import { expect, test } from "vitest";
import type { Entity } from "../src/entities/entity";
import { plain, resembles, SearchIndex } from "../src/entities/search";

const place = (id: string, name: string): Entity => ({
  id,
  type: "Neighbourhood",
  name,
  parent: undefined,
  geometry: undefined,
  themes: [],
  properties: [],
});

const index = new SearchIndex(
  [place("a", "Overdie"), place("b", "Oudorp"), place("c", "Café de Boom")],
  (one) => `${one.name} ${one.id === "a" ? "no2 stikstofdioxide nitrogen dioxide noise-overdie" : ""}`,
);

const names = (query: string) => index.find(query).entities.map((one) => one.name);

test("words are found in any order, in both languages, and in ids of sensors", () => {
  for (const query of ["overdie", "no2", "stikstof", "dioxide overdie", "noise-overdie"]) expect(names(query)).toEqual(["Overdie"]);
  expect(names("cafe")).toEqual(["Café de Boom"]);
  expect(names("")).toHaveLength(3);
});

test("with a typing error what resembles it is found, and says so", () => {
  expect(index.find("ovredie")).toMatchObject({ similar: true });
  expect(names("ovredie")).toEqual(["Overdie"]);
  expect(names("stikstofdiokside")).toEqual(["Overdie"]);
  expect(index.find("overdie").similar).toBe(false);
  expect(index.find("zwembad")).toEqual({ entities: [], similar: false });
});

test("short words must be right", () => {
  expect(resembles("no3", "no2")).toBe(false);
  expect(resembles("overdi", "overdie")).toBe(true);
  expect(plain("Gebíed")).toBe("gebied");
});
