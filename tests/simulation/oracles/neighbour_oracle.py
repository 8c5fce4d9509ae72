"""The values that disagree with their neighbours, computed slowly from the last values alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median
from typing import NamedTuple

from tests.simulation.oracles import property_oracle
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX
from twin.model.observation import Observation
from twin.quality.quality_flags import is_usable
from twin.state.area_state import area_of
from twin.state.combination import PEERS_MIN
from twin.state.freshness import live_duration
from twin.wire.messages import Update

Updates = Mapping[tuple[str, str], Update]


class NeighbourValue(NamedTuple):
    """A value with its time, and the time until which it is current."""

    name: str  #: the entity, or the area
    value: float
    time: Instant
    until: Instant


def disagreeing_values(
    judged: dict[int, list[Observation]], model: CityModel, updates: Updates
) -> set[tuple[str, str]]:
    """Return (entity, property) of every value that deviates too far from its neighbours."""
    found = set()
    for property in model.properties.values():
        limit = property.quality.disagreement
        if limit is not None and property.roll_up == "mean":
            town = _Town(judged, model, updates, property.name)
            found |= {(entity, property.name) for entity in model.entities if town.is_outvoted(entity, limit)}
    return found


class _Town:
    def __init__(
        self, judged: dict[int, list[Observation]], model: CityModel, updates: Updates, property: str
    ) -> None:
        self._model, self._updates, self._property = model, updates, property
        self._spoken: dict[str, NeighbourValue] = {}
        for entity in model.entities:
            behind = model.datastreams_of(entity, property)
            state = property_oracle.expected_property_state(behind, judged, model)
            if state is not None and is_usable(state.flags):
                lasts = live_duration(min(one.interval for one in behind))
                time = state.phenomenon_time
                self._spoken[entity] = NeighbourValue(entity, state.value, time, time + lasts)

    def is_outvoted(self, entity: str, limit: float) -> bool:
        """Compare an entity within the smallest area that has enough values."""
        area = area_of(entity, self._model)
        while entity in self._spoken and area is not None:
            voices = self._fresh(area)
            if len(voices) >= PEERS_MIN:
                middle = median(one.value for one in voices)
                far = [one.name for one in voices if abs(one.value - middle) > limit]
                return 2 * len(far) < len(voices) and entity in far
            area = self._model.entities[area].parent
        return False

    def _fresh(self, area: str) -> list[NeighbourValue]:
        voices = [*self._entities(area), *self._areas(area)]
        newest = max((one.time for one in voices), default=0)
        return [one for one in voices if one.until >= newest]

    def _entities(self, area: str) -> Iterator[NeighbourValue]:
        for entity, voice in self._spoken.items():
            if area_of(entity, self._model) == area:
                yield voice
        for child in self._children(area):
            if len(self._fresh(child)) < PEERS_MIN:
                yield from self._entities(child)

    def _areas(self, area: str) -> Iterator[NeighbourValue]:
        for child in self._children(area):
            one = self._updates.get((child, AREA_PREFIX + self._property))
            asks = len(self._fresh(child)) < PEERS_MIN and any(True for _ in self._entities(child))
            if one is not None and is_usable(one.flags) and not asks:
                lasts = live_duration(one.interval)
                yield NeighbourValue(
                    f"area {child}", one.value, one.phenomenon_time, one.phenomenon_time + lasts
                )

    def _children(self, area: str) -> list[str]:
        entities = self._model.entities.values()
        return [one.id for one in entities if one.parent == area and area_of(one.id, self._model) == one.id]
