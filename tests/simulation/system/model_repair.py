"""Repair and recomputation on the database in memory, with the same pure code and spans as in `storage`."""

from __future__ import annotations

from itertools import islice

from storage.maintenance.recompute import EFFECT_SPAN_MAX, recompute_observations
from storage.maintenance.repair import HourRepair, consecutive_hours
from tests.simulation.system.model_database import ModelDatabase
from twin.instant import DAY, HOUR, Instant
from twin.model.calibration import Calibration
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.quality.quality_check import CONTEXT_MAX
from twin.state.window import aggregate_of
from twin.wire.messages import Assessment

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


def recompute_calibrations(
    database: ModelDatabase, before: CityModel, after: CityModel, now: Instant
) -> None:
    """Recompute the spans of the calibrations that differ between two models."""
    for calibration in set(before.calibrations) ^ set(after.calibrations):
        for datastream in after.datastreams.values():
            if (datastream.sensor, datastream.property) == (calibration.sensor, calibration.property):
                _recompute_span(database, after, datastream, calibration, now)


def _recompute_span(
    database: ModelDatabase, model: CityModel, datastream: Datastream, one: Calibration, now: Instant
) -> None:
    times = [found[1] for found in database.observations_of(datastream.id) if one.start <= found[1] < one.end]
    while times:
        begin = times[0] - times[0] % HOUR
        end = min(begin + DAY, one.end)
        recompute(database, model, datastream.id, (begin, end), now)
        times = [time for time in times if time >= end]


def recompute(
    database: ModelDatabase, model: CityModel, datastream: int, span: Span, revision_min: int
) -> None:
    """Recompute the quality flags and windows of whole hours, as
    `storage.maintenance.recompute.recompute_hours` does.
    """
    terms = model.policy_of(model.datastreams[datastream])
    entity, property = model.datastreams[datastream].entity, model.datastreams[datastream].property
    database.note_changed_series(entity, property, span[0] - span[0] % HOUR)
    stored = database.observations_of(datastream)
    start = span[0] - span[0] % HOUR
    end = _reach(stored, span[1] + -span[1] % HOUR)
    count = 2 * CONTEXT_MAX + (terms.rules.stuck.count if terms.rules.stuck is not None else 0)
    duration = terms.rules.stuck.duration_min if terms.rules.stuck is not None else 0
    begin = _context_begin(stored, start, count, duration)
    observations = [one for one in stored if begin <= one[1] < end]
    judgements, windows = recompute_observations(observations, terms)
    judged = {
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
        revision_min, max(revisions, default=0) + 1, *(one.revision + 1 for one in judged.values())
    )
    database.merge_aggregates(
        aggregate_of(
            content, datastream=datastream, size=size, start=begun, revision=revision,
            interval=terms.interval, kind=terms.aggregation,
        )
        for size, begun, content in windows
        if start <= begun < end
    )  # fmt: skip
    database.merge_assessments(
        Assessment(datastream, observation[1], now, revision)
        for observation in observations
        if observation[1] >= start
        and (now := judgements.get(observation[1], 0))
        != (judged[observation[1]].flags if observation[1] in judged else 0)
    )


def _reach(stored: list[Observation], end: Instant) -> Instant:
    behind = list(islice((one[1] for one in stored if end <= one[1] < end + EFFECT_SPAN_MAX), CONTEXT_MAX))
    return behind[-1] - behind[-1] % HOUR + HOUR if behind else end


def _context_begin(stored: list[Observation], start: Instant, count: int, duration: int) -> Instant:
    before = [one[1] for one in stored if one[1] < start][-count:]
    long_ago = [one[1] for one in stored if one[1] <= start - duration]
    return min([start, *before[:1], *long_ago[-1:]])
