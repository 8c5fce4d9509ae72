"""Where observed properties are rolled up, looked up once for each model."""

from __future__ import annotations

from typing import NamedTuple

from twin.area_state import area_of, roll_up_of
from twin.freshness import live_for
from twin.instant import Duration
from twin.model import CityModel


class RollUp(NamedTuple):
    """Where a property of an entity is rolled up, and how long a value of it speaks for the present."""

    area: str
    live_for: Duration


class RollUps:
    """Remembers what it was asked, of one model."""

    def __init__(self) -> None:
        self._model: CityModel | None = None
        self._known: dict[tuple[str, str], RollUp | None] = {}

    def of(self, entity: str, property: str, model: CityModel) -> RollUp | None:
        """Return where an observed property of an entity is rolled up; None where it is not."""
        if self._model is not model:
            self._model, self._known = model, {}
        key = entity, property
        if key not in self._known:
            self._known[key] = _looked_up(entity, property, model)
        return self._known[key]


def _looked_up(entity: str, property: str, model: CityModel) -> RollUp | None:
    area = area_of(entity, model)
    if area is None or roll_up_of(property, model) == "none":
        return None
    interval = min((one.interval for one in model.datastreams_of(entity, property)), default=0)
    return RollUp(area, live_for(interval))
