"""What one record makes the first stage tell, and the records that tell it."""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.areas.area_inputs import area_input_records
from stream.engine.stage import RECORD_ITEMS_MAX, OutputRecord, update_records
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.names import roll_up_of
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.state.area_state import area_of
from twin.state.derived_state import DerivedValue, derived_interval
from twin.state.freshness import live_duration
from twin.state.window import Aggregate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    AGGREGATES,
    AggregateBatch,
    AreaInput,
    Assessment,
    Update,
    UpdateKind,
    WindowRepair,
)

DISAGREES = int(QualityFlag.DISAGREES)


@dataclass(slots=True)
class EntityOutput:
    """Updates, windows, judgements, and what areas are told; in order."""

    revision: int  #: of windows and judgements
    updates: list[Update] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    assessments: list[Assessment] = field(default_factory=list)
    repairs: list[WindowRepair] = field(default_factory=list)
    inputs: list[AreaInput] = field(default_factory=list)

    def add_derived(self, entity: str, revision: int, value: DerivedValue, now: Instant) -> None:
        """Tell a derived value of an entity."""
        self.updates.append(
            Update(
                entity,
                value.name,
                revision,
                value.value,
                value.phenomenon_time,
                now,
                value.flags,
                value.datastreams,
                None,
                UpdateKind.INDICATOR,
                last_good=value.last_good,
                count=value.weight,
                interval=value.interval,
            )
        )

    def add_area_input(self, model: CityModel, entity: str, value: DerivedValue, revision: int) -> None:
        """Tell a value of an entity to its area, where such values are rolled up; None when it is suspect.

        One that is suspect by the verdict of its neighbours alone stays a value to them, with the flag: what
        they say of it must not depend on what they said before.
        """
        area = area_of(entity, model)
        if area is None or roll_up_of(value.name, model) == "none":
            return
        own = value.flags & ~DISAGREES if value.name in model.properties else value.flags
        self.inputs.append(
            AreaInput(
                area,
                entity,
                value.name,
                value.value if is_usable(own) else None,
                value.phenomenon_time,
                value.flags,
                value.weight,
                value.phenomenon_time + live_duration(value.interval),
                revision,
            )
        )

    def outputs(self, partition: int, partitions: int, now: Instant, offset: int) -> list[OutputRecord]:
        """Return the records; `offset` is that of the observations that all of it follows from."""
        outputs = update_records(self.updates, partition)
        # Of one observation only the last judgement counts: all that is told here has one revision.
        assessments = list({one[:2]: one for one in self.assessments}.values())
        longest = max(len(self.aggregates), len(assessments), len(self.repairs))
        for start in range(0, longest, RECORD_ITEMS_MAX):
            part = slice(start, start + RECORD_ITEMS_MAX)
            batch = AggregateBatch(
                LAYOUT_VERSION,
                now,
                offset,
                tuple(self.aggregates[part]),
                tuple(assessments[part]),
                tuple(self.repairs[part]),
            )
            outputs.append(OutputRecord(topics.AGGREGATES, partition, AGGREGATES.encode(batch)))
        return outputs + area_input_records(self.inputs, now, partitions)


def stored_derived_value(update: Update) -> DerivedValue:
    """Return a derived value as it was stored."""
    return DerivedValue(
        update.property,
        update.value,
        update.phenomenon_time,
        update.flags,
        (),
        update.count,
        update.interval or derived_interval(update.property),
    )
