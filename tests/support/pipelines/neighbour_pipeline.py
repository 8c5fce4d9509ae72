"""A city of thermometers, with the stages for entities and areas connected in memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.areas.area_stage import AreaStageFactory
from stream.engine.stage import StreamStage
from stream.engine.stage_seed import EMPTY_SEED
from stream.entities.entity_stage import EntityStageFactory
from tests.support.cities.city_builder import CityBuilder
from twin.instant import MINUTE, SECOND, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AREA_INPUTS, OBSERVATIONS, UPDATES, AreaInputBatch, ObservationBatch, Update

PROPERTY = "air_temperature"
AREA_PROPERTY = "area_air_temperature"

# North has enough thermometers of its own; the two of South and that of the town are compared together.
THERMOMETERS = (
    "town.north.a",
    "town.north.b",
    "town.north.c",
    "town.north.d",
    "town.south.e",
    "town.south.f",
    "town.g",
)


def thermometer_city(version: int = 1) -> CityModel:
    """Return a model with one thermometer on each entity; their datastreams are 1 to 7."""
    builder = (
        CityBuilder()
        .entity("town", "Municipality")
        .entity("town.north", "District")
        .entity("town.south", "District")
    )
    for id in THERMOMETERS:
        builder.entity(id, "WeatherStation").sensor(id, id, PROPERTY)
    return builder.model(version)


MODEL = thermometer_city()


@dataclass
class NeighbourPipeline:
    """Both stages with one partition each and a log between them; each report is a minute later."""

    entities: StreamStage[ObservationBatch] = field(
        default_factory=lambda: EntityStageFactory("log-1", 1, 4, 5 * MINUTE).seeded(0, EMPTY_SEED, MODEL)
    )
    areas: StreamStage[AreaInputBatch] = field(
        default_factory=lambda: AreaStageFactory("log-1", 1, 4).seeded(0, EMPTY_SEED, MODEL)
    )
    updates: list[Update] = field(default_factory=list)
    verdicts: list[NeighbourVerdict] = field(default_factory=list)
    time: Instant = 0
    _waiting: deque[ObservationBatch | AreaInputBatch] = field(default_factory=deque)

    def report(self, values: dict[str, float]) -> None:
        """Report values a minute later, and advance until every update that follows is published."""
        self.time += MINUTE
        found = [
            Observation(THERMOMETERS.index(post) + 1, self.time, self.time, value, 0)
            for post, value in values.items()
        ]
        self.observe(found)

    def observe(self, found: list[Observation]) -> None:
        """Process observations, and the ticks of the next five seconds."""
        self._play(ObservationBatch(LAYOUT_VERSION, tuple(found), self.time))
        for second in range(1, 6):
            self._play(ObservationBatch(LAYOUT_VERSION, (), self.time + second * SECOND))

    def _play(self, batch: ObservationBatch) -> None:
        self._waiting.append(batch)
        while self._waiting:
            one = self._waiting.popleft()
            if isinstance(one, ObservationBatch):
                self.verdicts += one.verdicts
                outputs = self.entities.apply(self.entities.offset + 1, one, MODEL).outputs
            else:
                outputs = self.areas.apply(self.areas.offset + 1, one, MODEL).outputs
            for topic, _, value in outputs:
                if topic == topics.UPDATES:
                    self.updates += UPDATES.decode(value).updates
                elif topic == topics.AREA_INPUTS:
                    self._waiting.append(AREA_INPUTS.decode(value))
                elif topic == topics.OBSERVATIONS:
                    self._waiting.append(OBSERVATIONS.decode(value))

    def last_update(self, entity: str, property: str = PROPERTY) -> Update:
        """Return the newest update of a value."""
        return [one for one in self.updates if (one.entity, one.property) == (entity, property)][-1]

    def suspect_entities(self) -> set[str]:
        """Return the entities whose newest value is suspect."""
        last = {one.entity: one for one in self.updates if one.property == PROPERTY}
        return {entity for entity, one in last.items() if one.flags}
