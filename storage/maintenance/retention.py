"""Retention: removes old rows, by observed property; scheduled here, so that it works with every edition.

Single observations are removed first, then aggregates of minutes, then those of hours; days stay. Rows are
removed only when their coarser aggregates exist. Chunks older than the limits of all datastreams are dropped;
other rows are deleted.
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
"""The age at which an hour is complete: observations still under way would have been stored by then."""

DELETE_SPAN = DAY
"""The time range that one transaction deletes of a datastream: at a value per second 86,400 rows."""

DATASTREAMS_PER_QUERY_MAX = 1_000
"""The most datastreams in one statement: some milliseconds."""

BACK_OFF_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedRows:
    """The numbers of rows that a run removed."""

    observations: int = 0
    aggregates: int = 0
    hours: int = 0  #: datastreams whose hours were replaced by days
    messages: int = 0  #: quarantined messages
    payloads: int = 0  #: records whose payloads were removed
    alarms: int = 0  #: events of alarms, incidents and notifications
    audited: int = 0  #: records of the audit log

    def __add__(self, other: RemovedRows) -> RemovedRows:
        return RemovedRows(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionCutoffs:
    """The times before which the rows of a datastream are removed."""

    id: int
    property: ObservedProperty
    complete_to: Instant
    raw: Instant
    minute: Instant
    hour: Instant


async def run_retention(
    settings: HistorianSettings, model: Callable[[], CityModel], clock: Callable[[], Instant]
) -> None:
    """Remove old rows every `retention_interval_s` until cancelled, in one process at a time."""
    while True:
        try:
            async with await connect(settings.database.get_secret_value(), role="retention") as connection:
                await prepare_repairs(connection)
                removed = await apply_retention(connection, model(), settings, clock())
                if removed is not None and removed != RemovedRows():
                    log.info("retention: %s", removed, extra={"event": "retention.finished"})
            await asyncio.sleep(settings.retention_interval_s)
        except DATABASE_UNAVAILABLE as error:
            raise_if_cancelled()
            log.warning(
                "retention waits for the database: %s",
                error,
                extra={"event": "retention.database_unavailable"},
            )
            await asyncio.sleep(BACK_OFF_S)


async def apply_retention(
    connection: Connection, model: CityModel, settings: HistorianSettings, now: Instant
) -> RemovedRows | None:
    """Remove the rows that are old at `now`, in many small transactions; None while another process does."""
    if not await _fetch_value(connection, "maintenance/retention/lock_retention"):
        return None
    try:
        cutoffs = await _read_cutoffs(connection, model, settings, now)
        removed = await _drop_chunks(connection, cutoffs)
        to_trim = await _datastreams_to_trim(connection, cutoffs)
        for cutoff in cutoffs:
            if cutoff.id in to_trim:
                removed += await _remove_rows(connection, cutoff, model.city.timezone)
        removed += await _remove_messages(connection, settings, cutoffs, now)
        end = now - settings.retention_alarm_days * DAY
        removed += RemovedRows(alarms=await remove_alarms(connection, end, settings.retention_rows_max))
        end = now - settings.retention_audit_days * DAY
        audited = await remove_audit_records(connection, end, settings.retention_rows_max)
        return removed + RemovedRows(audited=audited)
    finally:
        await _fetch_value(connection, "maintenance/retention/unlock_retention")


async def _read_cutoffs(
    connection: Connection, model: CityModel, settings: HistorianSettings, now: Instant
) -> list[RetentionCutoffs]:
    """Create missing hours, and return what may be removed after that."""
    settled = now - now % HOUR - SETTLE_TIME
    # The hours of a retired property cannot be computed: its rows are removed with their chunks.
    rows = [
        row
        for row in await fetch_rows(connection, "maintenance/retention/list_retained_datastreams")
        if row[1] in model.properties
    ]
    since = {
        id: from_datetime(complete_to) if complete_to is not None else INSTANT_MIN
        for id, _, _, complete_to in rows
    }
    await _create_missing_hours(
        connection, model, {id: time for id, time in since.items() if time < settled}, settled
    )
    complete_to = {
        extent.id: extent.complete_to for extent in await read_extents(connection, list(since), None)
    }
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
    """Create the missing hours of datastreams, each from its own time until `settled`."""
    for first in range(0, len(since), DATASTREAMS_PER_QUERY_MAX):
        ids = list(since)[first : first + DATASTREAMS_PER_QUERY_MAX]
        starts = [to_datetime(since[id]) for id in ids]
        parameters = {"datastreams": ids, "starts": starts, "end": to_datetime(settled)}
        for (id,) in await fetch_rows(
            connection, "maintenance/retention/list_datastreams_with_observations", parameters
        ):
            await create_missing_hours(connection, model.properties, id, since[id], settled)
        await _update_limits(connection, *ids, complete_to=settled)


async def _datastreams_to_trim(connection: Connection, cutoffs: Sequence[RetentionCutoffs]) -> set[int]:
    """Return the datastreams that have rows to remove."""
    found: set[int] = set()
    for first in range(0, len(cutoffs), DATASTREAMS_PER_QUERY_MAX):
        group = cutoffs[first : first + DATASTREAMS_PER_QUERY_MAX]
        parameters = {
            "datastreams": [datastream.id for datastream in group],
            "raws": [to_datetime(datastream.raw) for datastream in group],
            "minutes": [to_datetime(datastream.minute) for datastream in group],
            "hours": [to_datetime(datastream.hour) for datastream in group],
        }
        found.update(
            id
            for (id,) in await fetch_rows(
                connection, "maintenance/retention/list_datastreams_to_trim", parameters
            )
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
    """Return the times before which the rows of a datastream are removed.

    Single values of households, and the aggregates of minutes, are kept for at most `personal_max`. Coarser
    aggregates are kept at least as long as finer ones. Rows that wait for a repair are after `complete_to`,
    and stay.
    """
    retention: Retention = property.retention
    raw, minute = retention.raw, max(retention.raw, retention.minute)
    if personal_max is not None:
        raw, minute = min(raw, personal_max), min(minute, personal_max)
    hour = max(minute, retention.hour)
    return RetentionCutoffs(
        id=id,
        property=property,
        complete_to=complete_to,
        raw=min(now - raw - (now - raw) % HOUR, complete_to),
        minute=min(now - minute - (now - minute) % HOUR, complete_to),
        hour=min(local_midnight(now - hour, zone), local_midnight(max(complete_to, 0), zone)),
    )


async def _drop_chunks(connection: Connection, cutoffs: list[RetentionCutoffs]) -> RemovedRows:
    """Drop the chunks that are older than the limits of all datastreams."""
    if not cutoffs:
        return RemovedRows()
    raw = min(datastream.raw for datastream in cutoffs)
    removed = 0
    end = await _fetch_value(
        connection, "maintenance/retention/find_last_whole_chunk", ("observation", to_datetime(raw))
    )
    if end is not None:
        async with connection.transaction():
            # The lock ensures that exactly the counted rows are dropped.
            await connection.execute(query("maintenance/removal/lock_observations"))
            removed = await _fetch_value(connection, "maintenance/removal/count_observations_before", (end,))
            await connection.execute(query("maintenance/removal/drop_chunks"), ("observation", end))
            await connection.execute(query("maintenance/removal/add_removed_count"), (removed,))
            await _update_limits(
                connection, *(datastream.id for datastream in cutoffs), raw_from=from_datetime(end)
            )
    minute = min(datastream.minute for datastream in cutoffs)
    for table, cutoff in (
        ("assessment", raw),
        ("superseded_observation", raw),
        ("aggregate_minute", minute),
        ("aggregate_ten_minutes", minute),
        ("message_batch", raw),
        ("entity_value", min(datastream.hour for datastream in cutoffs)),
    ):
        async with connection.transaction():
            await connection.execute(query("maintenance/removal/drop_chunks"), (table, to_datetime(cutoff)))
    return RemovedRows(observations=removed)


async def _remove_rows(connection: Connection, cutoffs: RetentionCutoffs, zone: str) -> RemovedRows:
    """Delete the rows of a datastream before its limits, one time range after the other."""
    observations = aggregates = hours = 0
    while (
        first := await first_observation_time(connection, [cutoffs.id], INSTANT_MIN, cutoffs.raw)
    ) is not None:
        end = min(first - first % HOUR + DELETE_SPAN, cutoffs.raw)
        async with connection.transaction():
            count = await _fetch_value(
                connection,
                "maintenance/removal/remove_observations",
                _range_parameters(cutoffs.id, first, end),
            )
            await connection.execute(query("maintenance/removal/add_removed_count"), (count,))
            await _update_limits(connection, cutoffs.id, raw_from=end)
        observations += count
    parameters = _range_parameters(cutoffs.id, INSTANT_MIN, cutoffs.minute)
    while (
        start := await _fetch_value(
            connection, "maintenance/retention/find_first_minute_aggregate", parameters
        )
    ) is not None:
        end = min(from_datetime(start) + DELETE_SPAN, cutoffs.minute)
        async with connection.transaction():
            aggregates += await _fetch_value(
                connection,
                "maintenance/removal/remove_minutes",
                _range_parameters(cutoffs.id, from_datetime(start), end),
            )
            await _update_limits(connection, cutoffs.id, minute_from=end)
    async with connection.transaction():
        days_until = await create_days(connection, cutoffs.property, cutoffs.id, cutoffs.hour, zone)
        if days_until is not None:
            hours = 1
            await _update_limits(connection, cutoffs.id, hour_from=days_until)
    return RemovedRows(observations=observations, aggregates=aggregates, hours=hours)


async def _remove_messages(
    connection: Connection, settings: HistorianSettings, cutoffs: list[RetentionCutoffs], now: Instant
) -> RemovedRows:
    """Remove old payloads, and old quarantined messages without a requested replay."""
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


async def remove_audit_records(connection: Connection, end: Instant, limit: int) -> int:
    """Remove records of the audit log before a time, `limit` in a transaction; return their number."""
    removed, count = 0, limit
    old = {"end": to_datetime(end), "limit": limit}
    while count == limit:
        async with connection.transaction():
            count = (
                await connection.execute(query("maintenance/removal/remove_audit_records"), old)
            ).rowcount
        removed += count
    return removed


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
    """Delete events of alarms, incidents and notifications before `end`; return the number of rows.

    Each transaction deletes at most `rows_max` rows. The newest event of each alarm, open incidents, and the
    last incident of each cause and area stay: their numbers continue.
    """
    removed = 0
    parameters = {"end": to_datetime(end), "limit": rows_max}
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
                count = (await connection.execute(statement, parameters)).rowcount
            removed += count
    return removed
