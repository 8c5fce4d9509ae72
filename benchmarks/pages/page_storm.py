"""The open page in a storm of values: frames, memory and elements, sampled in one browser for minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from playwright.sync_api import CDPSession

from tests.e2e.page.browser import OpenPage

SAMPLE_S = 5.0
_BYTES = 1_000_000

# The longest time between two frames, and their number, since they were last asked for.
_COUNT_FRAMES = """() => {
  let last = performance.now(), longest = 0, frames = 0;
  const step = (now) => {
    longest = Math.max(longest, now - last);
    last = now;
    frames += 1;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
  window.takeFrames = () => {
    const taken = [frames, longest];
    frames = longest = 0;
    return taken;
  };
}"""


class StormSample(NamedTuple):
    """A few seconds of the page."""

    after_s: float
    frames_a_second: float
    longest_frame_ms: float
    heap_mb: float  #: of scripts, after a collection
    elements: int
    listeners: int
    busy: float  #: share of the time in which the page's thread had work


class PageStorm:
    """Samples an open page. `sample` collects garbage first, so that growth is growth."""

    def __init__(self, opened: OpenPage) -> None:
        self._page = opened.page
        self._session: CDPSession = opened.page.context.new_cdp_session(opened.page)
        self._session.send("Performance.enable")
        self._session.send("HeapProfiler.enable")
        self._page.evaluate(_COUNT_FRAMES)
        self._began = self._last = time.monotonic()
        self._busy_s = self._metrics()["TaskDuration"]

    def run(self, is_over: Callable[[float], bool]) -> list[StormSample]:
        """Sample until `is_over`, which is asked with the seconds to wait between samples, and waits."""
        samples = []
        self._page.evaluate("window.takeFrames()")
        while not is_over(SAMPLE_S):
            samples.append(self.sample())
        return samples

    def sample(self) -> StormSample:
        """Return what happened since the last sample."""
        frames, longest = self._page.evaluate("window.takeFrames()")
        now, before = time.monotonic(), self._last
        busy_s = self._metrics()["TaskDuration"]
        busy = (busy_s - self._busy_s) / (now - before)
        # The work of the collection itself is not of the page.
        self._session.send("HeapProfiler.collectGarbage")
        metrics = self._metrics()
        self._last, self._busy_s = time.monotonic(), metrics["TaskDuration"]
        self._page.evaluate("window.takeFrames()")
        return StormSample(
            after_s=round(now - self._began, 1),
            frames_a_second=round(frames / (now - before), 1),
            longest_frame_ms=round(longest, 1),
            heap_mb=round(metrics["JSHeapUsedSize"] / _BYTES, 2),
            elements=int(metrics["Nodes"]),
            listeners=int(metrics["JSEventListeners"]),
            busy=round(busy, 3),
        )

    def _metrics(self) -> dict[str, float]:
        found = self._session.send("Performance.getMetrics")
        return {one["name"]: float(one["value"]) for one in found["metrics"]}


def growth_mb(samples: list[StormSample]) -> float:
    """Return how much the heap grew from the first to the last quarter of the samples, by their medians.

    >>> sample = StormSample(0, 60, 16, 10, 100, 10, 0.1)
    >>> growth_mb([sample._replace(heap_mb=size) for size in (10, 12, 11, 11, 10, 11, 12, 13)])
    1.5
    """
    part = max(1, len(samples) // 4)
    first, last = (_median([one.heap_mb for one in some]) for some in (samples[:part], samples[-part:]))
    return round(last - first, 2)


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
