"""The source from which a role loads and follows the city model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from twin.model.city_model import CityModel


class CityModelSource(Protocol):
    """Loads and follows the city model; `storage.model.model_store` implements it for the roles."""

    async def load(self) -> CityModel:
        """Return the current model; raise ServiceError when there is none."""
        ...

    def watch(self) -> AsyncIterator[CityModel]:
        """Yield each newer model."""
        ...


class FollowedModel:
    """A source whose newest model is in memory, for a process that must begin to work at once.

    One task runs `run`; `load` and `watch` do not wait for the database.
    """

    def __init__(self, source: CityModelSource, model: CityModel) -> None:
        self._source = source
        self._newest = model
        self._loaded = model  #: what the last reader of `load` knows
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Follow the source until cancelled."""
        async for model in self._source.watch():
            async with self._changed:
                self._newest = model
                self._changed.notify_all()

    async def load(self) -> CityModel:
        """Return the newest model."""
        self._loaded = self._newest
        return self._newest

    async def watch(self) -> AsyncIterator[CityModel]:
        """Yield each model that is newer than the one that `load` returned last."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._newest is not self._loaded)
            self._loaded = self._newest
            yield self._loaded
