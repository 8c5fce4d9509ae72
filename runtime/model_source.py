"""The source from which a role loads and follows the city model."""

from __future__ import annotations

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
