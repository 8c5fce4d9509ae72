"""The cost of each stage of a process: its own processor time, and that of processes that work for it."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple


class StageCost(NamedTuple):
    """Processor time in nanoseconds."""

    own: int
    others: int


def cpu_of(pids: Sequence[int]) -> int:
    """Return the processor time of processes since their start, in nanoseconds."""
    return sum(int(Path(f"/proc/{one}/schedstat").read_text().split()[0]) for one in pids)


class StageCosts:
    """Adds up costs by stage; `others` are the processes that work for this one."""

    def __init__(self, others: Sequence[int] = ()) -> None:
        self.others = list(others)
        self.costs: defaultdict[str, StageCost] = defaultdict(lambda: StageCost(0, 0))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the cost of the block to a stage."""
        own, others = time.process_time_ns(), cpu_of(self.others)
        try:
            yield
        finally:
            cost = self.costs[name]
            self.costs[name] = StageCost(
                cost.own + time.process_time_ns() - own, cost.others + cpu_of(self.others) - others
            )

    def wrap(self, module: ModuleType, names: Sequence[str]) -> None:
        """Measure every call of these coroutine functions of a module, each as a stage of its name."""
        for name in names:
            setattr(module, name, self._measured(getattr(module, name), name))

    def _measured(self, function: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(function)
        async def measured(*arguments: Any) -> Any:
            with self.stage(name):
                return await function(*arguments)

        return measured
