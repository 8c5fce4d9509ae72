import assert from "node:assert/strict";
import { test } from "node:test";
import {
  UnexpectedAnswerError,
  ConnectionError,
  LiveTwin,
  ProblemError,
  type Answer,
  type GetAddress,
  type PostAddress,
  type Schemas,
} from "../src/index";
import { errorOf, json, problem, TestServer, type Handler } from "./server";

/** Addresses whose answer has no type: there must be none, or the next line is no program. */
type Untyped =
  | { [A in GetAddress]: unknown extends Answer<A> ? A : never }[GetAddress]
  | { [A in PostAddress]: unknown extends Answer<A, "post"> ? A : never }[PostAddress];
const ALL_TYPED: [Untyped] extends [never] ? true : Untyped = true;

test("types: addresses, parameters and answers are checked", () => {
  assert.ok(ALL_TYPED);
  const checked = async (twin: LiveTwin) => {
    const entity: Schemas["Entity"] = await twin.get("/v1/entities/{id}", { id: "a" });
    const feature: Schemas["EntityFeature"] = await twin.get(
      "/v1/entities/{id}",
      { id: "a" },
      { accept: "application/geo+json" },
    );
    for await (const page of twin.history("a", { property: "no2", interval: "PT1H" })) page.buckets?.at(0)?.mean;
    for await (const rule of twin.items("/v1/rules")) rule.title.nl.toUpperCase();
    // @ts-expect-error: it has no pages
    for await (const item of twin.items("/v1/health/live")) return item;
    // @ts-expect-error: there is no such address
    await twin.get("/v1/entitys");
    // @ts-expect-error: an id is missing
    await twin.get("/v1/entities/{id}");
    // @ts-expect-error: there is no such parameter
    await twin.get("/v1/alarms", { colour: "red" });
    // @ts-expect-error: there is no such kind of event
    for await (const event of twin.live({ events: ["forecast"] })) return event;
    return [entity, feature];
  };
  assert.equal(typeof checked, "function");
});

test("get: parameters go where they belong", async () => {
  await new TestServer(json({ id: "x" })).run(
    async (twin, server) => {
      assert.deepEqual(await twin.get("/v1/entities/{id}", { id: "city.a/b" }), { id: "x" });
      await twin.get("/v1/alarms", { state: ["unacknowledged", "shelved"], active: true });
      await twin.get("/v1/entities", {}, { accept: "application/geo+json" });
      assert.deepEqual(
        server.requests.map((one) => one.url),
        ["/v1/entities/city.a%2Fb", "/v1/alarms?state=unacknowledged&state=shelved&active=true", "/v1/entities"],
      );
      assert.equal(server.requests[0]!.headers.authorization, "Bearer k2");
      assert.equal(server.requests[2]!.headers.accept, "application/geo+json");
      await assert.rejects(twin.get("/v1/entities/{id}", { id: "" }), /id is missing/);
    },
    { apiKey: () => "k2" },
  );
});

test("get: a path before the API stays", async () => {
  await new TestServer(json({})).run(async (_, server) => {
    await new LiveTwin({ baseUrl: `${server.baseUrl}/twin/` }).get("/v1/health/live");
    assert.equal(server.requests[0]!.url, "/twin/v1/health/live");
    assert.equal(server.requests[0]!.headers.authorization, undefined);
  });
});

test("get: 429 and 503 are repeated after the wait that the server asks for, so often and not more", async () => {
  await new TestServer(problem(429, { "Retry-After": "3" }), problem(503), json({ items: [] })).run(
    async (twin, server) => {
      assert.deepEqual(await twin.get("/v1/rules"), { items: [] });
      assert.deepEqual(server.timers.waits, [3500, 1000]);
    },
    { random: () => 0 },
  );
  await new TestServer(problem(503)).run(async (twin, server) => {
    await assert.rejects(twin.get("/v1/rules"), ProblemError);
    assert.equal(server.requests.length, 3);
  }, { retries: 2 });
});

test("get: Retry-After may be a time", async () => {
  const headers = { Date: "Mon, 23 Nov 2026 12:00:00 GMT", "Retry-After": "Mon, 23 Nov 2026 12:00:05 GMT" };
  await new TestServer(problem(503, headers)).run(async (twin) => {
    const refused = await errorOf(twin.get("/v1/rules"));
    assert.equal((refused as ProblemError).retryAfterMs, 5000);
  }, { retries: 0 });
});

test("get: other refusals are raised at once", async () => {
  await new TestServer(problem(404)).run(async (twin, server) => {
    const refused = await errorOf(twin.get("/v1/entities/{id}", { id: "x" }));
    assert.ok(refused instanceof ProblemError && refused.status === 404 && refused.message === "found 404");
    assert.equal(server.requests.length, 1);
  });
});

