"""Watchers: whoever keeps something in step with the live view without following each of its events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class ChangeListener(Protocol):
    """Is told what changed, not what it is now: it looks into the view when it comes to it. Never waits."""

    def on_entities(self, ids: Iterable[str]) -> None:
        """Note that values of entities changed, or their freshness."""
        ...

    def on_alarm(self, id: str) -> None:
        """Note that something happened to an alarm."""
        ...

    def on_reset(self) -> None:
        """Note that anything may have changed: the view was seeded anew, or the city model is another one."""
        ...
