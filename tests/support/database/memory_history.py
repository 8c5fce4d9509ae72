"""The stored observations of one datastream in memory, as `twin.state.datastream_history` reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from twin.instant import INSTANT_MIN, Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import BY_TIME, LastGoodValue, Observation
from twin.quality.constant_run import ConstantRun, extend_run
from twin.quality.quality_flags import is_usable
from twin.quality.quality_rules import QualityRules
from twin.state.datastream_history import assess_history

Result = TypeVar("Result")


class MemoryHistory:
    """A `HistoryReader` of a list of observations, ascending."""

    def __init__(self, observations: Sequence[Observation], policy: DatastreamPolicy) -> None:
        self._observations = observations
        self._policy = policy

    async def before(self, time: Instant, count: int) -> list[Observation]:
        """Return the newest `count` observations before a time, ascending."""
        end = self._index(time)
        return list(self._observations[max(0, end - count) : end])

    async def between(self, start: Instant, end: Instant) -> list[Observation]:
        """Return the observations of start ≤ t < end, ascending."""
        return list(self._observations[self._index(start) : self._index(end)])

    async def following(self, time: Instant, count: int) -> list[Observation]:
        """Return the first `count` observations from a time on, ascending."""
        start = self._index(time)
        return list(self._observations[start : start + count])

    async def run_before(self, time: Instant, rules: QualityRules) -> ConstantRun | None:
        """Return the run of equal values that ends with the last observation before a time."""
        run = None
        for observation in self._observations[: self._index(time)]:
            run = extend_run(run, observation.phenomenon_time, observation.value)
        return run

    async def usable_before(self, time: Instant) -> LastGoodValue | None:
        """Return the newest usable value before a time, calibrated."""
        assessed = assess_history(self._observations, self._policy)
        for one in reversed(assessed[: self._index(time)]):
            if is_usable(one.flags):
                return LastGoodValue(one.value, one.phenomenon_time)
        return None

    def _index(self, time: Instant) -> int:
        return bisect_left(self._observations, max(time, INSTANT_MIN), key=BY_TIME)


def completed(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    raise RuntimeError("the coroutine waits")
