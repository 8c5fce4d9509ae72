import assert from "node:assert/strict";
import { test } from "vitest";
import type { Alarm } from "../src/alarms/alarm";
import { NO_SETTINGS, type PageSettings } from "../src/app/settings";
import type { Entity } from "../src/entities/entity";
import type { Value } from "../src/live/entityValues";
import { appearanceOf, type Appearance } from "../src/map/appearance";
import { backgroundOf, tileSource, wmtsTemplate } from "../src/map/backgroundStyle";
import { MAP_COLOURS } from "../src/map/mapColours";
import { alarmFeatures, cityFeatures, lookOf } from "../src/map/mapFeatures";
import { EDGE, fitPadding } from "../src/map/mapFit";
import { IMAGES } from "../src/map/mapImages";
import { CHOICE_LAYERS, styleFor } from "../src/map/mapStyle";
import { namesOf, shownValuesOf } from "../src/map/shownValues";
import { SITE_SOURCE } from "../src/map/styleExpressions";
import type { Theme } from "../src/map/theme";
import { classColour, classesOf, classOf, CLASS_COLOURS, CLASSES_MAX, decimalsOf, rangeOf } from "../src/map/valueClasses";

const square = (size: number) => ({ type: "Polygon" as const, coordinates: [[[0, 0], [size, 0], [size, size], [0, size], [0, 0]]] });
const entity = (id: string, geometry: Entity["geometry"]): Entity => ({ id, type: "Site", name: id, parent: undefined, geometry, themes: ["environment"], properties: [] });
const point = (id: string, more: Partial<Appearance> = {}): Appearance => ({
  entity: entity(id, { type: "Point", coordinates: [4, 52] }),
  theme: "environment",
  freshness: "live",
  ...more,
});
const classes = classesOf("no2", []);
const value = (number: number, more: Partial<Value> = {}): Value => ({
  value: number,
  unit: "ug/m3",
  phenomenonTime: 1000,
  quality: "good",
  freshness: "live",
  revision: 1,
  count: 1,
  lastGood: undefined,
  ...more,
});
const alarm = (more: Partial<Alarm>): Alarm => ({
  id: "high~a",
  revision: 1,
  entityId: "a",
  severity: "major",
  state: "unacknowledged",
  active: true,
  raisedTime: 0,
  shelvedUntil: undefined,
  cause: "high",
  area: "city",
  sentence: { en: "", nl: "" },
  rule: "high",
  occurrence: 1,
  theme: "environment",
  compared: undefined,
  ...more,
});

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

test("edges that lie close to each other are told apart by their decimals", () => {
  assert.equal(decimalsOf(classes), 0);
  const steps = classesOf("air_pressure", [1000, 1000.9]);
  assert.deepEqual(steps.edges, [1000.2, 1000.4, 1000.6, 1000.8]);
  assert.equal(decimalsOf(steps), 1);
  assert.equal(new Set(steps.edges.map((edge) => edge.toFixed(decimalsOf(steps)))).size, steps.edges.length);
});

test("a state has a class for each of its names", () => {
  assert.deepEqual([0, 1].map((state) => classesOf("pump_state", [0, 1]).names[classOf(state, classesOf("pump_state", []))]?.en), ["off", "on"]);
});

test("the first and the last class have the first and the last colour", () => {
  const { light } = CLASS_COLOURS;
  assert.deepEqual([0, 4].map((number) => classColour(number, classes, "light")), [light[0], light.at(-1)]);
});

test("a place is coloured by its theme, or by the class of its value; grey is one without the value", () => {
  const colours = (...given: Parameters<typeof cityFeatures>) => cityFeatures(...given).points.map((one) => one.properties!["colour"]);
  const places = [point("a", { value: 10 }), point("b", { value: 250 }), point("c")];
  assert.equal(new Set(colours(places, undefined, "light")).size, 1);
  assert.deepEqual(colours(places, classes, "light"), [CLASS_COLOURS.light[0], CLASS_COLOURS.light.at(-1), MAP_COLOURS.light.lacking]);
  assert.deepEqual(colours([point("a", { theme: undefined })], classes, "light"), [""]);
});

