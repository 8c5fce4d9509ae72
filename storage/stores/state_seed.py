"""Reads the state from which the stream starts on a new log: observations, aggregates, states, alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from storage.database import Connection, fetch_rows
from storage.queries import query
from storage.stores.alarms import read_last_incidents, read_newest_alarms
from storage.stores.current_state import CurrentState, read_current_state
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.instant import HOUR, MINUTE, Duration, Instant, from_datetime
from twin.model.observation import Observation
from twin.state.window import Aggregate
from twin.state.window_history import HISTORY_SPANS

# The windows that `twin.state.window_history` remembers, and the one that begins before them.
SEED_HOURS_MAX = HISTORY_SPANS[HOUR] // HOUR + 2
SEED_TEN_MINUTES_MAX = HISTORY_SPANS[10 * MINUTE] // (10 * MINUTE) + 2

# A year of hours of a few datastreams, or a day of all of a city; the rest is repaired at the next start.
SEED_REPAIRS_MAX = 50_000


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


async def read_state_seed(connection: Connection, log_id: str, observations_max: int) -> StateSeed:
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
    without = await fetch_rows(connection, "stores/state/list_hours_to_repair", {"limit": SEED_REPAIRS_MAX})
    return StateSeed(
        observations,
        frozenset(id for id, count in counts.items() if count >= observations_max),
        [*aggregates_of(hours, HOUR), *aggregates_of(ten_minutes, 10 * MINUTE)],
        [(datastream, from_datetime(start)) for datastream, start in without],
        state,
        await read_newest_alarms(connection),
        await read_last_incidents(connection),
    )


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
