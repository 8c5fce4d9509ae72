import assert from "node:assert/strict";
import { test } from "node:test";
import { UnexpectedAnswerError, LocalStorageCursorStore, MemoryCursorStore, ProblemError, type Connection } from "../src/index";
import { errorOf, json, problem, stateEvent, stream, take, TestServer, type Handler } from "./server";

const ids = (events: readonly { id: string }[]) => events.map((one) => one.id);

test("live: a cut at any byte loses no event and repeats none", async () => {
  const texts = ["1", "2", "3"].map(stateEvent);
  const whole = new TextEncoder().encode(texts.join(""));
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const resumed: Handler = (request, response) => {
      const after = Number(request.headers["last-event-id"] ?? 0);
      stream(texts.slice(after).join(""))(request, response);
    };
    await new TestServer(stream(whole.slice(0, cut), "cut"), resumed).run(async (twin, server) => {
      const events = await take(twin.live(), 3);
      assert.deepEqual(ids(events), ["1", "2", "3"], `cut at ${cut}`);
      assert.ok(server.requests.length <= 2);
      assert.equal(server.requests[0]!.headers["last-event-id"], undefined);
    });
  }
});

test("live: after an event without an id the one before still counts", async () => {
  const withoutId = stateEvent("").replace(/^id: \n/, "");
  await new TestServer(stream(stateEvent("1"), "end"), stream(withoutId, "end"), stream(stateEvent("2"))).run(
    async (twin, server) => {
      assert.deepEqual(ids(await take(twin.live(), 3)), ["1", "1", "2"]);
      assert.equal(server.requests[2]!.headers["last-event-id"], "1");
    },
  );
});

test("live: the query and the key are sent, and again when it resumes", async () => {
  await new TestServer(stream(stateEvent("1"), "end"), stream(stateEvent("2"))).run(
    async (twin, server) => {
      await take(twin.live({ property: ["pm2_5", "no2"], minChange: 0.5, events: ["snapshot", "state"] }), 2);
      for (const { url, headers } of server.requests) {
        assert.equal(url, "/v1/live?property=pm2_5&property=no2&minChange=0.5&events=snapshot&events=state");
        assert.equal(headers.authorization, "Bearer secret");
        assert.equal(headers.accept, "text/event-stream");
      }
      assert.equal(server.requests[1]!.headers["last-event-id"], "1");
    },
    { apiKey: "secret" },
  );
});

test("live: a snapshot says when it is complete, and a gap is passed on", async () => {
  const text =
    'id: 1\nevent: snapshot\ndata: {"complete":true}\n\n' +
    'id: 2\nevent: gap\ndata: {"reason":"log-truncated","detail":"too old"}\n\n';
  await new TestServer(stream(text)).run(async (twin) => {
    const [snapshot, gap] = await take(twin.live(), 2);
    assert.ok(snapshot?.event === "snapshot" && snapshot.data.complete === true);
    assert.ok(gap?.event === "gap");
    assert.equal(gap.data.reason, "log-truncated");
  });
});

test("live: heartbeats are asked for, have types, and the stream resumes behind them", async () => {
  const heartbeat =
    'id: 2\nevent: heartbeat\n' +
    'data: {"time":"2026-11-23T12:00:05Z","caughtUpTime":"2026-11-23T12:00:04Z","updateTime":null}\n\n';
  await new TestServer(stream(stateEvent("1") + heartbeat, "end"), stream(stateEvent("3"))).run(
    async (twin, server) => {
      const [, found] = await take(twin.live({ heartbeat: "PT5S" }), 3);
      assert.ok(found?.event === "heartbeat");
      assert.equal(found.data.caughtUpTime, "2026-11-23T12:00:04Z");
      assert.equal(found.data.updateTime, null);
      assert.equal(server.requests[1]!.url, "/v1/live?heartbeat=PT5S");
      assert.equal(server.requests[1]!.headers["last-event-id"], "2");
    },
  );
});

test("live: events of a kind that is not known yet are left out", async () => {
  const text = `id: 1\nevent: forecast\ndata: {}\n\n${stateEvent("2")}`;
  await new TestServer(stream(text)).run(async (twin) => {
    assert.deepEqual(ids(await take(twin.live(), 1)), ["2"]);
  });
});

test("live: waits double up to a limit, and begin anew after an event", async () => {
  const handlers = [...Array<Handler>(7).fill(problem(502)), stream(stateEvent("1"), "end"), stream(stateEvent("2"))];
  await new TestServer(...handlers).run(async (twin, server) => {
    await take(twin.live(), 2);
    assert.deepEqual(server.timers.waits, [999.5, 1999, 3998, 7996, 15_992, 29_985, 29_985, 999.5]);
  }, { random: () => 0.999 });
});

test("live: half of a wait is random", async () => {
  await new TestServer(problem(500), stream(stateEvent("1"))).run(async (twin, server) => {
    await take(twin.live(), 1);
    assert.deepEqual(server.timers.waits, [500]);
  }, { random: () => 0 });
});

test("live: the wait that the server asks for is kept", async () => {
  for (const status of [429, 503])
    await new TestServer(problem(status, { "Retry-After": "7" }), stream(stateEvent("1"))).run(async (twin, server) => {
      await take(twin.live(), 1);
      assert.deepEqual(server.timers.waits, [7500]);
    }, { random: () => 0 });
});

