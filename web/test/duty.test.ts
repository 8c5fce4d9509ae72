import { expect, test, vi } from "vitest";
import { forgotten } from "../src/duty/acknowledgementQueue";
import { fetchIncident, LinkRefused, NoAnswer, sendAcknowledgement, tokenOf } from "../src/duty/linkedIncident";
import { messageOf, pageOf, planFor, rings, stays } from "../src/duty/worker/policy";

const ORIGIN = "https://city.example";
const FILES = new Set(["/duty.html", "/assets/duty-abcdefgh.js"]);
const request = (path: string, mode = "cors", method = "GET") => ({ url: `${ORIGIN}${path}`, mode, method });
const plan = (...given: Parameters<typeof request>) => planFor(request(...given), ORIGIN, FILES);

test("the service worker keeps the files of the duty page, and leaves all other requests alone", () => {
  expect(plan("/assets/duty-abcdefgh.js")).toEqual({ cached: "/assets/duty-abcdefgh.js" });
  expect(plan("/duty", "navigate")).toEqual({ cached: "/duty.html" });
  expect(plan("/duty.html", "navigate")).toEqual({ cached: "/duty.html" });
  for (const path of ["/v1/alarms", "/v1/acknowledge/token-1", "/page.json", "/assets/index-abcdefgh.js", "/"]) expect(plan(path)).toBeUndefined();
  expect(plan("/", "navigate")).toBeUndefined();
  expect(plan("/assets/duty-abcdefgh.js", "cors", "POST")).toBeUndefined();
  expect(planFor({ ...request("/duty", "navigate"), url: "https://elsewhere.example/duty" }, ORIGIN, FILES)).toBeUndefined();
});

test("a link of a message that is opened goes to the incident on the duty page", () => {
  expect(plan("/v1/acknowledge/5kQ2.abc", "navigate")).toEqual({ redirect: "/duty#5kQ2.abc" });
  expect(plan("/v1/acknowledge/5kQ2.abc", "navigate", "POST")).toBeUndefined();
});

test("a notification opens its incident, and never a page of another origin", () => {
  expect(pageOf(`${ORIGIN}/v1/acknowledge/5kQ2`, ORIGIN)).toBe("/duty#5kQ2");
  expect(pageOf(`${ORIGIN}/?incident=a~b~1`, ORIGIN)).toBe("/?incident=a~b~1");
  expect(pageOf("https://elsewhere.example/v1/acknowledge/5kQ2", ORIGIN)).toBe("/duty");
  expect(pageOf("https://[", ORIGIN)).toBe("/duty");
});

test("a message that cannot be read is shown all the same", () => {
  expect(messageOf(undefined)).toMatchObject({ title: "LiveTwin", url: "/", tag: "livetwin" });
  expect(messageOf({ title: "MAJOR · High water", tag: "", severity: 4 })).toMatchObject({ title: "MAJOR · High water", tag: "livetwin", severity: "warning" });
});

test("the phone rings once for a message, and not for the end of an incident", () => {
  const message = messageOf({ severity: "major", notification: "n1" });
  expect(rings(message, [])).toBe(true);
  expect(rings(message, ["n1"])).toBe(false);
  expect(rings({ ...message, severity: "cleared" }, [])).toBe(false);
  expect([stays(message), stays({ ...message, severity: "minor" })]).toEqual([true, false]);
});

test("only what looks like a token is taken from the address", () => {
  expect(tokenOf("#5kQ2-abc_d.efg")).toBe("5kQ2-abc_d.efg");
  for (const fragment of ["", "#", "#short", "#../../v1/alarms", "#token?x=1", `#${"a".repeat(4001)}`]) expect(tokenOf(fragment)).toBeUndefined();
});

const answering = (status: number, body: unknown) =>
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(typeof body === "string" ? body : JSON.stringify(body), { status })));

test("a link that does not count any more says why, and is not tried again", async () => {
  answering(410, { errors: [{ code: "not-in-plan" }] });
  await expect(sendAcknowledgement("token-1234")).rejects.toEqual(new LinkRefused("not-in-plan"));
  answering(410, "<html>");
  await expect(fetchIncident("token-1234")).rejects.toEqual(new LinkRefused("expired"));
  answering(404, {});
  await expect(fetchIncident("token-1234")).rejects.toEqual(new LinkRefused("unknown"));
  vi.unstubAllGlobals();
});

test("a server that is busy, a proxy's page and no connection are no answer: it is sent again", async () => {
  for (const status of [429, 500, 503]) {
    answering(status, {});
    await expect(sendAcknowledgement("token-1234")).rejects.toBeInstanceOf(NoAnswer);
  }
  answering(200, "<html>a hotel's page</html>");
  await expect(sendAcknowledgement("token-1234")).rejects.toBeInstanceOf(NoAnswer);
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  await expect(sendAcknowledgement("token-1234")).rejects.toBeInstanceOf(NoAnswer);
  vi.unstubAllGlobals();
});

test("a phone keeps fifty acknowledgements, each for a week at most", () => {
  const DAY = 24 * 60 * 60 * 1000;
  const kept = Array.from({ length: 49 }, (_, index) => ({ token: `t${index}`, asked: 8 * DAY + index }));
  expect(forgotten(kept, 9 * DAY)).toEqual([]);
  expect(forgotten([...kept, { token: "newer", asked: 9 * DAY }], 9 * DAY).map((one) => one.token)).toEqual(["t0"]);
  expect(forgotten([{ token: "old", asked: DAY }, ...kept], 9 * DAY).map((one) => one.token)).toEqual(["old"]);
});
