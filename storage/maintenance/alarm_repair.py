"""Repairs the history of alarms whose data came too late for the stream, or were changed in storage.

The rule is evaluated again over stored history, from the late value on, by the code of back-tests. What is
found in the past of the alarm is added to its stored events, and wakes nobody. Its last occurrence, and what
followed, belong to the alarm stage: it gets a correction over `alarm-inputs` and raises, amends or retracts
the alarm.

A repair that is interrupted is done again: the correction is sent before the amendments are committed with
the deletion of the request. The stage ignores what it knows, and amendments follow from what is stored.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from runtime.backoff import Backoff
from runtime.cancellation import raise_if_cancelled
from runtime.kafka.topics import OBSERVATIONS
from storage.database import (
    DATABASE_UNAVAILABLE,
    Connection,
    QueryError,
    connect,
    fetch_rows,
    wait_for_lock,
)
from storage.history.baseline_seed import read_baselines_until
from storage.history.chunk_reader import read_chunks
from storage.history.condition_reader import judged_ends, newest_points, point_spans, read_points
from storage.maintenance.log_end import EndingLog
from storage.maintenance.series_repair import read_told_times
from storage.queries import query
from storage.stores.alarm_rows import alarm_columns, encode_rows
from storage.stores.alarms import StoredAlarmEvent, read_whole_alarm_history
from storage.stores.log_positions import AGGREGATE_PROGRESS, UPDATE_PROGRESS
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.messages import AlarmEvent, alarm_id
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
)
from twin.backtest.history_chunk import SeriesHistory
from twin.errors import ServiceError
from twin.instant import HOUR, Instant, format_instant, from_datetime, to_datetime
from twin.model.city_model import CityModel

log = logging.getLogger(__name__)

PAUSE_S = 1.0
BACK_OFF_MAX_S = 5.0

ALARM_REPAIRS_PER_ROUND_MAX = 100
"""The most requests of one round; other repairs take their turn between rounds."""

CHANGED_SERIES_PER_ROUND_MAX = 10_000


class AlarmInputsLog(EndingLog, Protocol):
    """The log of the alarm stage, as repairs use it."""

    async def send(self, corrections: Sequence[AlarmCorrection]) -> None:
        """Send corrections to the alarm stage; return when they are on the log."""
        ...


class AlarmRepairRequest(NamedTuple):
    """A request to repair the history of an alarm."""

    rule: str
    entity: str
    start: Instant
    requests: int  #: counts the requests that it joins
    #: of the alarm's events that it looks at; 0: there is none; None: not determined yet, nor is it known how
    #: far the log must be stored before
    last_revision: int | None
    is_ready: bool  #: whether the log is stored so far
    has_changes: bool  #: whether points of the alarm were changed in storage


async def run_alarm_repairs(
    dsn: str, model: Callable[[], CityModel], alarm_inputs: AlarmInputsLog, clock: Callable[[], Instant]
) -> None:
    """Process requests until cancelled, in one process at a time; wait for the database and for Kafka."""
    backoff = Backoff(first_s=PAUSE_S, max_s=BACK_OFF_MAX_S)
    while True:
        try:
            async with await connect(dsn, role="alarm repair") as connection:
                await wait_for_lock(connection, "maintenance/alarms/lock_alarm_repairs", PAUSE_S)
                while True:
                    processed = await repair_alarms(connection, model(), alarm_inputs, clock())
                    backoff.reset()
                    if not processed:
                        await asyncio.sleep(PAUSE_S)
        except (*DATABASE_UNAVAILABLE, ServiceError) as error:
            raise_if_cancelled()
            log.warning("repairs of alarms wait: %s", error, extra={"event": "repair.alarms_waiting"})
            await asyncio.sleep(backoff.next_s())


async def request_repairs_of_changed_series(connection: Connection, index: RuleIndex) -> int:
    """Request repairs of the alarms that watch changed series; return the number of series.

    What has changed is stored already, but not all that the alarms' events follow from.
    """
    changes = {
        (entity, name): (start, number)
        for entity, name, start, number in await fetch_rows(
            connection, "maintenance/alarms/list_changed_series", {"limit": CHANGED_SERIES_PER_ROUND_MAX}
        )
    }
    if not changes:
        return 0
    rows = [
        _request_row(bound.rule.id, entity, min(starts), has_changes=True)
        for entity in sorted(index.model.entities)
        for bound in index.rules_of(entity).rules.values()
        if (starts := [changes[key][0] for one in bound.series if (key := (one.entity, one.name)) in changes])
    ]
    async with connection.transaction():
        if rows:
            await connection.execute(
                query("historian/alarms/request_alarm_repairs"), {"rows": encode_rows(rows)}
            )
        await connection.execute(
            query("maintenance/alarms/delete_changed_series"),
            {
                "entities": [entity for entity, _ in changes],
                "names": [name for _, name in changes],
                "changes": [number for _, number in changes.values()],
            },
        )
    return len(changes)


async def repair_alarms(
    connection: Connection, model: CityModel, alarm_inputs: AlarmInputsLog, now: Instant
) -> int:
    """Process changed series, and at most `ALARM_REPAIRS_PER_ROUND_MAX` requests that are ready.

    Returns the number of both.
    """
    index = RuleIndex(model)
    changed = await request_repairs_of_changed_series(connection, index)
    rows = await fetch_rows(
        connection,
        "maintenance/alarms/list_alarm_repairs",
        {
            "topic": OBSERVATIONS,
            "windows": AGGREGATE_PROGRESS,
            "derived": UPDATE_PROGRESS,
            "limit": ALARM_REPAIRS_PER_ROUND_MAX,
        },
    )
    requests = [
        AlarmRepairRequest(rule, entity, from_datetime(start), number, last_revision, ready, changes)
        for rule, entity, start, number, last_revision, ready, changes in rows
    ]
    if new := [request for request in requests if request.last_revision is None]:
        await _determine_positions(connection, alarm_inputs, new)
    ready = [request for request in requests if request.last_revision is not None and request.is_ready]
    for request in ready:
        bound = index.rules_of(request.entity).rules.get(request.rule)
        stored: list[StoredAlarmEvent] = []
        added: list[AlarmEvent] = []
        is_whole = True
        if bound is not None and bound.series and not bound.fault:
            id = alarm_id(bound.rule.id, bound.entity)
            whole = (await read_whole_alarm_history(connection, [id]))[id]
            stored = [one for one in whole if one.event.revision <= (request.last_revision or 0)]
            alarm = AlarmHistory.of([one.event for one in stored])
            evaluated = await _AlarmEvaluation(connection, model, bound, alarm).run(request.start, now)
            if evaluated is not None:
                correction, severity, until = evaluated
                await alarm_inputs.send([correction._replace(has_changes=request.has_changes)])
                added = amendments(past_difference(alarm, severity, until), alarm, bound, model, now)
                is_whole = until == alarm.past_until
        await _store(connection, request, stored, added, is_whole=is_whole)
    return changed + len(ready)


async def _determine_positions(
    connection: Connection, alarm_inputs: AlarmInputsLog, requests: Sequence[AlarmRepairRequest]
) -> None:
    """Note the present end of the log for new requests: the late values lie before it.

    So does all that the events of the alarms follow from which are stored by now. They are read first.
    """
    alarms = [alarm_id(request.rule, request.entity) for request in requests]
    rows = await fetch_rows(connection, "maintenance/alarms/list_last_alarm_revisions", {"alarms": alarms})
    revisions: dict[str, int] = dict(rows)
    end = await alarm_inputs.end()
    async with connection.transaction():
        for request, alarm in zip(requests, alarms, strict=True):
            await connection.execute(
                query("maintenance/alarms/set_alarm_repair_positions"),
                {
                    "log_id": end.log_id,
                    "positions": json.dumps(dict(end.positions)),
                    "last_revision": revisions.get(alarm, 0),
                    **_key(request),
                },
            )


async def _store(
    connection: Connection,
    request: AlarmRepairRequest,
    stored: Sequence[StoredAlarmEvent],
    added: Sequence[AlarmEvent],
    *,
    is_whole: bool,
) -> None:
    """Store what is added to the past of an alarm, and delete the request, or let it wait once more."""
    async with connection.transaction():
        if added:
            rows = _amendment_rows(stored, added)
            await connection.execute(query("maintenance/alarms/insert_amendments"), {"rows": rows})
        await connection.execute(query("maintenance/alarms/delete_alarm_repair"), _key(request))
        if not is_whole:
            row = _request_row(request.rule, request.entity, to_datetime(request.start), has_changes=False)
            rows = encode_rows([row])
            await connection.execute(query("historian/alarms/request_alarm_repairs"), {"rows": rows})
    if added:
        log.info(
            "added %d events to the past of alarm %s",
            len(added),
            added[0].alarm,
            extra={"event": "repair.alarm_amended", "alarm": added[0].alarm, "events": len(added)},
        )


def _request_row(rule: str, entity: str, start: datetime, *, has_changes: bool) -> dict[str, object]:
    """Return the row of a request; `has_changes`: it is about points that were changed in storage."""
    return {
        "rule": rule,
        "entity_id": entity,
        "start": start,
        "requested_at": start,
        "has_changes": has_changes,
    }


def _key(request: AlarmRepairRequest) -> dict[str, object]:
    return {"rule": request.rule, "entity": request.entity, "requests": request.requests}


def _amendment_rows(stored: Sequence[StoredAlarmEvent], added: Sequence[AlarmEvent]) -> str:
    first = stored[-1].amendment + 1
    return encode_rows(
        [{**alarm_columns(event), "amendment": number} for number, event in enumerate(added, first)]
    )


class _AlarmEvaluation:
    """The evaluation of a rule on an entity over stored history, and its alarm."""

    def __init__(
        self, connection: Connection, model: CityModel, bound: BoundRule, alarm: AlarmHistory
    ) -> None:
        self._connection = connection
        self._model = model
        self._bound = bound
        self._alarm = alarm
        self._told: Mapping[int, Instant] = {}

    async def run(
        self, start: Instant, now: Instant
    ) -> tuple[AlarmCorrection, SeverityHistory, Instant] | None:
        """Return the correction for the alarm stage, and the severity from a time on up to another one.

        None if there is too much to read.
        """
        bound = self._bound
        # Before the observations: later ones may lack their verdicts, and the stream evaluates them itself.
        entities = {one.entity for one in bound.series} & self._model.entities.keys()
        self._told = await read_told_times(self._connection, self._model, sorted(entities))
        stored = await newest_points(self._connection, bound.series, self._model)
        ends, judged_until = judged_ends(stored, self._told, self._model)
        # Without any point nothing holds since the start: all that an alarm followed from was withdrawn.
        newest_time = max((end.time for end in ends.values()), default=start)
        baseline: Baseline | None = None
        try:
            first = evaluation_start(bound, self._alarm.occurrences, min(start, newest_time), self._model)
            severity = await self._severity_from(first, newest_time)
            spans = point_spans([bound], ends, self._model)
            points = await read_points(self._connection, self._model, spans, self._told)
            if bound.uses_baseline:
                begin = spans.get(bound.series[0], (newest_time - newest_time % HOUR,))[0]
                baseline = await self._baseline(begin)
        except QueryError as error:
            log.warning(
                "alarm %s of %s is not repaired from %s on: %s",
                bound.rule.id,
                bound.entity,
                format_instant(start),
                error,
                extra={"event": "repair.alarm_refused", "rule": bound.rule.id, "entity": bound.entity},
            )
            return None
        condition, severity = repaired_condition(bound, points, self._alarm, severity, baseline, now=now)
        until = judged_past_until(self._alarm, severity, judged_until)
        return correction_of(bound, self._alarm, severity, condition), severity, until

    async def _severity_from(self, start: Instant, newest_time: Instant) -> SeverityHistory:
        """Return the severity from a time on, by the stored points of the rule's operands."""
        history = RuleHistory(self._bound, self._model, self._alarm.occurrences, start)
        if self._bound.uses_baseline:
            # The first hour may begin before the points that are evaluated: its stored mean is the whole one.
            history.set_baseline(await self._baseline(history.begin + -history.begin % HOUR))
        series = SeriesHistory(self._bound.series, self._model)
        async with self._connection.transaction():
            await self._evaluate(history, series, history.begin, start)
            history.finish_warm_up()
            await self._evaluate(history, series, start, newest_time + 1)
        return history.severity(newest_time)

    async def _evaluate(
        self, history: RuleHistory, series: SeriesHistory, start: Instant, end: Instant
    ) -> None:
        async for chunk in read_chunks(self._connection, series.needs, self._model, start, end):
            await asyncio.to_thread(history.on_columns, series.columns(chunk.told(self._told)))

    async def _baseline(self, end: Instant) -> Baseline:
        """Return the baseline of the rule's operand as it was at a time."""
        learned = self._bound.series[0]
        return (await read_baselines_until(self._connection, self._model, {learned: end}))[learned]
