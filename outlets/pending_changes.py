"""The entities and alarms that changed in the live view and are not published yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress


class PendingChanges:
    """Collects ids, each once however often it changes. An `api.live.hub.ChangeListener`.

    It is never larger than the city.
    """

    def __init__(self) -> None:
        self._entities: dict[str, None] = {}
        self._alarms: dict[str, None] = {}
        self._all = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Return how many entities and alarms wait."""
        return len(self._entities) + len(self._alarms)

    @property
    def has_entities(self) -> bool:
        """Whether entities wait."""
        return bool(self._entities)

    def on_entities(self, ids: Iterable[str]) -> None:
        """Add entities whose values or freshness changed."""
        self._entities.update(dict.fromkeys(ids))
        if self._entities:
            self._changed.set()

    def on_alarm(self, id: str) -> None:
        """Add an alarm that changed."""
        self._alarms[id] = None
        self._changed.set()

    def on_reset(self) -> None:
        """Mark the whole view as changed."""
        self._all = True
        self._changed.set()

    def take_all_changed(self) -> bool:
        """Return whether the whole view was marked as changed since the last call."""
        all_changed, self._all = self._all, False
        return all_changed

    def take_alarms(self) -> list[str]:
        """Remove and return the waiting alarms, the longest waiting first."""
        alarms = list(self._alarms)
        self._alarms.clear()
        return alarms

    def take_entities(self) -> list[str]:
        """Remove and return the waiting entities, the longest waiting first."""
        entities = list(self._entities)
        self._entities.clear()
        return entities

    async def wait(self, timeout_s: float | None = None) -> None:
        """Wait for a change since the last wait, at most `timeout_s`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        self._changed.clear()
