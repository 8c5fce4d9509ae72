"""Stores maintenance windows in the database, and requests to judge again what a change of them affects.

Each change raises the version of the model, so that every role reloads it. It is audited twice: as a version
of the window, and in the audit of the model. As with rules, a change by the API stays until the city folder
itself changes the window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace
from psycopg.rows import DictRow, dict_row

from storage.database import Connection
from storage.model.model_audit import raise_model_version, record_model_change
from storage.model.model_rows import ChangeAction
from storage.model.rule_version import RuleOrigin
from storage.queries import query
from twin.errors import MessageError, ServiceError, TwinError
from twin.instant import INSTANT_MAX, Instant, from_datetime, to_datetime
from twin.model.city_model import CityModel
from twin.model.maintenance_window import MaintenanceWindow, decode_window, encode_window

AUDIT_KIND = "maintenance_window"
"""The kind of a maintenance window in the audit of the model."""


class WindowConflictError(TwinError):
    """A maintenance window does not have the version that the request for a change expects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowVersion:
    """A stored version of a maintenance window."""

    window: MaintenanceWindow  #: with its version number; for a deleted window, its last content
    deleted: bool
    origin: RuleOrigin
    changed_by: str
    changed_at: Instant
    folder_digest: str  #: digest of the window in the folder at the last apply; empty: not in the folder


class WindowChange(NamedTuple):
    """A change of a maintenance window that is to be written."""

    window: MaintenanceWindow  #: with its new version number
    action: ChangeAction | None  #: None: the content is the same, only the digest changes
    origin: RuleOrigin
    changed_by: str | None  #: None: the connected database user
    folder_digest: str
    before: WindowVersion | None

    @property
    def was(self) -> MaintenanceWindow | None:
        """The window that was in force before."""
        return None if self.before is None or self.before.deleted else self.before.window

    @property
    def becomes(self) -> MaintenanceWindow | None:
        """The window that is in force from now on."""
        return None if self.action == "retire" or (self.action is None and self.was is None) else self.window


