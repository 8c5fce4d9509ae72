"""Roll-ups of observed properties: where each goes, and when an entity tells it to its area. Pure."""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from stream.entities.entity_content import EntityContent
from stream.entities.entity_output import DISAGREES, EntityOutput
from twin.instant import INSTANT_MIN, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import roll_up_of
from twin.quality.quality_flags import is_usable
from twin.state.area_state import area_of
from twin.state.combination import PropertyState
from twin.state.freshness import live_duration
from twin.wire.messages import AreaInput

ROLL_UP_INTERVALS: tuple[Duration, ...] = (4 * SECOND, 5 * SECOND, 6 * SECOND)
"""After one of these an entity tells its area a property again. What changes sooner waits.

They differ, so that properties that were all told at once, as at the beginning of a log, do not remain so.
"""


class RollUp(NamedTuple):
    """Where a property of an entity is rolled up, and how long a value of it speaks for the present."""

    area: str
    live_for: Duration
    pause: Duration  #: between two times that it is told

    def input(self, entity: str, property: str, state: PropertyState, revision: int) -> AreaInput:
        """Return what an observed value of an entity tells its area; as `EntityOutput.add_area_input`, of a
        derived one.
        """
        time, flags = state.phenomenon_time, state.flags
        return AreaInput(
            self.area,
            entity,
            property,
            state.value if is_usable(flags & ~DISAGREES) else None,
            time,
            flags,
            len(state.datastreams),
            time + self.live_for,
            revision,
        )


class RollUpTable:
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

    def emit_due(
        self, entity: str, content: EntityContent, model: CityModel, told: EntityOutput, now: Instant
    ) -> None:
        """Tell its area, at the log time `now`, what changed of an entity; what must wait stays
        `pending_properties`.
        """
        waiting = set()
        for property in sorted(content.pending_properties):
            roll_up = self.of(entity, property, model)
            if roll_up is None:
                continue
            if now - content.rolled_up_times.get(property, INSTANT_MIN) < roll_up.pause:
                waiting.add(property)
                continue
            state = content.state.property_state(property, model)
            if state is not None:
                content.rolled_up_times[property] = now
                told.inputs.append(roll_up.input(entity, property, state, content.state.revision))
        content.pending_properties = waiting


def _looked_up(entity: str, property: str, model: CityModel) -> RollUp | None:
    area = area_of(entity, model)
    if area is None or roll_up_of(property, model) == "none":
        return None
    interval = min((one.interval for one in model.datastreams_of(entity, property)), default=0)
    pause = ROLL_UP_INTERVALS[crc32(f"{entity} {property}".encode()) % len(ROLL_UP_INTERVALS)]
    return RollUp(area, live_duration(interval), pause)
