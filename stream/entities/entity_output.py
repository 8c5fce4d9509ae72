"""The output of the entity stage for one record, and the records that carry it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.areas.area_inputs import area_input_records
from stream.engine.stage import OutputRecord, chunk_slices, update_records
from twin.instant import DAY, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import roll_up_of, series_interval, slot_of
from twin.quality.quality_flags import DISAGREES, UNUSABLE_FLAGS, is_usable
from twin.state.area_members import area_of
from twin.state.area_state import last_slot, outdated_input
from twin.state.derived_points import derived_interval, is_windowed
from twin.state.derived_state import DerivedState, DerivedValue, SeriesSpan
from twin.state.freshness import live_duration
from twin.state.slot_inputs import SlotSpan
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

OUTDATED_MAX: Duration = 31 * DAY
"""For how long before its newest observation an area is told that storage computes points of an entity."""

_DERIVED_KINDS = frozenset({UpdateKind.INDICATOR, UpdateKind.AMENDMENT})


@dataclass(slots=True)
class EntityOutput:
    """Updates, windows, assessments, repairs and inputs of areas, each in order."""

    revision: int  #: of windows and assessments
    updates: list[Update] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    assessments: list[Assessment] = field(default_factory=list)
    repairs: list[WindowRepair] = field(default_factory=list)
    inputs: list[AreaInput] = field(default_factory=list)
    #: inputs of areas that were sent in an earlier log
    repeated_inputs: list[AreaInput] = field(default_factory=list)
    series_repairs: list[SeriesRepair] = field(default_factory=list)
    #: by area, entity, name and size of slots: those of which storage computes the points
    outdated: defaultdict[tuple[str, str, str, Duration], list[SlotSpan]] = field(
        default_factory=lambda: defaultdict(list)
    )

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

    def add_area_input(
        self, model: CityModel, entity: str, value: DerivedValue, revision: int, *, repeated: bool = False
    ) -> None:
        """Add a point of a derived series to the inputs of the entity's area, if it is rolled up.

        It is sent as None when it is suspect, and NaN withdraws it. A value that is emitted again because its
        inputs have failed since was right in its slot. What is `repeated` was sent in an earlier log.
        """
        area = area_of(entity, model)
        if area is None or not value.in_series or roll_up_of(value.name, model) == "none":
            return
        time, flags, size = value.phenomenon_time, value.flags, series_interval(value.name, model)
        slot = slot_of(
            time, size, windowed=True if value.name in model.properties else is_windowed(value.name)
        )
        is_withdrawn = math.isnan(value.value)
        own = flags & ~DISAGREES if value.name in model.properties else flags
        input = AreaInput(
            area,
            entity,
            value.name,
            None if is_withdrawn or not is_usable(own) else value.value,
            time,
            0 if is_withdrawn else flags,
            max(1, value.weight),
            last_slot(slot, size, live_duration(value.interval)),
            revision,
            slot,
        )
        (self.repeated_inputs if repeated else self.inputs).append(input)

    def add_repairs(
        self, entity: str, spans: Sequence[SeriesSpan], newest: Instant, model: CityModel
    ) -> None:
        """Request spans of derived series of an entity that was last observed at `newest`.

        Its area emits slots of which it has other inputs than storage. It requests these in turn, in the
        order of its own records.
        """
        area = area_of(entity, model)
        for name, start, end in spans:
            if start >= end:  # deferred up to where it begins
                continue
            self.series_repairs.append(SeriesRepair(entity, name, start, end))
            if area is None or roll_up_of(name, model) == "none":
                continue
            size, windowed = series_interval(name, model), is_windowed(name)
            begin = max(start, newest - OUTDATED_MAX)  # what areas have emitted before is stored long ago
            first = slot_of(begin, size, windowed=windowed)
            last = min(slot_of(end - 1, size, windowed=windowed), slot_of(newest, size, windowed=False))
            if first <= last:
                self.outdated[area, entity, name, size].append(SlotSpan(first, last))

    def _outdated_inputs(self) -> list[AreaInput]:
        """Return what areas are told about points that storage computes; touching spans are one."""
        found = []
        for (area, entity, name, size), spans in self.outdated.items():
            merged: list[SlotSpan] = []
            for span in sorted(spans):
                if merged and span.first <= merged[-1].last + size:
                    merged[-1] = SlotSpan(merged[-1].first, max(span.last, merged[-1].last))
                else:
                    merged.append(span)
            found += [outdated_input(area, entity, name, span) for span in merged]
        return found

    def records(self, partition: int, partitions: int, now: Instant, offset: int) -> list[OutputRecord]:
        """Return the records to send; `offset` is that of the observation record which caused them.

        A record on `aggregates` goes with derived values, though empty: until it is stored, storage may lack
        windows or assessments that they were computed from. The offset also goes with states that were
        assessed: storage computes nothing from them before it has their assessments.
        """
        is_derived = bool(self.series_repairs) or any(one.kind in _DERIVED_KINDS for one in self.updates)
        awaited = offset if is_derived or self.assessments else -1
        records = update_records(self.updates, partition, self.series_repairs, awaited)
        # Only the last assessment of an observation counts: all of them have the same revision.
        assessments = list({one[:2]: one for one in self.assessments}.values())
        # A window that is emitted twice for one record has one revision: only the last counts, too.
        aggregates = list({(one.size, one.datastream, one.start): one for one in self.aggregates}.values())
        parts = list(chunk_slices(aggregates, assessments, self.repairs))
        if is_derived and not parts:
            parts = [slice(0)]
        for part in parts:
            batch = AggregateBatch(
                LAYOUT_VERSION,
                now,
                offset,
                tuple(aggregates[part]),
                tuple(assessments[part]),
                tuple(self.repairs[part]),
            )
            records.append(OutputRecord(topics.AGGREGATES, partition, AGGREGATES.encode(batch)))
        # Repeated ones first: they are what the area knew before.
        records += area_input_records(self.repeated_inputs, now, partitions, repeated=True)
        inputs = self.inputs + self._outdated_inputs()
        return records + area_input_records(inputs, now, partitions, sender=partition)


def last_of_slot(
    state: DerivedState, amended: DerivedValue, size: Duration, model: CityModel
) -> DerivedValue:
    """Return what an area must know after an amendment: the last point of its slot.

    `size` is that of the windows behind the points, 0 for single values. An amended point that is not the
    last of its slot changes nothing for the area.
    """
    series = state.series.get(amended.name)
    if series is None:
        return amended
    width, windowed = series_interval(amended.name, model), is_windowed(amended.name)
    if windowed and size == width:
        return amended  # each slot has one point
    slot = slot_of(amended.phenomenon_time, width, windowed=windowed)
    times = [time for time in series.points if slot_of(time + size, width, windowed=windowed) == slot]
    if not times:
        return amended
    value, flags, weight = series.points[last := max(times)]
    return amended._replace(value=value, phenomenon_time=last + size, flags=flags, weight=weight)


def stored_derived_value(update: Update, model: CityModel) -> DerivedValue:
    """Return the point of the series that a stored update holds, without the flags of what failed since."""
    flags = update.flags if update.last_good is None else update.flags & ~UNUSABLE_FLAGS
    return DerivedValue(
        update.property,
        update.value,
        update.phenomenon_time,
        flags,
        (),
        update.count,
        update.interval or derived_interval(update.property, update.entity, model),
    )
