"""The values that disagree with their neighbours, computed slowly from the last values alone."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

from tests.simulation.oracles import property_oracle
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.names import series_interval, slot_of
from twin.model.observation import Observation
from twin.quality.quality_flags import is_usable
from twin.state.area_members import area_of
from twin.state.area_state import last_slot
from twin.state.combination import PEERS_MIN
from twin.state.freshness import live_duration


class NeighbourValue(NamedTuple):
    """The newest value of an entity, with its slot and the last slot in which it counts."""

    name: str  #: the entity, or the area
    value: float | None  #: None: suspect
    slot: Instant
    last: Instant
    weight: int


def disagreeing_values(judged: dict[int, list[Observation]], model: CityModel) -> set[tuple[str, str]]:
    """Return (entity, property) of every value that deviates too far from its neighbours."""
    found = set()
    for property in model.properties.values():
        limit = property.quality.disagreement
        if limit is not None and property.roll_up == "mean":
            town = _Town(judged, model, property.name, limit)
            found |= {(entity, property.name) for entity in model.entities if town.is_outvoted(entity)}
    return found


class _Town:
    def __init__(
        self, judged: dict[int, list[Observation]], model: CityModel, property: str, limit: float
    ) -> None:
        self._model, self._limit = model, limit
        self._spoken: dict[str, NeighbourValue] = {}
        size = series_interval(property, model)
        for entity in model.entities:
            behind = model.datastreams_of(entity, property)
            state = property_oracle.expected_property_state(behind, judged, model)
            if state is not None:
                live = live_duration(min(one.interval for one in behind))
                # The value is combined anew at each time of one of its datastreams, also of a suspect one.
                times = [judged[one.id][-1].phenomenon_time for one in behind if one.id in judged]
                slot = slot_of(max(times), size, windowed=False)
                value = state.value if is_usable(state.flags) else None
                last = last_slot(slot, size, live)
                self._spoken[entity] = NeighbourValue(entity, value, slot, last, len(state.datastreams))

    def is_outvoted(self, entity: str) -> bool:
        """Compare an entity within the smallest area that has enough values."""
        area = area_of(entity, self._model)
        while area is not None:
            voices = self._voices(area, self._newest(area))
            if all(one.name != entity for one in voices):
                return False
            if len(voices) >= PEERS_MIN:
                values = [one.value for one in voices if one.value is not None]
                far = [
                    one.name
                    for one in voices
                    if one.value is not None and abs(one.value - median(values)) > self._limit
                ]
                return 2 * len(far) < len(voices) and entity in far
            area = self._model.entities[area].parent
        return False

    def _newest(self, area: str) -> Instant:
        """Return the newest slot in which an entity of an area spoke."""
        within = [one for entity, one in self._spoken.items() if entity in self._members(area)]
        return max((one.slot for one in within), default=0)

    def _members(self, area: str) -> set[str]:
        return {id for id in self._model.within(area) if id != area or area_of(id, self._model) == area}

    def _voices(self, area: str, slot: Instant) -> list[NeighbourValue]:
        """Return what is compared in a slot of an area: entities, and areas that compare their own."""
        voices = []
        for entity, one in self._spoken.items():
            if area_of(entity, self._model) == area and one.value is not None and one.last >= slot:
                voices.append(one)
        for child in self._children(area):
            below = self._voices(child, self._newest(child))
            entities = [one for one in below if one.name in self._spoken and one.last >= slot]
            if len(below) < PEERS_MIN and entities:
                voices += entities
            else:
                voices += self._mean(child, slot)
        return voices

    def _mean(self, area: str, slot: Instant) -> list[NeighbourValue]:
        """Return the mean of what counts in a slot of an area; none where nothing does."""
        members = [
            (one.value, one.weight)
            for entity, one in self._spoken.items()
            if one.value is not None
            and one.last >= slot
            and entity in self._members(area)
            and not self.is_outvoted(entity)
        ]
        if not members:
            return []
        weight = sum(weight for _, weight in members)
        mean = sum(value * weight for value, weight in members) / weight
        return [NeighbourValue(f"area {area}", mean, slot, slot, weight)]

    def _children(self, area: str) -> list[str]:
        entities = self._model.entities.values()
        return [one.id for one in entities if one.parent == area and area_of(one.id, self._model) == one.id]
