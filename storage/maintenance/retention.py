"""Retention: what is kept how long, by observed property; our own scheduler, for every edition.

Single observations go first, then aggregates of minutes, then those of hours; days stay. Nothing goes before
what is coarser is there. What all datastreams have passed goes with its chunks, the rest row by row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.cancellation import raise_if_cancelled
from storage.database import DATABASE_UNAVAILABLE, Connection, connect, fetch_rows
from storage.history.history_reader import read_extents
from storage.history.read_plan import local_midnight
from storage.maintenance.downsampling import create_days, create_missing_hours
from storage.maintenance.recompute import first_observation_time
from storage.maintenance.repair import prepare_repairs
from storage.queries import query
from storage.settings import HistorianSettings
from twin.instant import DAY, HOUR, INSTANT_MIN, Instant, from_datetime, to_datetime
from twin.model.city_model import CityModel
from twin.model.observed_property import ObservedProperty, Retention

log = logging.getLogger(__name__)

SETTLE_TIME = 2 * HOUR
"""How old an hour is before its aggregate is looked for: what is on its way then has long been stored."""

DELETE_SPAN = DAY
"""What is deleted of a datastream in one transaction: at a value a second 86,400 rows."""

DATASTREAMS_PER_QUERY_MAX = 1_000
"""Datastreams that are looked through in one statement: some milliseconds."""

BACK_OFF_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedRows:
    """What a run removed."""

    observations: int = 0
    aggregates: int = 0
    hours: int = 0  #: of datastreams, after days were made of them
    messages: int = 0  #: of quarantine
    payloads: int = 0  #: records whose payloads were forgotten
    alarms: int = 0  #: events of alarms and incidents, and messages to people

    def __add__(self, other: RemovedRows) -> RemovedRows:
        return RemovedRows(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionCutoffs:
    """Before which times a datastream's rows go."""

    id: int
    property: ObservedProperty
    complete_to: Instant
    raw: Instant
    minute: Instant
    hour: Instant


async def run_retention(
    settings: HistorianSettings, model: Callable[[], CityModel], clock: Callable[[], Instant]
) -> None:
    """Remove what is old, every `retention_interval_s`, until cancelled; one process at a time does it."""
    while True:
        try:
            async with await connect(settings.database.get_secret_value(), role="retention") as connection:
                await prepare_repairs(connection)
                removed = await apply_retention(connection, model(), settings, clock())
                if removed is not None and removed != RemovedRows():
                    log.info("retention: %s", removed)
            await asyncio.sleep(settings.retention_interval_s)
        except DATABASE_UNAVAILABLE as error:
            raise_if_cancelled()
            log.warning("retention waits for the database: %s", error)
            await asyncio.sleep(BACK_OFF_S)


async def apply_retention(
    connection: Connection, model: CityModel, settings: HistorianSettings, now: Instant
) -> RemovedRows | None:
    """Remove what is old at `now`; None when another process is at it. In many transactions, each small."""
    if not await _fetch_value(connection, "maintenance/retention/lock_retention"):
        return None
    try:
        cuts = await _read_cutoffs(connection, model, settings, now)
        removed = await _drop_chunks(connection, cuts)
        passed = await _datastreams_to_trim(connection, cuts)
        for one in cuts:
            if one.id in passed:
                removed += await _remove_rows(connection, one, model.city.timezone)
        removed += await _remove_messages(connection, settings, cuts, now)
        end = now - settings.retention_alarm_days * DAY
        return removed + RemovedRows(alarms=await remove_alarms(connection, end, settings.retention_rows_max))
    finally:
        await _fetch_value(connection, "maintenance/retention/unlock_retention")


async def _read_cutoffs(
    connection: Connection, model: CityModel, settings: HistorianSettings, now: Instant
) -> list[RetentionCutoffs]:
    """Make the hours that lack, and return what may go then."""
    settled = now - now % HOUR - SETTLE_TIME
    # Of a property that is retired nobody knows how to make hours: it goes with its chunks.
    rows = [
        one
        for one in await fetch_rows(connection, "maintenance/retention/list_retained_datastreams")
        if one[1] in model.properties
    ]
    since = {
        id: from_datetime(complete_to) if complete_to is not None else INSTANT_MIN
        for id, _, _, complete_to in rows
    }
    await _create_missing_hours(
        connection, model, {id: one for id, one in since.items() if one < settled}, settled
    )
    complete_to = {one.id: one.complete_to for one in await read_extents(connection, list(since), None)}
    await connection.commit()
    return [
        retention_cutoffs(
            id,
            model.properties[name],
            now=now,
            personal_max=settings.retention_personal_days * DAY if personal else None,
            complete_to=complete_to[id],
            zone=model.city.timezone,
        )
        for id, name, personal, _ in rows
    ]