test("an area without a value of its own has its roll-up, and one around smaller ones with a value is covered", () => {
  const area = (id: string, parent?: string): [string, Entity] => [id, { ...entity(id, square(1)), parent }];
  const site: [string, Entity] = ["site", { ...entity("site", { type: "Point", coordinates: [4, 52] }), parent: "west" }];
  const entities = new Map([area("city"), area("west", "city"), area("east", "city"), area("quiet", "east"), site]);
  const has: Record<string, [string, Value][]> = {
    city: [["area_no2", value(20)]],
    west: [["area_no2", value(31, { phenomenonTime: 3000 })]],
    east: [["no2", value(5)], ["area_no2", value(6)]],
    quiet: [["area_pm10", value(1)]],
    site: [["no2", value(31, { quality: "suspect", freshness: "stale" })]],
  };
  const valuesOf = (id: string) => new Map(has[id]);
  const shown = shownValuesOf("no2", entities, valuesOf);
  assert.deepEqual([...shown.byEntity].map(([id, one]) => [id, one.value]), [["city", 20], ["west", 31], ["east", 5], ["site", 31]]);
  assert.deepEqual([...shown.covered], ["city"]);
  assert.deepEqual([shown.unit, shown.newest], ["ug/m3", 3000]);
  assert.deepEqual([...namesOf(entities, valuesOf).keys()], ["no2", "pm10"]);
  const look = (id: string) => {
    const { value: number, freshness, isDoubtful } = appearanceOf(entities.get(id)!, { theme: "environment", freshness: "live", values: valuesOf(id) }, shown);
    return [number, freshness, isDoubtful];
  };
  assert.deepEqual(look("site"), [31, "stale", true]);
  assert.deepEqual(look("west"), [31, "live", false]);
  assert.deepEqual([look("city"), look("quiet")], [[undefined, "live", undefined], [undefined, "live", undefined]]);
});

test("by theme a place is in doubt when one of its values is", () => {
  const look = (quality: string) => appearanceOf(entity("a", undefined), { theme: "water", freshness: "live", values: new Map([["no2", value(1, { quality })]]) }, undefined);
  assert.deepEqual(["good", "suspect", "maintenance"].map((quality) => look(quality).isDoubtful), [false, true, false]);
});

test("small areas are drawn over large ones, and tinted by their value, else by their theme, else not", () => {
  const areas = [1, 3, 2].map((size): Appearance => ({ ...point(String(size)), entity: entity(String(size), square(size)), ...(size < 3 ? { value: 5 } : {}) }));
  const shapes = (by?: typeof classes) => cityFeatures(areas, by, "light").shapes.map((one) => [one.properties!["id"], one.properties!["tint"]]);
  assert.deepEqual(shapes(classes), [["3", ""], ["2", "value"], ["1", "value"]]);
  assert.deepEqual(shapes().map(([, tint]) => tint), ["theme", "theme", "theme"]);
});

test("a value that changes no class changes nothing to draw; doubt and freshness do", () => {
  const look = (more: Partial<Appearance>) => lookOf(cityFeatures([point("a", { value: 10, ...more })], classes, "light"));
  assert.equal(look({}), look({ value: 11 }));
  for (const more of [{ value: 31 }, { isDoubtful: true }, { freshness: "silent" as const }]) assert.notEqual(look({}), look(more));
});

test("an alarm has the sign of its priority at its place, with a halo while it waits, and an outline when it is over", () => {
  const marks = (more: Partial<Alarm>) => alarmFeatures([point("a"), point("b")], new Map([["a", alarm(more)]])).map(({ properties }) => properties!);
  const look = (more: Partial<Alarm>) => marks(more).map(({ image, waits, rank }) => [image, waits, rank]);
  assert.deepEqual(look({}), [["alarm-major", true, 3]]);
  assert.deepEqual(look({ severity: "critical", state: "acknowledged" }), [["alarm-critical", false, 4]]);
  assert.deepEqual(look({ state: "returned-unacknowledged", active: false }), [["alarm-major-well", true, 3]]);
  for (const { image } of [...marks({}), ...marks({ active: false })]) assert.ok(IMAGES.includes(String(image)));
});

