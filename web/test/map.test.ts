import assert from "node:assert/strict";
import { test } from "vitest";
import { NO_SETTINGS, type PageSettings } from "../src/app/settings";
import type { Entity } from "../src/entities/entity";
import { backgroundOf, tileSource, wmtsTemplate } from "../src/map/backgroundStyle";
import { MAP_COLOURS } from "../src/map/mapColours";
import { cityFeatures, lookOf, type Appearance } from "../src/map/mapFeatures";
import { CHOICE_LAYERS, SITE_SOURCE, styleFor } from "../src/map/mapStyle";
import { classColour, classesOf, classOf, CLASS_COLOURS, CLASSES_MAX, rangeOf } from "../src/map/valueClasses";

const square = (size: number) => ({ type: "Polygon" as const, coordinates: [[[0, 0], [size, 0], [size, size], [0, size], [0, 0]]] });
const entity = (id: string, geometry: Entity["geometry"]): Entity => ({ id, type: "Site", name: id, parent: undefined, geometry, themes: ["environment"], properties: [] });
const point = (id: string, more: Partial<Appearance> = {}): Appearance => ({
  entity: entity(id, { type: "Point", coordinates: [4, 52] }),
  theme: "environment",
  freshness: "live",
  ...more,
});
const classes = classesOf("no2", []);

test("published classes have their edges, and an edge belongs to the lower class", () => {
  assert.deepEqual([0, 30, 30.1, 200, 201].map((value) => classOf(value, classes)), [0, 0, 1, 3, 4]);
  assert.deepEqual([0, 1, 4].map((number) => rangeOf(number, classes)), [[undefined, 30], [30, 75], [200, undefined]]);
  assert.equal(classes.names[4]?.nl, "zeer slecht");
});

test("other values have round steps between the lowest and the highest one, and say that they are no norm", () => {
  const steps = classesOf("water_level", [-0.62, -0.31, 0.4]);
  assert.deepEqual(steps.edges, [-0.5, -0.25, 0, 0.25]);
  assert.match(steps.source.en, /not a norm/);
  assert.deepEqual(classesOf("water_level", [1, 1]).edges, []);
  for (const high of [1e-9, 3, 7e12]) assert.ok(classesOf("x", [0, high]).edges.length < CLASSES_MAX);
});

test("the first and the last class have the first and the last colour", () => {
  const { light } = CLASS_COLOURS;
  assert.deepEqual([0, 4].map((number) => classColour(number, classes, "light")), [light[0], light.at(-1)]);
});

test("a place is coloured by its theme, or by the class of its value; grey is one without the value", () => {
  const colours = (...given: Parameters<typeof cityFeatures>) => cityFeatures(...given).points.map((one) => one.properties!["colour"]);
  const places = [point("a", { value: 10 }), point("b", { value: 250 }), point("c")];
  assert.equal(new Set(colours(places, undefined, "light")).size, 1);
  assert.deepEqual(colours(places, classes, "light"), [CLASS_COLOURS.light[0], CLASS_COLOURS.light.at(-1), MAP_COLOURS.light.border]);
  assert.deepEqual(colours([point("a", { theme: undefined })], classes, "light"), [""]);
});

test("small areas are drawn over large ones, and filled only by a value", () => {
  const areas = [1, 3, 2].map((size): Appearance => ({ ...point(String(size)), entity: entity(String(size), square(size)), value: 5, isFilled: size < 3 }));
  const shapes = (by?: typeof classes) => cityFeatures(areas, by, "light").shapes.map((one) => [one.properties!["id"], one.properties!["filled"]]);
  assert.deepEqual(shapes(classes), [["3", false], ["2", true], ["1", true]]);
  assert.ok(shapes().every(([, filled]) => filled === false));
});

test("a value that changes no class changes nothing to draw; doubt and freshness do", () => {
  const look = (more: Partial<Appearance>) => lookOf(cityFeatures([point("a", { value: 10, ...more })], classes, "light"));
  assert.equal(look({}), look({ value: 11 }));
  for (const more of [{ value: 31 }, { isDoubtful: true }, { freshness: "silent" as const }]) assert.notEqual(look({}), look(more));
});

test("each layer that can be chosen is in the style, and places are in clusters", () => {
  const style = styleFor("light", NO_SETTINGS);
  const ids = style.layers.map((one) => one.id);
  assert.deepEqual(CHOICE_LAYERS.filter((one) => !ids.includes(one)), []);
  assert.equal(new Set(ids).size, ids.length);
  // Whatever is pressed first lies over what is pressed later.
  const order = CHOICE_LAYERS.map((one) => ids.indexOf(one));
  assert.deepEqual(order, [...order].sort((one, other) => other - one));
  assert.ok((style.sources[SITE_SOURCE] as { cluster?: boolean }).cluster);
});

test("tiles of the settings come before the background of the folder, which comes before nothing", () => {
  const sourcesOf = (settings: Partial<PageSettings>) =>
    Object.values(backgroundOf({ ...NO_SETTINGS, ...settings }, "light", MAP_COLOURS.light).sources).map((one) => one.type);
  const background = "/city-files/1/background.geojson";
  assert.deepEqual(sourcesOf({}), []);
  assert.deepEqual(sourcesOf({ background }), ["geojson"]);
  assert.deepEqual(sourcesOf({ background, tiles: "https://tiles.example/{z}/{x}/{y}.png" }), ["raster"]);
  assert.equal(tileSource("https://tiles.example/{z}/{x}/{y}.pbf", "").type, "vector");
  assert.equal(wmtsTemplate("https://wmts.example/{TileMatrix}/{TileCol}/{TileRow}.png"), "https://wmts.example/{z}/{x}/{y}.png");
});
