"""Repair and recomputation on the database in memory, with the same pure code and spans as in `storage`."""

from __future__ import annotations

import math

from msgspec.structs import replace

from runtime.kafka import topics
from storage.maintenance.recompute import windows_to_write
from storage.maintenance.repair import HourRepair, consecutive_hours
from storage.maintenance.window_feedback import IN_TRANSIT_MAX
from tests.simulation.system.model_database import ModelDatabase
from tests.simulation.system.model_series_repair import request_series_of_datastream
from tests.simulation.system.simulated_log import SimulatedLog
from tests.support.database.memory_history import MemoryHistory, completed
from twin.instant import DAY, HOUR, INSTANT_MAX, INSTANT_MIN, Instant
from twin.model.city_model import CityModel
from twin.model.sensor import Datastream
from twin.quality.quality_flags import TIME_FLAGS
from twin.state.datastream_history import needs_history, read_history_span, read_stored_history, windows_of
from twin.state.datastream_state import RECENT_MAX
from twin.state.derived_points import entity_inputs
from twin.state.preceding_history import StoredHistory
from twin.state.window import aggregate_of
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import OBSERVATIONS, Assessment, ObservationBatch, SeriesPoint, partition_of

Span = tuple[Instant, Instant]


def run_repairs(database: ModelDatabase, model: CityModel) -> int:
    """Process the repair requests that are ready; return their number."""
    ready = database.ready_repairs()
    requests = [HourRepair(*hour, log, one.log_offset, one.requested_at) for hour, log, one in ready]
    for stretch in consecutive_hours(requests):
        span = stretch[0].start, stretch[-1].start + HOUR
        newest = max(one.requested_at for one in stretch)
        recompute(database, model, stretch[0].datastream, span, newest)
        for repair in stretch:
            del database.repairs[repair.datastream, repair.start]
    return len(ready)


def recompute_changes(database: ModelDatabase, before: CityModel, after: CityModel, now: Instant) -> None:
    """Recompute what a change of the model requests, as `storage.model.model_store` does."""
    recompute_calibrations(database, before, after, now)
    recompute_properties(database, before, after, now)


def recompute_properties(database: ModelDatabase, before: CityModel, after: CityModel, now: Instant) -> None:
    """Recompute all that is stored of the properties whose rules differ between two models."""
    for datastream in after.datastreams.values():
        if before.properties[datastream.property] != after.properties[datastream.property]:
            _recompute_span(database, after, datastream, (INSTANT_MIN, INSTANT_MAX), now)


def recompute_calibrations(
    database: ModelDatabase, before: CityModel, after: CityModel, now: Instant
) -> None:
    """Recompute the spans of the calibrations that differ between two models."""
    for calibration in set(before.calibrations) ^ set(after.calibrations):
        for datastream in after.datastreams.values():
            if (datastream.sensor, datastream.property) == (calibration.sensor, calibration.property):
                span = calibration.start, calibration.end
                _recompute_span(database, after, datastream, span, now)


def _recompute_span(
    database: ModelDatabase, model: CityModel, datastream: Datastream, span: Span, now: Instant
) -> None:
    times = [found[1] for found in database.observations_of(datastream.id) if span[0] <= found[1] < span[1]]
    while times:
        begin = times[0] - times[0] % HOUR
        end = min(begin + DAY, span[1])
        recompute(database, model, datastream.id, (begin, end), now)
        times = [time for time in times if time >= end]