test("the first view lies beside or above the legend, whichever leaves more of the map", () => {
  const edges = { top: EDGE, right: EDGE, bottom: EDGE, left: EDGE };
  assert.deepEqual(fitPadding({ width: 944, height: 700 }, undefined), edges);
  assert.deepEqual(fitPadding({ width: 944, height: 700 }, { width: 280, height: 500 }), { ...edges, left: EDGE + 280 });
  assert.deepEqual(fitPadding({ width: 944, height: 700 }, { width: 280, height: 90 }), { ...edges, bottom: EDGE + 90 });
  // A legend that leaves no room does not make the city a dot.
  assert.deepEqual(fitPadding({ width: 320, height: 190 }, { width: 256, height: 174 }), { top: 19, right: 32, bottom: 19, left: 32 });
});

test("a value belongs to the theme that most of its entities have", () => {
  const of = (id: string, ...themes: Theme[]): [string, Entity] => [id, { ...entity(id, square(1)), themes }];
  const entities = new Map([of("town", "mobility", "environment"), of("station", "environment"), of("loop", "mobility"), of("bare")]);
  const has: Record<string, string[]> = { town: ["area_no2", "flow"], station: ["no2"], loop: ["flow"], bare: ["mass"] };
  const valuesOf = (id: string) => new Map(has[id]!.map((name): [string, Value] => [name, value(1)]));
  assert.deepEqual([...namesOf(entities, valuesOf)], [["no2", "environment"], ["flow", "mobility"], ["mass", undefined]]);
});

test("a cluster has the colour of the highest class of its places, and none without a class", () => {
  const { points } = cityFeatures([point("clean", { value: 10 }), point("dirty", { value: 250 }), point("none")], classes, "light");
  const shades = points.map((one) => Number(one.properties!["shade"]));
  assert.deepEqual(shades, [0, 5, -1]);
  const layer = styleFor("light", NO_SETTINGS).layers.find((one) => one.id === "cluster-class");
  const colours = (layer?.paint as { "circle-color": unknown[] })["circle-color"];
  assert.equal(colours[colours.indexOf(Math.max(...shades)) + 1], CLASS_COLOURS.light[5]);
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
  // Nothing hides an alarm.
  assert.deepEqual(ids.slice(-2), ["alarm-halo", "alarm"]);
});

test("tiles of the settings come before the background of the folder, which comes before nothing", () => {
  const sourcesOf = (settings: Partial<PageSettings>) =>
    Object.values(backgroundOf({ ...NO_SETTINGS, ...settings }, "light", MAP_COLOURS.light).sources).map((one) => one.type);
  const background = "/city-files/1/background.geojson";
  assert.deepEqual(sourcesOf({}), []);
  assert.deepEqual(sourcesOf({ background }), ["geojson"]);
  assert.deepEqual(sourcesOf({ background, tiles: "https://tiles.example/{z}/{x}/{y}.png" }), ["raster"]);
  for (const vector of ["{z}/{x}/{y}.pbf", "{z}/{y}/{x}?f=mvt"]) assert.equal(tileSource(`https://tiles.example/${vector}`, "").type, "vector");
  assert.equal(wmtsTemplate("https://wmts.example/{TileMatrix}/{TileCol}/{TileRow}.png"), "https://wmts.example/{z}/{x}/{y}.png");
});

test("the ground lies below the background, which lies below places, and names of water yield to those of places", () => {
  const layers = (settings: Partial<PageSettings>) => styleFor("dark", { ...NO_SETTINGS, ...settings }).layers.map((one) => one.id);
  const drawn = layers({ background: "/city-files/1/background.geojson" });
  const order = ["beyond", "land", "background-water", "border", "area", "background-lake-name", "background-water-name", "cluster", "site", "site-name", "chosen-name", "alarm"];
  assert.deepEqual(drawn.filter((id) => order.includes(id)), order);
  // Tiles have a ground and names of their own.
  const tiled = layers({ tiles: "https://tiles.example/{z}/{x}/{y}.png" });
  assert.deepEqual(["land", "road", "background-name"].filter((id) => tiled.includes(id)), []);
});

test("the background says whose it is", () => {
  const sourceOf = (settings: Partial<PageSettings>) =>
    Object.values(backgroundOf({ ...NO_SETTINGS, attribution: "city of Alkmaar", ...settings }, "light", MAP_COLOURS.light).sources)[0];
  for (const settings of [{ background: "/background.geojson" }, { tiles: "https://tiles.example/{z}/{x}/{y}.pbf" }])
    assert.equal((sourceOf(settings) as { attribution?: string }).attribution, "city of Alkmaar");
});