test("live: an unreasonable wait is shortened", async () => {
  await new TestServer(problem(503, { "Retry-After": "864000" }), stream(stateEvent("1"))).run(async (twin, server) => {
    await take(twin.live(), 1);
    assert.deepEqual(server.timers.waits, [300_500]);
  }, { random: () => 0 });
});

test("live: retry of the stream is the first wait", async () => {
  await new TestServer(stream(`retry: 4000\n${stateEvent("1")}`, "end"), stream(stateEvent("2"))).run(
    async (twin, server) => {
      await take(twin.live(), 2);
      assert.deepEqual(server.timers.waits, [4000]);
    },
  );
});

test("live: a refusal is raised with its problem, and not repeated", async () => {
  for (const status of [400, 401, 403, 406])
    await new TestServer(problem(status)).run(async (twin, server) => {
      const refused = await errorOf(take(twin.live(), 1));
      assert.ok(refused instanceof ProblemError);
      assert.equal(refused.status, status);
      assert.equal(refused.problem?.detail, `found ${status}`);
      assert.equal(server.requests.length, 1);
    });
});

test("live: an answer of something else is raised", async () => {
  await new TestServer(json({})).run(async (twin) => {
    await assert.rejects(take(twin.live(), 1), UnexpectedAnswerError);
  });
  await new TestServer(stream("event: state\ndata: {\n\n")).run(async (twin) => {
    await assert.rejects(take(twin.live(), 1), UnexpectedAnswerError);
  });
});

test("live: a connection on which nothing comes is given up, and resumed", async () => {
  await new TestServer(stream(stateEvent("1")), stream(stateEvent("2"))).run(async (twin, server) => {
    const states: Connection[] = [];
    const events = twin.live({}, { onConnection: (state) => states.push(state) });
    assert.equal((await events.next()).value?.id, "1");
    const second = events.next();
    while (server.timers.watching.size === 0) await new Promise(setImmediate);
    server.timers.expire();
    assert.equal((await second).value?.id, "2");
    assert.deepEqual(states, ["connecting", "open", "lost", "connecting", "open"]);
    assert.equal(server.requests[1]!.headers["last-event-id"], "1");
    await events.return();
  });
});

test("live: the cursor is saved after the work on an event", async () => {
  const store = new MemoryCursorStore();
  await new TestServer(stream(["1", "2", "3"].map(stateEvent).join(""))).run(async (twin) => {
    for await (const event of twin.live({}, { cursorStore: store })) {
      assert.equal(store.load(), event.id === "1" ? undefined : String(Number(event.id) - 1));
      if (event.id === "3") break;
    }
    assert.equal(store.load(), "2");
  });
  await new TestServer(stream(stateEvent("3"))).run(async (twin, server) => {
    await take(twin.live({}, { cursorStore: store }), 1);
    assert.equal(server.requests[0]!.headers["last-event-id"], "2");
  });
});

test("live: a cursor in the query comes before a stored one", async () => {
  const store = new MemoryCursorStore();
  store.save("1");
  await new TestServer(stream(stateEvent("8"))).run(async (twin, server) => {
    await take(twin.live({ cursor: "7" }, { cursorStore: store }), 1);
    assert.equal(server.requests[0]!.headers["last-event-id"], "7");
    assert.equal(server.requests[0]!.url, "/v1/live");
  });
});

test("live: a cursor that cannot be saved is an error of the caller, not of the connection", async () => {
  const cursorStore = { load: () => undefined, save: () => Promise.reject(new Error("disk full")) };
  await new TestServer(stream(stateEvent("1") + stateEvent("2"))).run(async (twin, server) => {
    await assert.rejects(take(twin.live({}, { cursorStore }), 2), /disk full/);
    assert.equal(server.requests.length, 1);
  });
});

test("live: a storage keeps the cursor under its key", () => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
  const store = new LocalStorageCursorStore("air", storage);
  assert.equal(store.load(), undefined);
  store.save("7");
  assert.equal(new LocalStorageCursorStore("air", storage).load(), "7");
  assert.equal(new LocalStorageCursorStore("noise", storage).load(), undefined);
});

test("live: aborting ends the stream with the reason, at each point", async () => {
  const reason = new Error("enough");
  await new TestServer(stream(stateEvent("1"))).run(async (twin) => {
    await assert.rejects(take(twin.live({}, { signal: AbortSignal.abort(reason) }), 1), reason);
    const waiting = new AbortController();
    const events = twin.live({}, { signal: waiting.signal });
    await events.next();
    const next = events.next();
    waiting.abort(reason);
    await assert.rejects(next, reason);
  });
  const between = new AbortController();
  await new TestServer(problem(503)).run(async (twin) => {
    const onConnection = (state: Connection) => state === "lost" && between.abort(reason);
    await assert.rejects(take(twin.live({}, { signal: between.signal, onConnection }), 1), reason);
  });
});

test("live: leaving the loop closes the connection", async () => {
  let closed: () => void;
  const left = new Promise<void>((resolve) => (closed = resolve));
  const handler: Handler = (request, response) => {
    response.on("close", () => closed());
    stream(stateEvent("1"))(request, response);
  };
  await new TestServer(handler).run(async (twin) => {
    await take(twin.live(), 1);
    await left;
  });
});
