"""Roll-ups of observed properties: to which area each goes, and when an entity sends it. Pure."""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from stream.entities.entity_content import EntityContent
from stream.entities.entity_output import EntityOutput
from twin.instant import INSTANT_MIN, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import roll_up_of
from twin.quality.quality_flags import DISAGREES, is_usable
from twin.state.area_state import area_of
from twin.state.combination import PropertyState
from twin.state.freshness import live_duration
from twin.wire.messages import AreaInput

ROLL_UP_INTERVALS: tuple[Duration, ...] = (4 * SECOND, 5 * SECOND, 6 * SECOND)
"""An entity sends a property to its area again after one of these intervals. Earlier changes wait.

The intervals differ, so that properties which were sent at once, as at the beginning of a log, drift apart.
"""


class RollUp(NamedTuple):
    """Where a property of an entity is rolled up, and for how long a value of it is live."""

    area: str
    live_duration: Duration
    interval: Duration  #: between two inputs

    def input(self, entity: str, property: str, state: PropertyState, revision: int) -> AreaInput:
        """Return the input of an observed value; derived values use `EntityOutput.add_area_input`."""
        time, flags = state.phenomenon_time, state.flags
        return AreaInput(
            self.area,
            entity,
            property,
            state.value if is_usable(flags & ~DISAGREES) else None,
            time,
            flags,
            len(state.datastreams),
            time + self.live_duration,
            revision,
        )


class RollUpTable:
    """The roll-ups of one model, looked up when they are first needed."""

    def __init__(self) -> None:
        self._model: CityModel | None = None
        self._roll_ups: dict[tuple[str, str], RollUp | None] = {}

    def of(self, entity: str, property: str, model: CityModel) -> RollUp | None:
        """Return where an observed property of an entity is rolled up; None where it is not."""
        if self._model is not model:
            self._model, self._roll_ups = model, {}
        key = entity, property
        if key not in self._roll_ups:
            self._roll_ups[key] = _look_up(entity, property, model)
        return self._roll_ups[key]

    def emit_due(
        self, entity: str, content: EntityContent, model: CityModel, output: EntityOutput, now: Instant
    ) -> None:
        """Add the changed properties of an entity to the output; those sent too recently stay pending."""
        waiting = set()
        for property in sorted(content.pending_properties):
            roll_up = self.of(entity, property, model)
            if roll_up is None:
                continue
            if now - content.rolled_up_times.get(property, INSTANT_MIN) < roll_up.interval:
                waiting.add(property)
                continue
            state = content.state.property_state(property, model)
            if state is not None:
                content.rolled_up_times[property] = now
                output.inputs.append(roll_up.input(entity, property, state, content.state.revision))
        content.pending_properties = waiting


def _look_up(entity: str, property: str, model: CityModel) -> RollUp | None:
    area = area_of(entity, model)
    if area is None or roll_up_of(property, model) == "none":
        return None
    interval = min((datastream.interval for datastream in model.datastreams_of(entity, property)), default=0)
    number = crc32(f"{entity} {property}".encode()) % len(ROLL_UP_INTERVALS)
    return RollUp(area, live_duration(interval), ROLL_UP_INTERVALS[number])
