"""A source of city models that roles read from in tests, in place of the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from twin.model.city_model import CityModel


class FakeModelSource:
    """Returns one model; yields another only when a test publishes it."""

    def __init__(self, model: CityModel) -> None:
        self._model = model
        self._newer: asyncio.Queue[CityModel] = asyncio.Queue()

    async def load(self) -> CityModel:
        """Return the model that the source was created with."""
        return self._model

    async def watch(self) -> AsyncIterator[CityModel]:
        """Yield each published model."""
        while True:
            yield await self._newer.get()

    def publish_model(self, model: CityModel) -> None:
        """Let watchers receive another model."""
        self._newer.put_nowait(model)
