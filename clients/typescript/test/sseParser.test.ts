import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_CHARS_MAX, SseParser } from "../src/sseParser";

/** What a stream means: name, stream, expected [event, data, id]. HTML Living Standard, section 9.2.6. */
const STREAMS: readonly [string, string, readonly (readonly [string, string, string])[]][] = [
  ["one event", "id: 1\nevent: state\ndata: {}\n\n", [["state", "{}", "1"]]],
  ["lines of data are joined", "data: a\ndata: b\n\n", [["message", "a\nb", ""]]],
  ["only one space is removed", "data:  a\ndata:b\n\n", [["message", " a\nb", ""]]],
  ["a comment is nothing", ": alive\n\n:\n\ndata: a\n: between\n\n", [["message", "a", ""]]],
  ["without data there is no event", "id: 1\nevent: state\n\ndata: a\n\n", [["message", "a", "1"]]],
  ["a field without a colon is empty", "data\n\ndata\ndata\n\n", [["message", "", ""], ["message", "\n", ""]]],
  ["an unfinished event is none", "data: a\n\ndata: b\n", [["message", "a", ""]]],
  ["the id stays", "id: 1\ndata: a\n\ndata: b\n\n", [["message", "a", "1"], ["message", "b", "1"]]],
  ["an empty id resets it", "id: 1\ndata: a\n\nid\ndata: b\n\n", [["message", "a", "1"], ["message", "b", ""]]],
  ["an id with NUL is ignored", "id: 1\ndata: a\n\nid: \0\ndata: b\n\n", [["message", "a", "1"], ["message", "b", "1"]]],
  ["the name does not stay", "event: x\ndata: a\n\ndata: b\n\n", [["x", "a", ""], ["message", "b", ""]]],
  ["an empty name is message", "event: x\nevent\ndata: a\n\n", [["message", "a", ""]]],
  ["carriage returns", "id: 1\rdata: a\r\rdata: b\r\r", [["message", "a", "1"], ["message", "b", "1"]]],
  ["both", "event: x\r\ndata: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [["x", "a\nb", ""], ["message", "c", ""]]],
  ["mixed", "data: a\r\n\ndata: b\n\r\ndata: c\r\n\r", [["message", "a", ""], ["message", "b", ""], ["message", "c", ""]]],
  ["one byte order mark is removed", "\ufeffdata: a\n\n", [["message", "a", ""]]],
  ["a later one is part of a name", "data: a\n\n\ufeffdata: b\n\n", [["message", "a", ""]]],
  ["unknown fields are ignored", "Data: a\ndata : b\nfoo: c\ndata: d\n\n", [["message", "d", ""]]],
  ["a colon in a value", "data: a: b\n\n", [["message", "a: b", ""]]],
  ["other ends of lines are text", "data: a\u2028b\u0085c\n\n", [["message", "a\u2028b\u0085c", ""]]],
];

const parsed = (pieces: readonly string[]) => {
  const parser = new SseParser();
  return pieces.flatMap((piece) => [...parser.push(piece)]).map(({ event, data, id }) => [event, data, id]);
};

for (const [name, stream, expected] of STREAMS)
  test(`stream: ${name}, however it is cut`, () => {
    assert.deepEqual(parsed([stream]), expected);
    assert.deepEqual(parsed([...stream]), expected);
    for (let cut = 0; cut <= stream.length; cut += 1)
      assert.deepEqual(parsed([stream.slice(0, cut), "", stream.slice(cut)]), expected, `cut at ${cut}`);
  });

test("stream: a new connection goes on with the id", () => {
  assert.equal([...new SseParser("7").push("data: a\n\n")][0]?.id, "7");
});

test("stream: the time to wait is a number, or ignored", () => {
  const parser = new SseParser();
  assert.deepEqual([...parser.push("retry: 1x\nretry: -1\nretry\n\n")], []);
  assert.equal(parser.retryMs, undefined);
  assert.deepEqual([...parser.push("retry: 2500\n\n")], []);
  assert.equal(parser.retryMs, 2500);
});

test("stream: an event that never ends is refused, in one line or in many", () => {
  const piece = "x".repeat(EVENT_CHARS_MAX / 4);
  for (const end of ["", "\n"]) {
    const parser = new SseParser();
    const endless = () => {
      for (let count = 0; count < 6; count += 1) [...parser.push(`data: ${piece}${end}`)];
    };
    assert.throws(endless, /longer than/);
  }
});