test("get: no answer, an endless one and one of something else", async () => {
  const cut: Handler = (request) => request.socket.destroy();
  await new TestServer(cut).run(async (twin, server) => {
    await assert.rejects(twin.get("/v1/rules"), ConnectionError);
    assert.equal(server.requests.length, 4);
  });
  const silent: Handler = () => undefined;
  await new TestServer(silent).run(async (twin, server) => {
    const asked = assert.rejects(twin.get("/v1/rules"), /nothing came/);
    while (server.requests.length === 0) await new Promise(setImmediate);
    server.timers.expire();
    await asked;
  }, { retries: 0 });
  const html: Handler = (_, response) => void response.writeHead(200).end("<p>Sign in</p>");
  await new TestServer(html).run(async (twin) => {
    await assert.rejects(twin.get("/v1/rules"), UnexpectedAnswerError);
  });
  const htmlProblem: Handler = (_, response) => void response.writeHead(403).end("<p>Sign in</p>");
  await new TestServer(htmlProblem).run(async (twin) => {
    const refused = await errorOf(twin.get("/v1/rules"));
    assert.ok(refused instanceof ProblemError && refused.problem === undefined && refused.status === 403);
  });
});

test("get: aborting raises the reason", async () => {
  const reason = new Error("enough");
  await new TestServer(json({})).run(async (twin, server) => {
    await assert.rejects(twin.get("/v1/rules", {}, { signal: AbortSignal.abort(reason) }), reason);
    assert.equal(server.requests.length, 0);
  }, { retries: 0 });
});

const page = (member: string, items: unknown[], next?: string): Handler =>
  json({ [member]: items, _links: { self: { href: "/v1/x" }, ...(next === undefined ? {} : { next: { href: next } }) } });

test("pages: links are followed to the last one", async () => {
  const first = page("items", [{ id: "a" }, { id: "b" }], "/v1/entities?limit=2&cursor=c1");
  await new TestServer(first, page("items", [], "/v1/entities?limit=2&cursor=c2"), page("items", [{ id: "c" }])).run(
    async (twin, server) => {
      const found: string[] = [];
      for await (const entity of twin.entities({ limit: 2 })) found.push(entity.id);
      assert.deepEqual(found, ["a", "b", "c"]);
      assert.deepEqual(
        server.requests.map((one) => one.url),
        ["/v1/entities?limit=2", "/v1/entities?limit=2&cursor=c1", "/v1/entities?limit=2&cursor=c2"],
      );
    },
  );
});

test("pages: what is not asked for is not fetched", async () => {
  await new TestServer(page("items", [{ id: "a" }, { id: "b" }], "/v1/alarms?cursor=c1")).run(async (twin, server) => {
    for await (const alarm of twin.alarms()) if (alarm.id === "a") break;
    assert.equal(server.requests.length, 1);
  });
});

test("pages: a history has several", async () => {
  const next = "/v1/entities/city.a/history?property=no2&cursor=c1";
  await new TestServer(page("buckets", [{ mean: 1 }], next), page("buckets", [{ mean: 2 }])).run(async (twin, server) => {
    const means: unknown[] = [];
    for await (const { buckets } of twin.history("city.a", { property: "no2", interval: "PT1H" }))
      means.push(...buckets!.map((one) => one.mean));
    assert.deepEqual(means, [1, 2]);
    assert.equal(server.requests[0]!.url, "/v1/entities/city.a/history?property=no2&interval=PT1H");
  });
});

test("pages: a link to another server, or to the same page, is refused", async () => {
  for (const next of ["https://elsewhere.example/v1/entities", "/v1/entities"])
    await new TestServer(page("items", [{ id: "a" }], next)).run(async (twin, server) => {
      const all = async () => {
        for await (const entity of twin.entities()) assert.equal(entity.id, "a");
      };
      await assert.rejects(all(), UnexpectedAnswerError);
      assert.equal(server.requests.length, 1);
    }, { apiKey: "secret" });
});

test("follow: a link of the same server", async () => {
  await new TestServer(json({ a: 1 })).run(async (twin, server) => {
    assert.deepEqual(await twin.follow("/v1/entities/x/provenance?property=no2"), { a: 1 });
    assert.equal(server.requests[0]!.url, "/v1/entities/x/provenance?property=no2");
    await assert.rejects(twin.follow("//elsewhere.example/"), UnexpectedAnswerError);
  });
});

test("post: it is repeated only with a key that makes it one", async () => {
  const id = "high-water~a";
  await new TestServer(problem(503), json({ id }, 202)).run(async (twin, server) => {
    const answer = await twin.post("/v1/alarms/{id}/_shelve", { id }, { duration: "PT2H" }, { idempotencyKey: "7f" });
    assert.equal(answer.status, 202);
    assert.equal(server.requests.length, 2);
    for (const { url, headers, body } of server.requests) {
      assert.equal(url, "/v1/alarms/high-water~a/_shelve");
      assert.equal(headers["idempotency-key"], "7f");
      assert.equal(headers["content-type"], "application/json");
      assert.equal(body, '{"duration":"PT2H"}');
    }
  });
  await new TestServer(problem(503)).run(async (twin, server) => {
    await assert.rejects(twin.post("/v1/alarms/{id}/_acknowledge", { id }), ProblemError);
    assert.equal(server.requests.length, 1);
  });
});
