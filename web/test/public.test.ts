import { expect, test, vi } from "vitest";
import { language } from "../src/language/language.svelte";
import { EXPLAINED, explainedOf, indicatorTexts } from "../src/public/indicatorTexts";
import { blocksOf } from "../src/public/markdown";
import { plain } from "../src/public/neighbourhoods";
import { fetchSensors, groupsOf, type RegisteredSensor } from "../src/public/sensorRegister";

test("a site text becomes headings, paragraphs, lists and links", () => {
  expect(blocksOf("## Contact\n\nMail [us](mailto:a@city.example) **now**,\nor call.\n\n- one\n- two")).toEqual([
    { kind: "heading", level: 2, content: [{ kind: "text", text: "Contact" }] },
    {
      kind: "paragraph",
      content: [
        { kind: "text", text: "Mail " },
        { kind: "link", text: "us", href: "mailto:a@city.example" },
        { kind: "text", text: " " },
        { kind: "strong", text: "now" },
        { kind: "text", text: ", or call." },
      ],
    },
    { kind: "list", items: [[{ kind: "text", text: "one" }], [{ kind: "text", text: "two" }]] },
  ]);
});

test("a link that could run a program stays text, and so does HTML", () => {
  expect(blocksOf("[x](javascript:alert) <b>y</b> [z](//elsewhere.example)")).toEqual([
    { kind: "paragraph", content: [{ kind: "text", text: "x" }, { kind: "text", text: " <b>y</b> " }, { kind: "text", text: "z" }] },
  ]);
});

test("each value is explained in both languages, in short sentences", () => {
  for (const code of ["nl", "en"] as const) {
    language.current = code;
    for (const name of EXPLAINED)
      for (const text of Object.values(indicatorTexts()[name]))
        // B1: a sentence is read once.
        for (const sentence of text.split(/(?<=[.!?]) /)) expect(sentence.split(" ").length, `${code} ${name}: ${sentence}`).toBeLessThanOrEqual(24);
  }
});

test("a roll-up is explained as what it rolls up, and other values are not explained", () => {
  expect([explainedOf("area_pm2_5"), explainedOf("pm2_5"), explainedOf("battery_level")]).toEqual(["pm2_5", "pm2_5", undefined]);
});

test("sensors with the same texts are one group, and others are not", () => {
  const sensor = (id: string, owner: string, since: string) =>
    ({ id, owner, since, kind: "noise", purpose: { nl: "a", en: "b" } }) as unknown as RegisteredSensor;
  const groups = groupsOf([sensor("a", "City", "2023-01-01"), sensor("b", "Others", "2023-01-01"), sensor("c", "City", "2024-01-01")]);
  expect(groups.map((one) => one.members.map((member) => member.id))).toEqual([["a", "c"], ["b"]]);
});

test("a neighbourhood is found without its accents and case", () => {
  expect(plain(" Oud-Overdié ")).toBe("oud-overdie");
});

test("a register that never ends is not read for ever", async () => {
  let pages = 0;
  vi.stubGlobal("fetch", () => {
    pages += 1;
    const items = Array.from({ length: 500 }, (_, index) => ({ id: `${pages}-${index}` }));
    const answer = { items, _links: { self: { href: "/v1/sensors" }, next: { href: `/v1/sensors?cursor=${pages}` } } };
    return Promise.resolve(new Response(JSON.stringify(answer), { headers: { "Content-Type": "application/json" } }));
  });
  expect(await fetchSensors("active", new AbortController().signal)).toHaveLength(20_000);
  expect(pages).toBe(40);
  vi.unstubAllGlobals();
});
