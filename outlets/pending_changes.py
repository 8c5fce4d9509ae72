"""The outbox: what changed in the live view and is not told yet. Pure but for waking whoever waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress


class PendingChanges:
    """Names, each once, however often it changed: as large as the city at most. An
    `api.live.hub.ChangeListener`.
    """

    def __init__(self) -> None:
        self._entities: dict[str, None] = {}
        self._alarms: dict[str, None] = {}
        self._all = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Return how many names wait."""
        return len(self._entities) + len(self._alarms)

    @property
    def has_entities(self) -> bool:
        """Whether an entity changed."""
        return bool(self._entities)

    def on_entities(self, ids: Iterable[str]) -> None:
        """Note that entities changed."""
        self._entities.update(dict.fromkeys(ids))
        if self._entities:
            self._changed.set()

    def on_alarm(self, id: str) -> None:
        """Note that something happened to an alarm."""
        self._alarms[id] = None
        self._changed.set()

    def on_reset(self) -> None:
        """Note that anything may have changed."""
        self._all = True
        self._changed.set()

    def take_all_changed(self) -> bool:
        """Return whether anything may have changed since this was asked last."""
        taken, self._all = self._all, False
        return taken

    def take_alarms(self) -> list[str]:
        """Return the alarms that wait, the one that waits longest first, and forget them."""
        taken = list(self._alarms)
        self._alarms.clear()
        return taken

    def take_entities(self) -> list[str]:
        """Return the entities that wait, the one that waits longest first, and forget them."""
        taken = list(self._entities)
        self._entities.clear()
        return taken

    async def wait(self, timeout_s: float | None = None) -> None:
        """Return when something changed since the last wait, or after `timeout_s`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        self._changed.clear()
