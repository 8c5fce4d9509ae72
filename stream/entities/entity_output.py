"""The output of the entity stage for one record, and the records that carry it."""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.areas.area_inputs import area_input_records
from stream.engine.stage import OutputRecord, chunk_slices, update_records
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.names import roll_up_of
from twin.quality.quality_flags import DISAGREES, is_usable
from twin.state.area_state import area_of
from twin.state.derived_points import derived_interval
from twin.state.derived_state import DerivedValue
from twin.state.freshness import live_duration
from twin.state.window import Aggregate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    AGGREGATES,
    AggregateBatch,
    AreaInput,
    Assessment,
    SeriesRepair,
    Update,
    UpdateKind,
    WindowRepair,
)


@dataclass(slots=True)
class EntityOutput:
    """Updates, windows, assessments, repairs and inputs of areas, each in order."""

    revision: int  #: of windows and assessments
    updates: list[Update] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    assessments: list[Assessment] = field(default_factory=list)
    repairs: list[WindowRepair] = field(default_factory=list)
    inputs: list[AreaInput] = field(default_factory=list)
    series_repairs: list[SeriesRepair] = field(default_factory=list)

    def add_derived(self, entity: str, revision: int, value: DerivedValue, now: Instant) -> None:
        """Add the update of a derived value of an entity."""
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
                UpdateKind.AMENDMENT if value.amends else UpdateKind.INDICATOR,
                last_good=value.last_good,
                count=value.weight,
                interval=value.interval,
            )
        )

    def add_area_input(self, model: CityModel, entity: str, value: DerivedValue, revision: int) -> None:
        """Add a value of an entity to the inputs of its area, if it is rolled up; as None when it is suspect.

        A value that is suspect only by the verdict of its neighbours stays a value, with the flag. The next
        verdict must not depend on the verdict before.
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

    def records(self, partition: int, partitions: int, now: Instant, offset: int) -> list[OutputRecord]:
        """Return the records to send; `offset` is that of the observation record which caused them."""
        records = update_records(self.updates, partition, self.series_repairs, offset)
        # Only the last assessment of an observation counts: all of them have the same revision.
        assessments = list({one[:2]: one for one in self.assessments}.values())
        # A window that is emitted twice for one record has one revision: only the last counts, too.
        aggregates = list({(one.size, one.datastream, one.start): one for one in self.aggregates}.values())
        for part in chunk_slices(aggregates, assessments, self.repairs):
            batch = AggregateBatch(
                LAYOUT_VERSION,
                now,
                offset,
                tuple(aggregates[part]),
                tuple(assessments[part]),
                tuple(self.repairs[part]),
            )
            records.append(OutputRecord(topics.AGGREGATES, partition, AGGREGATES.encode(batch)))
        return records + area_input_records(self.inputs, now, partitions)


def stored_derived_value(update: Update, model: CityModel) -> DerivedValue:
    """Return the derived value that a stored update holds."""
    return DerivedValue(
        update.property,
        update.value,
        update.phenomenon_time,
        update.flags,
        (),
        update.count,
        update.interval or derived_interval(update.property, update.entity, model),
    )
