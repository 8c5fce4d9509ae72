"""The city model as a role gets it: loaded once, then followed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from twin.model.city_model import CityModel


class CityModelSource(Protocol):
    """Where the city model comes from. `storage.model.model_store` has the one that the roles are given."""

    async def load(self) -> CityModel:
        """Return the present model; raise ServiceError when there is none."""
        ...

    def watch(self) -> AsyncIterator[CityModel]:
        """Yield each newer model."""
        ...
