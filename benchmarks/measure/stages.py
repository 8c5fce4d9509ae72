"""What each stage of a process costs: its own processor time, and that of processes that it asks."""

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
    """Return the processor time of processes, from their start; the kernel counts it in nanoseconds."""
    return sum(int(Path(f"/proc/{one}/schedstat").read_text().split()[0]) for one in pids)


class StageCosts:
    """Adds up costs by stage; `others` are the processes that work for this one."""

    def __init__(self, others: Sequence[int] = ()) -> None:
        self.others = list(others)
        self.costs: defaultdict[str, StageCost] = defaultdict(lambda: StageCost(0, 0))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done within under a name."""
        own, others = time.process_time_ns(), cpu_of(self.others)
        try:
            yield
        finally:
            cost = self.costs[name]
            self.costs[name] = StageCost(
                cost.own + time.process_time_ns() - own, cost.others + cpu_of(self.others) - others
            )

    def wrap(self, module: ModuleType, names: Sequence[str]) -> None:
        """Count every call of coroutine functions of a module, each as a stage by its name."""
        for name in names:
            setattr(module, name, self._watched(getattr(module, name), name))

    def _watched(self, function: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(function)
        async def watched(*arguments: Any) -> Any:
            with self.stage(name):
                return await function(*arguments)

        return watched
