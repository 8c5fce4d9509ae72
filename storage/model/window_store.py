"""Stores maintenance windows in the database, and requests to judge again what a change of them affects."""

from __future__ import annotations

from collections.abc import Mapping

from storage.database import Connection
from storage.model.content_version import ContentChange
from storage.model.version_table import VersionTable
from storage.queries import query
from twin.instant import INSTANT_MAX, Instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.maintenance_window import MaintenanceWindow, decode_window, encode_window


async def request_recompute_of_moved(connection: Connection, earlier: CityModel, later: CityModel) -> None:
    """Request in the open transaction what unchanged windows cover otherwise in a later model.

    An entity that moves to another area comes under the windows of that one. In another time zone a recurring
    window has other times.
    """
    kept = {
        id: window
        for id, window in later.maintenance_windows.items()
        if id in earlier.maintenance_windows and earlier.maintenance_windows[id].effect() == window.effect()
    }
    if not kept:
        return
    if earlier.city.timezone != later.city.timezone:
        for window in kept.values():
            if window.recurrence is not None:
                await _request(connection, window, *window.reach)
    before, after = _covered(earlier, kept), _covered(later, kept)
    async with connection.cursor() as cursor:
        for id, sensor, property in sorted(before ^ after):
            start, end = kept[id].reach
            await cursor.execute(
                query("model/request_recompute"),
                {
                    "sensor": sensor,
                    "property": property,
                    "start": to_datetime(start),
                    "end": None if end >= INSTANT_MAX else to_datetime(end),
                    "reason": "correction",
                },
            )


def _covered(model: CityModel, windows: Mapping[str, MaintenanceWindow]) -> set[tuple[str, str, str]]:
    """Return window, sensor and property of each datastream that is covered by one of these windows."""
    return {
        (window.id, one.sensor, one.property)
        for one in model.datastreams.values()
        for window in model.windows_of(one)
        if window.id in windows
    }


async def _request_recompute(connection: Connection, change: ContentChange[MaintenanceWindow]) -> None:
    """Request to judge again what a window covered, and what it covers now, in the times of both."""
    was, becomes = change.was, change.becomes
    if was is not None and becomes is not None:
        if was.effect() == becomes.effect():
            return
        if _scope(was) == _scope(becomes):
            reaches = [was.reach, becomes.reach]
            await _request(connection, was, min(reaches)[0], max(end for _, end in reaches))
            return
    for window in (was, becomes):
        if window is not None:
            await _request(connection, window, *window.reach)


async def _request(connection: Connection, window: MaintenanceWindow, start: Instant, end: Instant) -> None:
    await connection.execute(
        query("model/windows/request_recompute_of_window"),
        {
            **{name: list(ids) for name, ids in _scope(window).items()},
            "start": to_datetime(start),
            "end": None if end >= INSTANT_MAX else to_datetime(end),
        },
    )


def _scope(window: MaintenanceWindow) -> dict[str, tuple[str, ...]]:
    return {
        "sensors": window.sensors,
        "entities": window.entities,
        "areas": window.areas,
        "properties": window.properties,
    }


WINDOWS = VersionTable[MaintenanceWindow](
    noun="maintenance window",
    audit_kind="maintenance_window",
    encode=encode_window,
    decode=decode_window,
    list_query="model/windows/list_maintenance_windows",
    insert_query="model/windows/insert_window_version",
    digest_query="model/windows/update_window_digest",
    follow_up=_request_recompute,
)
