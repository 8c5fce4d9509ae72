"""Repair of alarms on the database in memory, and the states of rules at the beginning of a log.

As in `storage.maintenance.alarm_repair` and `storage.history.condition_reader`, with the same pure code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runtime.kafka import topics
from storage.history.condition_reader import SeriesEnd, judged_ends
from tests.simulation.system.model_database import AlarmRepairRequest, ModelDatabase
from tests.simulation.system.model_history import history_chunk, points
from tests.simulation.system.simulated_log import SimulatedLog
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.messages import ALARM_INPUTS, AlarmInputBatch, alarm_id
from twin.alarms.rules.operand import OperandSeries, Point
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.backtest.condition_history import (
    AlarmHistory,
    RuleHistory,
    SeverityHistory,
    amendments,
    correction_of,
    evaluation_start,
    judged_past_until,
    past_difference,
    repaired_condition,
    state_span,
    stored_condition,
)
from twin.backtest.history_chunk import HistoryChunk, SeriesHistory
from twin.backtest.point_column import PointColumn
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant
from twin.model.city_model import CityModel
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import partition_of


class _Stored(NamedTuple):
    """What is stored about one rule on one entity."""

    database: ModelDatabase
    model: CityModel
    bound: BoundRule
    alarm: AlarmHistory
    told: Mapping[int, Instant] | None  #: until when observations of datastreams count; None: all of them

    @classmethod
    def read(
        cls, database: ModelDatabase, model: CityModel, bound: BoundRule, *, until: int | None = None
    ) -> _Stored:
        """Return what is stored.

        With a revision: only events of the alarm up to it, and no observations that the stream has not told.
        """
        id = alarm_id(bound.rule.id, bound.entity)
        keys = sorted(key for key in database.alarm_events if key[0] == id)
        events = [database.alarm_events[key] for key in keys if until is None or key[1] <= until]
        told = None
        if until is not None:
            entities = {one.entity for one in bound.series}
            ids = [one.id for one in model.datastreams.values() if one.entity in entities]
            told = database.told_times(ids)
        return cls(database, model, bound, AlarmHistory.of(events), told)

    def ends(self) -> dict[OperandSeries, Instant]:
        """Return the newest point of each operand."""
        found = self._columns()
        return {one: int(column.times[-1]) for one, column in found.items() if len(column.times)}

    def newest_points(self) -> dict[OperandSeries, list[Point]]:
        """Return the points of each operand that the present state of the rule needs."""
        found = self._columns()
        return {
            one: points(found[one], end - state_span(self.bound, one, self.model), end)
            for one, end in self.ends().items()
        }

    def judged_until(self) -> Instant:
        """Return up to where all points are judged; INSTANT_MAX: no stored one is later."""
        assert self.told is not None
        stored = {one: SeriesEnd(end, INSTANT_MIN) for one, end in self._replace(told=None).ends().items()}
        return judged_ends(stored, self.told, self.model).until

    def severity_from(self, start: Instant, newest: Instant) -> SeverityHistory:
        """Return the severity from a time on, by the stored points of the operands."""
        history = RuleHistory(self.bound, self.model, self.alarm.occurrences, start)
        series = SeriesHistory(self.bound.series, self.model)
        history.on_columns(series.columns(self._chunk(series, history.begin, start)))
        history.finish_warm_up()
        history.on_columns(series.columns(self._chunk(series, start, newest + 1)))
        return history.severity(newest)

    def _columns(self) -> dict[OperandSeries, PointColumn]:
        series = SeriesHistory(self.bound.series, self.model)
        return series.columns(self._chunk(series, INSTANT_MIN, INSTANT_MAX))

    def _chunk(self, series: SeriesHistory, start: Instant, end: Instant) -> HistoryChunk:
        chunk = history_chunk(self.database, self.model, start, end, series.needs)
        return chunk if self.told is None else chunk.told(self.told)


def request_repairs_of_changed_series(database: ModelDatabase, model: CityModel) -> int:
    """Request repairs of the alarms that watch changed series; return the number of series."""
    changes, database.changed_series = database.changed_series, {}
    index = RuleIndex(model)
    for entity in model.entities if changes else ():
        for bound in index.rules_of(entity).rules.values():
            starts = [changes[one[:2]] for one in bound.series if one[:2] in changes]
            if starts:
                database.request_alarm_repair(bound.rule.id, entity, min(starts), has_changes=True)
    return len(changes)


def run_alarm_repairs(database: ModelDatabase, model: CityModel, log: SimulatedLog, now: Instant) -> int:
    """Process the requests whose data are stored; send corrections over the log. Return their number."""
    count = request_repairs_of_changed_series(database, model)
    index = RuleIndex(model)
    for key, request in sorted(database.alarm_repairs.items()):
        if request.positions is None:
            last = database.last_alarm_revision(alarm_id(*key))
            database.alarm_repairs[key] = request._replace(
                log=log.identity, positions=_ends(log), last_revision=last
            )
            count += 1
            continue
        if not database.has_consistent_inputs():
            continue
        if request.log == log.identity and not database.has_stored(log, request.positions):
            continue
        count += 1
        bound = index.rules_of(key[1]).rules.get(key[0])
        is_whole = True
        if bound is not None and bound.series and not bound.fault:
            stored = _Stored.read(database, model, bound, until=request.last_revision)
            is_whole = _repair(stored, request, log, now)
        del database.alarm_repairs[key]
        if not is_whole:
            database.request_alarm_repair(*key, request.start)
    return count


def _ends(log: SimulatedLog) -> Mapping[tuple[str, int], int]:
    return {place: log.end(*place) for place in log.partitions()}


def _repair(stored: _Stored, request: AlarmRepairRequest, log: SimulatedLog, now: Instant) -> bool:
    """Repair an alarm; return whether its whole past could be compared."""
    newest = max(stored.ends().values(), default=request.start)
    start = min(request.start, newest)
    first = evaluation_start(stored.bound, stored.alarm.occurrences, start, stored.model)
    severity = stored.severity_from(first, newest)
    condition, severity = repaired_condition(
        stored.bound, stored.newest_points(), stored.alarm, severity, None, now=now
    )
    correction = correction_of(stored.bound, stored.alarm, severity, condition)
    send_correction(log, correction._replace(has_changes=request.has_changes))
    until = judged_past_until(stored.alarm, severity, stored.judged_until())
    difference = past_difference(stored.alarm, severity, until)
    added = amendments(difference, stored.alarm, stored.bound, stored.model, now)
    stored.database.add_amendments(added)
    return until == stored.alarm.past_until


def send_correction(log: SimulatedLog, correction: AlarmCorrection) -> None:
    """Send a correction to the alarm stage."""
    partition = partition_of(correction.entity, log.partition_count)
    batch = AlarmInputBatch(LAYOUT_VERSION, INSTANT_MIN, False, corrections=(correction,))
    log.append(topics.ALARM_INPUTS, partition, ALARM_INPUTS.encode(batch))


def stored_corrections(database: ModelDatabase, model: CityModel) -> list[AlarmCorrection]:
    """Return the states of all rules on values at the beginning of a log."""
    index, found = RuleIndex(model), []
    for entity in sorted(model.entities):
        for bound in index.rules_of(entity).rules.values():
            if not bound.series or bound.fault:
                continue
            stored = _Stored.read(database, model, bound)
            reached = stored_condition(
                bound, stored.newest_points(), stored.alarm, None, _newest_reception(database)
            )
            if reached is not None:
                condition, severity = reached
                found.append(correction_of(bound, stored.alarm, severity, condition))
    return found


def _newest_reception(database: ModelDatabase) -> Instant:
    return max((one.received_time for one in database.observations.values()), default=0)