async def _create_missing_hours(
    connection: Connection, model: CityModel, since: Mapping[int, Instant], settled: Instant
) -> None:
    """Make the hours that lack of datastreams, each from a time of its own until `settled`."""
    for first in range(0, len(since), DATASTREAMS_PER_QUERY_MAX):
        ids = list(since)[first : first + DATASTREAMS_PER_QUERY_MAX]
        starts = [to_datetime(since[id]) for id in ids]
        asked = {"datastreams": ids, "starts": starts, "end": to_datetime(settled)}
        for (id,) in await fetch_rows(
            connection, "maintenance/retention/list_datastreams_with_observations", asked
        ):
            await create_missing_hours(connection, model.properties, id, since[id], settled)
        await _update_limits(connection, *ids, complete_to=settled)


async def _datastreams_to_trim(connection: Connection, cuts: Sequence[RetentionCutoffs]) -> set[int]:
    """Return the datastreams of which there is something to remove."""
    found: set[int] = set()
    for first in range(0, len(cuts), DATASTREAMS_PER_QUERY_MAX):
        portion = cuts[first : first + DATASTREAMS_PER_QUERY_MAX]
        asked = {
            "datastreams": [one.id for one in portion],
            "raws": [to_datetime(one.raw) for one in portion],
            "minutes": [to_datetime(one.minute) for one in portion],
            "hours": [to_datetime(one.hour) for one in portion],
        }
        found.update(
            id
            for (id,) in await fetch_rows(connection, "maintenance/retention/list_datastreams_to_trim", asked)
        )
    return found


def retention_cutoffs(
    id: int,
    property: ObservedProperty,
    *,
    now: Instant,
    personal_max: int | None,
    complete_to: Instant,
    zone: str,
) -> RetentionCutoffs:
    """Return before which times the rows of a datastream go.

    Households' single values, and aggregates that are nearly as fine, are kept `personal_max` at most. What
    is coarser is kept at least as long. What waits for a repair is behind `complete_to`, and stays.
    """
    kept: Retention = property.retention
    raw, minute = kept.raw, max(kept.raw, kept.minute)
    if personal_max is not None:
        raw, minute = min(raw, personal_max), min(minute, personal_max)
    hour = max(minute, kept.hour)
    return RetentionCutoffs(
        id=id,
        property=property,
        complete_to=complete_to,
        raw=min(now - raw - (now - raw) % HOUR, complete_to),
        minute=min(now - minute - (now - minute) % HOUR, complete_to),
        hour=min(local_midnight(now - hour, zone), local_midnight(max(complete_to, 0), zone)),
    )


async def _drop_chunks(connection: Connection, cuts: list[RetentionCutoffs]) -> RemovedRows:
    """Drop the chunks that every datastream has passed."""
    if not cuts:
        return RemovedRows()
    raw = min(one.raw for one in cuts)
    removed = 0
    end = await _fetch_value(
        connection, "maintenance/retention/find_last_whole_chunk", ("observation", to_datetime(raw))
    )
    if end is not None:
        async with connection.transaction():
            # What is counted is what is dropped.
            await connection.execute(query("maintenance/removal/lock_observations"))
            removed = await _fetch_value(connection, "maintenance/removal/count_observations_before", (end,))
            await connection.execute(query("maintenance/removal/drop_chunks"), ("observation", end))
            await connection.execute(query("maintenance/removal/add_removed_count"), (removed,))
            await _update_limits(connection, *(one.id for one in cuts), raw_from=from_datetime(end))
    minute = min(one.minute for one in cuts)
    for table, cut in (
        ("assessment", raw),
        ("superseded_observation", raw),
        ("aggregate_minute", minute),
        ("aggregate_ten_minutes", minute),
        ("message_batch", raw),
        ("entity_value", min(one.hour for one in cuts)),
    ):
        async with connection.transaction():
            await connection.execute(query("maintenance/removal/drop_chunks"), (table, to_datetime(cut)))
    return RemovedRows(observations=removed)


