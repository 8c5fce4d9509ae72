import { flushSync } from "svelte";
import { beforeEach, expect, test, vi } from "vitest";
import { address } from "../src/app/address.svelte";

beforeEach(() => {
  vi.useFakeTimers();
  history.replaceState(null, "", "/");
  return address.begin();
});

test("what is shown is read from the address and written to it", () => {
  address.go({ entity: "alkmaar.overdie", q: undefined });
  expect(location.search).toBe("?entity=alkmaar.overdie");
  expect(address.get("entity")).toBe("alkmaar.overdie");
  expect(address.href({ entity: undefined, map: "4.75,52.63,11.00" })).toBe("/?map=4.75,52.63,11.00");
});

test("what is typed reaches the address once, after a while", () => {
  const replaced = vi.spyOn(history, "replaceState");
  for (const typed of ["n", "no", "no2"]) address.note({ q: typed });
  expect(address.get("q")).toBe("no2");
  expect(replaced).not.toHaveBeenCalled();
  vi.advanceTimersByTime(300);
  expect(replaced).toHaveBeenCalledOnce();
  expect(location.search).toBe("?q=no2");
});

test("what was typed before a step is in the address that one goes back to", () => {
  const pushed = vi.spyOn(history, "pushState");
  const replaced = vi.spyOn(history, "replaceState");
  address.note({ q: "no2" });
  address.go({ entity: "alkmaar.overdie" });
  expect(pushed).toHaveBeenCalledOnce();
  expect(replaced.mock.invocationCallOrder[0]).toBeLessThan(pushed.mock.invocationCallOrder[0]!);
});

test("a derived value that is the first to read a name follows it", () => {
  const stop = $effect.root(() => {
    const search = $derived(address.get("neverReadBefore") ?? "");
    let seen = "?";
    $effect(() => {
      seen = search;
    });
    flushSync();
    expect(seen).toBe("");
    address.note({ neverReadBefore: "no2" });
    flushSync();
    expect(seen).toBe("no2");
  });
  stop();
});

test("a change of one name renews nothing that reads another", () => {
  let runs = 0;
  const stop = $effect.root(() => {
    $effect(() => {
      void address.get("entity");
      runs += 1;
    });
  });
  flushSync();
  address.note({ map: "4.75,52.63,11" });
  flushSync();
  expect(runs).toBe(1);
  address.go({ entity: "alkmaar.canal" });
  flushSync();
  expect(runs).toBe(2);
  stop();
});
