"""Reads the state from which the stream starts on a new log: observations, aggregates, states, alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from types import MappingProxyType
from typing import Any

from storage.database import Connection, fetch_rows
from storage.maintenance.recompute import with_standstills
from storage.queries import query
from storage.stores.alarms import read_last_incidents, read_newest_alarms
from storage.stores.current_state import CurrentState, read_current_state
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.instant import HOUR, MINUTE, Duration, Instant, from_datetime, to_datetime
from twin.model.city_model import CityModel
from twin.model.observation import LastGoodValue, Observation
from twin.quality.constant_run import ConstantRun
from twin.quality.quality_check import CONTEXT_MAX
from twin.quality.quality_flags import UNUSABLE_FLAGS
from twin.quality.stuck_runs import LongRun, activity_memory, long_run
from twin.state.preceding_history import PrecedingHistory
from twin.state.window import Aggregate
from twin.state.window_history import HISTORY_SPANS

# The windows that `twin.state.window_history` remembers, and the one that begins before them.
SEED_HOURS_MAX = HISTORY_SPANS[HOUR] // HOUR + 2
SEED_TEN_MINUTES_MAX = HISTORY_SPANS[10 * MINUTE] // (10 * MINUTE) + 2

# A year of hours of a few datastreams, or a day of all of a city; the rest is repaired at the next start.
SEED_REPAIRS_MAX = 50_000

PRECEDING_MAX = 500
"""For how many datastreams one statement looks up the observations before those of the seed."""


@dataclass(frozen=True, slots=True)
class StateSeed:
    """The stored state of all active datastreams, entities and alarms."""

    observations: list[Observation]  #: the newest of each datastream, ascending by phenomenon time
    truncated: frozenset[int]  #: datastreams that may have older observations
    aggregates: list[Aggregate]  #: the newest of an hour and of ten minutes, ascending by start
    #: (datastream, start) of hours with a closed window that was not emitted
    hours_to_repair: list[tuple[int, Instant]]
    state: CurrentState
    alarms: Sequence[AlarmEvent] = ()  #: the newest event of each alarm
    incidents: Sequence[IncidentEvent] = ()  #: the newest event of the last incident of each cause and area
    #: of truncated datastreams: summary of the observations before these
    preceding: Mapping[int, PrecedingHistory] = MappingProxyType({})
    #: of the same: the stored flags of the first `CONTEXT_MAX` of these
    context_flags: Mapping[int, Sequence[int]] = MappingProxyType({})


async def read_state_seed(
    connection: Connection, log_id: str, observations_max: int, model: CityModel
) -> StateSeed:
    """Return the stored state, with at most `observations_max` observations of each datastream.

    No transaction may be open on the connection.
    """
    state = await read_current_state(connection, log_id)
    rows = await fetch_rows(connection, "stores/state/list_newest_observations", {"limit": observations_max})
    observations = [
        Observation(datastream, from_datetime(measured), from_datetime(received), value, flags, rank)
        for datastream, measured, received, value, flags, rank in rows
    ]
    counts = Counter(observation.datastream for observation in observations)
    hours = await _fetch_aggregates(connection, "aggregate_hour", SEED_HOURS_MAX)
    ten_minutes = await _fetch_aggregates(connection, "aggregate_ten_minutes", SEED_TEN_MINUTES_MAX)
    truncated = frozenset(id for id, count in counts.items() if count >= observations_max)
    contexts = _contexts(observations, truncated)
    without = await fetch_rows(connection, "stores/state/list_hours_to_repair", {"limit": SEED_REPAIRS_MAX})
    return StateSeed(
        observations,
        truncated,
        [*aggregates_of(hours, HOUR), *aggregates_of(ten_minutes, 10 * MINUTE)],
        [(datastream, from_datetime(start)) for datastream, start in without],
        state,
        await read_newest_alarms(connection),
        await read_last_incidents(connection),
        await _preceding_histories(
            connection, {id: found[0].phenomenon_time for id, found in contexts.items()}, model
        ),
        await _context_flags(connection, contexts),
    )


def _contexts(
    observations: Iterable[Observation], datastreams: Iterable[int]
) -> dict[int, list[Observation]]:
    """Return the first `CONTEXT_MAX` observations of each of these datastreams."""
    contexts: dict[int, list[Observation]] = {id: [] for id in sorted(datastreams)}
    for observation in observations:
        context = contexts.get(observation.datastream)
        if context is not None and len(context) < CONTEXT_MAX:
            context.append(observation)
    return contexts


async def _context_flags(
    connection: Connection, contexts: Mapping[int, Sequence[Observation]]
) -> dict[int, list[int]]:
    """Return the stored flags of these observations, by datastream."""
    flags: dict[int, list[int]] = {}
    for group in batched(contexts.items(), PRECEDING_MAX):
        rows = await fetch_rows(
            connection,
            "stores/state/list_verdicts",
            {
                "datastreams": [id for id, _ in group],
                "starts": [to_datetime(found[0].phenomenon_time) for _, found in group],
                "ends": [to_datetime(found[-1].phenomenon_time) for _, found in group],
                "limit": CONTEXT_MAX,
            },
        )
        verdicts = {(id, from_datetime(time)): verdict for id, time, verdict in rows}
        for id, found in group:
            flags[id] = [one.flags | verdicts.get((id, one.phenomenon_time), 0) for one in found]
    return flags


async def _preceding_histories(
    connection: Connection, first_times: Mapping[int, Instant], model: CityModel
) -> dict[int, PrecedingHistory]:
    """Return the summary of the observations before a time, by datastream; of those that the model has."""
    histories: dict[int, PrecedingHistory] = {}
    for group in batched(sorted(first_times.keys() & model.datastreams.keys()), PRECEDING_MAX):
        policies = {id: model.policy_of(model.datastreams[id]) for id in group}
        runs = [long_run(policies[id].rules) or LongRun(1, 0) for id in group]
        rows = await fetch_rows(
            connection,
            "stores/state/list_preceding_runs",
            {
                "datastreams": list(group),
                "times": [to_datetime(first_times[id]) for id in group],
                "counts": [run.count for run in runs],
                "durations": [
                    max(run.duration, activity_memory(policies[id].rules))
                    for id, run in zip(group, runs, strict=True)
                ],
                "unusable": UNUSABLE_FLAGS,
            },
        )
        for id, time, value, flags, count, start, good_time, good_value in rows:
            policy = policies[id]
            run = ConstantRun(value, count, from_datetime(start))
            if activity_memory(policy.rules):
                async with connection.transaction():
                    run = await with_standstills(connection, id, run)
            good = None
            if good_time is not None:
                usable = from_datetime(good_time)
                good = LastGoodValue(policy.calibrated(good_value, usable), usable)
            histories[id] = PrecedingHistory.from_storage(from_datetime(time), run, flags, good, policy)
    return histories


async def _fetch_aggregates(connection: Connection, table: str, limit: int) -> list[tuple[Any, ...]]:
    statement = query("stores/state/list_newest_aggregates", table=table)
    async with connection.transaction():
        return await (await connection.execute(statement, {"limit": limit})).fetchall()


def aggregates_of(rows: Iterable[tuple[Any, ...]], size: Duration) -> Iterable[Aggregate]:
    """Yield the windows of a size in rows of `list_newest_aggregates`."""
    for datastream, start, revision, count, suspect, expected, flags, *values, sketch in rows:
        minimum, maximum, mean, total, first, last = values
        yield Aggregate(
            datastream=datastream,
            size=size,
            start=from_datetime(start),
            revision=revision,
            count=count,
            suspect=suspect,
            expected=expected,
            flags=flags,
            minimum=minimum,
            maximum=maximum,
            mean=mean,
            total=total,
            first=first,
            last=last,
            sketch=bytes(sketch),
        )