async def _remove_rows(connection: Connection, cuts: RetentionCutoffs, zone: str) -> RemovedRows:
    """Remove what one datastream has passed, piece by piece."""
    observations = aggregates = hours = 0
    while (first := await first_observation_time(connection, [cuts.id], INSTANT_MIN, cuts.raw)) is not None:
        end = min(first - first % HOUR + DELETE_SPAN, cuts.raw)
        async with connection.transaction():
            count = await _fetch_value(
                connection, "maintenance/removal/remove_observations", _range_parameters(cuts.id, first, end)
            )
            await connection.execute(query("maintenance/removal/add_removed_count"), (count,))
            await _update_limits(connection, cuts.id, raw_from=end)
        observations += count
    asked = _range_parameters(cuts.id, INSTANT_MIN, cuts.minute)
    while (
        start := await _fetch_value(connection, "maintenance/retention/find_first_minute_aggregate", asked)
    ) is not None:
        end = min(from_datetime(start) + DELETE_SPAN, cuts.minute)
        async with connection.transaction():
            aggregates += await _fetch_value(
                connection,
                "maintenance/removal/remove_minutes",
                _range_parameters(cuts.id, from_datetime(start), end),
            )
            await _update_limits(connection, cuts.id, minute_from=end)
    async with connection.transaction():
        made_to = await create_days(connection, cuts.property, cuts.id, cuts.hour, zone)
        if made_to is not None:
            hours = 1
            await _update_limits(connection, cuts.id, hour_from=made_to)
    return RemovedRows(observations=observations, aggregates=aggregates, hours=hours)


async def _remove_messages(
    connection: Connection, settings: HistorianSettings, cuts: list[RetentionCutoffs], now: Instant
) -> RemovedRows:
    """Forget payloads, and delete what is old in quarantine, unless its replay is asked for."""
    payloads = messages = 0
    end = to_datetime(now - settings.retention_payload_days * DAY)
    while (
        start := await _fetch_value(connection, "maintenance/retention/find_first_payload", (end,))
    ) is not None:
        stop = min(to_datetime(from_datetime(start) + HOUR), end)
        async with connection.transaction():
            payloads += (
                await connection.execute(
                    query("maintenance/removal/remove_payloads"), {"start": start, "end": stop}
                )
            ).rowcount
    old = {
        "end": to_datetime(now - settings.retention_quarantine_days * DAY),
        "limit": settings.retention_rows_max,
    }
    count = settings.retention_rows_max
    while count == settings.retention_rows_max:
        async with connection.transaction():
            count = (await connection.execute(query("maintenance/removal/remove_quarantined"), old)).rowcount
        messages += count
    return RemovedRows(messages=messages, payloads=payloads)


def _range_parameters(id: int, start: Instant, end: Instant) -> dict[str, Any]:
    return {"datastream": id, "start": to_datetime(start), "end": to_datetime(end)}


async def _update_limits(connection: Connection, *ids: int, **times: Instant) -> None:
    known = {name: to_datetime(time) for name, time in times.items()}
    empty = dict.fromkeys(("complete_to", "raw_from", "minute_from", "hour_from"))
    async with connection.transaction():
        await connection.execute(
            query("maintenance/retention/update_retention_limits"),
            {**empty, **known, "datastreams": list(ids)},
        )


async def _fetch_value(connection: Connection, name: str, parameters: Any = None) -> Any:
    async with connection.transaction():
        row = await (await connection.execute(query(name), parameters)).fetchone()
    return row[0] if row is not None else None


async def remove_alarms(connection: Connection, end: Instant, rows_max: int) -> int:
    """Delete what happened before `end`, `rows_max` rows a transaction; return how many rows.

    Open incidents stay, and the last of each cause and area: its number goes on.
    """
    removed = 0
    asked = {"end": to_datetime(end), "limit": rows_max}
    for statement in (
        query("maintenance/removal/remove_alarm_events"),
        query("maintenance/removal/remove_incident_events"),
        query("maintenance/removal/remove_notification_events"),
        query("maintenance/removal/remove_notifications"),
        query("maintenance/removal/remove_incidents"),
    ):
        count = rows_max
        while count == rows_max:
            async with connection.transaction():
                count = (await connection.execute(statement, asked)).rowcount
            removed += count
    return removed