async def read_window_versions(connection: Connection) -> dict[str, WindowVersion]:
    """Return the newest version of every window, deleted ones too, by id.

    Raises ServiceError when one cannot be decoded: without it, observations would be judged wrongly.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("model/windows/list_maintenance_windows"))
        return {row["id"]: _version(row) for row in await cursor.fetchall()}


async def put_window(
    connection: Connection, city: str, window: MaintenanceWindow, by: str, expected: int | None = None
) -> WindowChange:
    """Create or change a window; its version rises only if its content changes.

    `by` names the API key. `expected` is the version that the window must have now, 0 for none. Raises
    WindowConflictError when it has another version.
    """
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        before = (await read_window_versions(connection)).get(window.id)
        _check_version(window.id, before, expected)
        change = _updated(before, window, "api", by, before.folder_digest if before is not None else "")
        await _write(connection, city, change)
    return change


async def delete_window(
    connection: Connection, city: str, id: str, by: str, expected: int | None = None
) -> WindowChange | None:
    """Delete a window; return None when there is none.

    Raises WindowConflictError when it does not have the version `expected`.
    """
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        before = (await read_window_versions(connection)).get(id)
        if before is None or before.deleted:
            return None
        _check_version(id, before, expected)
        change = _removed(before, "api", by, before.folder_digest)
        await _write(connection, city, change)
    return change


def folder_window_changes(
    stored: Mapping[str, WindowVersion], planned: Iterable[MaintenanceWindow]
) -> list[WindowChange]:
    """Return the changes that make the database hold the windows of a folder.

    A change by the API stays while the window in the folder is unchanged; a change in the folder replaces it.
    Windows that the folder never had stay as they are.
    """
    in_folder = {window.id: window for window in planned}
    changes = []
    for window in in_folder.values():
        before, digest = stored.get(window.id), _digest(window)
        if before is None or before.folder_digest != digest:
            changes.append(_updated(before, window, "folder", None, digest))
    for id, before in stored.items():
        if id not in in_folder and before.folder_digest:
            changes.append(_removed(before, "folder", None, ""))
    return changes


async def write_window_changes(
    connection: Connection, changes: Iterable[WindowChange], model_version: int
) -> None:
    """Write changes of windows, their audit, and requests to recompute, in the open transaction."""
    for change in changes:
        row = {
            "id": change.window.id,
            "version": change.window.version,
            "content": encode_window(change.window).decode(),
            "deleted": change.becomes is None,
            "origin": change.origin,
            "changed_by": change.changed_by,
            "model_version": model_version,
            "folder_digest": change.folder_digest,
        }
        if change.action is None:
            await connection.execute(query("model/windows/update_window_digest"), row)
            continue
        await connection.execute(query("model/windows/insert_window_version"), row)
        await record_model_change(
            connection,
            version=model_version,
            kind=AUDIT_KIND,
            key=change.window.id,
            action=change.action,
            difference=_difference(change),
        )
        await _request_recompute(connection, change.was, change.becomes)


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
                await _request_recompute(connection, window, None)
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


async def _request_recompute(
    connection: Connection, was: MaintenanceWindow | None, becomes: MaintenanceWindow | None
) -> None:
    """Request to judge again what a window covered, and what it covers now, in the times of both."""
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


def _updated(
    before: WindowVersion | None,
    window: MaintenanceWindow,
    origin: RuleOrigin,
    by: str | None,
    folder_digest: str,
) -> WindowChange:
    if before is None:
        return WindowChange(replace(window, version=1), "create", origin, by, folder_digest, None)
    if not before.deleted and before.window.content() == window.content():
        return WindowChange(before.window, None, origin, by, folder_digest, before)
    numbered = replace(window, version=before.window.version + 1)
    action: ChangeAction = "revive" if before.deleted else "update"
    return WindowChange(numbered, action, origin, by, folder_digest, before)


def _removed(before: WindowVersion, origin: RuleOrigin, by: str | None, folder_digest: str) -> WindowChange:
    if before.deleted:
        return WindowChange(before.window, None, origin, by, folder_digest, before)
    numbered = replace(before.window, version=before.window.version + 1)
    return WindowChange(numbered, "retire", origin, by, folder_digest, before)


async def _write(connection: Connection, city: str, change: WindowChange) -> None:
    if change.action is None:
        return
    version = await raise_model_version(connection, city)
    await write_window_changes(connection, [change], version)


def _difference(change: WindowChange) -> dict[str, Sequence[object]]:
    before, was, becomes = change.before, change.was, change.becomes
    difference: dict[str, Sequence[object]] = {
        "version": [before.window.version if before is not None else None, change.window.version],
        "origin": [before.origin if before is not None else None, change.origin],
    }
    if becomes is not None:
        difference["content"] = [None if was is None else was.content(), becomes.content()]
    if change.changed_by is not None:
        difference["by"] = [before.changed_by if before is not None else None, change.changed_by]
    return difference


def _digest(window: MaintenanceWindow) -> str:
    return hashlib.sha256(encode_window(window.content())).hexdigest()


def _check_version(id: str, before: WindowVersion | None, expected: int | None) -> None:
    found = 0 if before is None or before.deleted else before.window.version
    if expected is not None and expected != found:
        raise WindowConflictError(
            f"maintenance window {id} has version {found or 'none'}, expected {expected or 'none'}"
        )


def _version(row: DictRow) -> WindowVersion:
    try:
        window = decode_window(row["content"])
    except MessageError as error:
        raise ServiceError(
            f"version {row['version']} of maintenance window {row['id']!r} cannot be read: {error}"
        ) from error
    return WindowVersion(
        window=replace(window, version=row["version"]),
        deleted=row["deleted"],
        origin=row["origin"],
        changed_by=row["changed_by"],
        changed_at=from_datetime(row["changed_at"]),
        folder_digest=row["folder_digest"],
    )