def recompute(
    database: ModelDatabase, model: CityModel, datastream: int, span: Span, revision_min: int
) -> None:
    """Recompute the quality flags and windows of whole hours, as
    `storage.maintenance.recompute.recompute_hours` does.
    """
    policy = model.policy_of(model.datastreams[datastream])
    reader = MemoryHistory(database.observations_of(datastream), policy)
    first, last = span[0] - span[0] % HOUR, span[1] + -span[1] % HOUR
    history = completed(read_history_span(reader, policy, first, last))
    start, end = history.start, history.end
    entity, property = model.datastreams[datastream].entity, model.datastreams[datastream].property
    database.note_changed_series(entity, property, start)
    request_series_of_datastream(database, entity, (start, end))
    assessed = history.assess(policy)
    stored = {
        time: assessment
        for (id, time), assessment in database.assessments.items()
        if id == datastream and start <= time < end
    }
    revisions = [
        aggregate.revision
        for (_, id, begun), aggregate in database.aggregates.items()
        if id == datastream and start <= begun < end
    ]
    revision = max(
        revision_min, max(revisions, default=0) + 1, *(one.revision + 1 for one in stored.values())
    )
    computed = [
        aggregate_of(
            content, datastream=datastream, size=size, start=begun, revision=revision,
            interval=policy.interval, kind=policy.aggregation,
        )
        for size, begun, content in windows_of(assessed, policy, start, history.register)
        if start <= begun < end
    ]  # fmt: skip
    assessments = [
        Assessment(datastream, before.phenomenon_time, flags if flags != before.flags else 0, revision)
        for before, after in zip(history.observations, assessed, strict=False)
        if start <= before.phenomenon_time < end
        for flags in (after.flags & ~TIME_FLAGS,)
    ]
    changed = [one for one in assessments if one.flags != (stored[one[1]].flags if one[1] in stored else 0)]
    wanted = range(first, last) if policy.aggregation != "counter" else range(start, end)
    hours = {
        begun: (one.count, one.suspect, one.flags)
        for begun, one in database.windows_of(HOUR, datastream).items()
        if start <= begun < end
    }
    repaired = windows_to_write(computed, wanted, hours, changed)
    database.merge_aggregates(repaired)
    database.note_repaired_windows(repaired)
    if needs_history(policy):
        database.note_repaired_history(datastream)
    database.merge_assessments(changed)


def send_repaired_windows(database: ModelDatabase, model: CityModel, log: SimulatedLog) -> int:
    """Send repaired windows, and the past of their datastreams, to the stream; return their number."""
    repaired, database.repaired_windows = database.repaired_windows, set()
    for key in sorted(repaired):
        datastream = model.datastreams[key[1]]
        if not model.policy_of(datastream).personal:
            batch = ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, aggregates=(database.aggregates[key],))
            partition = partition_of(datastream.entity, log.partition_count)
            log.append(topics.OBSERVATIONS, partition, OBSERVATIONS.encode(batch))
    for id in sorted({key[1] for key in repaired}):
        history = _stored_history(database, model, id, log.partition_count)
        if history is not None:
            batch = ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, histories=(history,))
            partition = partition_of(model.datastreams[id].entity, log.partition_count)
            log.append(topics.OBSERVATIONS, partition, OBSERVATIONS.encode(batch))
    return len(repaired) + _send_repaired_points(database, model, log)


def _stored_history(
    database: ModelDatabase, model: CityModel, id: int, partitions: int
) -> StoredHistory | None:
    """Return what is stored of the past of a datastream, as `storage.maintenance.window_feedback` does."""
    datastream = model.datastreams[id]
    policy = model.policy_of(datastream)
    if policy.personal or not needs_history(policy):
        return None
    reader = MemoryHistory(database.observations_of(id), policy)
    history = completed(read_stored_history(reader, policy, id, RECENT_MAX + IN_TRANSIT_MAX))
    return replace(history, offset=database.stored_offset(partition_of(datastream.entity, partitions)))


def _send_repaired_points(database: ModelDatabase, model: CityModel, log: SimulatedLog) -> int:
    entities, database.repaired_points = database.repaired_points, set()
    for entity in sorted(entities):
        points = []
        for name in (one.name for one in entity_inputs(entity, model).indicators):
            for time, one in sorted(database.values_of(entity, name).items(), reverse=True):
                points.append(SeriesPoint(entity, name, time, one.value, one.flags, one.count))
                if not math.isnan(one.value):
                    break  # those after it were withdrawn
        batch = ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, points=tuple(points))
        log.append(topics.OBSERVATIONS, partition_of(entity, log.partition_count), OBSERVATIONS.encode(batch))
    return len(entities)
