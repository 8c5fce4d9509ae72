"""Stores the audit log: who changed what through the API, and who read whose personal data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from storage.database import Connection
from storage.queries import query
from twin.instant import INSTANT_MAX, Instant, from_datetime, to_datetime

RECORDS_MAX = 1_000
"""Read by one statement."""


class AuditEntry(NamedTuple):
    """A change, or a reading of personal data, of one request."""

    time: Instant
    principal: str
    role: str
    operation: str  #: operationId of /v1/openapi.json
    target: str  #: path and query of the request
    status: int  #: of the answer
    households: tuple[str, ...]  #: entities whose personal data was in the answer
    contacts: tuple[str, ...]  #: contacts whose addresses were in the answer
    trace_id: bytes  #: 16 bytes
    parent_span_id: bytes | None  #: 8 bytes; None: the caller sent no trace context
    span_id: bytes  #: 8 bytes


class StoredAuditEntry(NamedTuple):
    """An entry of the audit log."""

    id: int
    entry: AuditEntry
    sent: Instant | None  #: when the collector of processing logs had it


class AuditPosition(NamedTuple):
    """Time and id of an entry; the next page follows it."""

    time: Instant
    id: int


async def insert_audit_entry(connection: Connection, entry: AuditEntry) -> None:
    """Add an entry; it is on the disk when this returns."""
    parameters = {
        **entry._asdict(),
        "time": to_datetime(entry.time),
        "households": list(entry.households),
        "contacts": list(entry.contacts),
    }
    await connection.execute(query("stores/audit/insert_audit_record"), parameters)


async def read_audit_entries(
    connection: Connection,
    *,
    before: AuditPosition | None,
    limit: int,
    start: Instant | None = None,
    end: Instant | None = None,
    principals: Sequence[str] = (),
    operations: Sequence[str] = (),
    households: Sequence[str] = (),
) -> list[StoredAuditEntry]:
    """Return entries after the position `before`, newest first; at most `limit` and `RECORDS_MAX`."""
    parameters = {
        "principals": list(principals) or None,
        "operations": list(operations) or None,
        "households": list(households) or None,
        "start": to_datetime(start) if start is not None else None,
        "end": to_datetime(end) if end is not None else None,
        "before_time": to_datetime(min(before.time, INSTANT_MAX)) if before is not None else None,
        "before_id": before.id if before is not None else None,
        "limit": min(limit, RECORDS_MAX),
    }
    cursor = await connection.execute(query("stores/audit/list_audit_records"), parameters)
    return [_entry(row) for row in await cursor.fetchall()]


async def take_unsent_readings(connection: Connection, limit: int) -> list[StoredAuditEntry]:
    """Return the oldest readings that are not sent yet, locked until the end of the open transaction."""
    cursor = await connection.execute(query("stores/audit/take_unsent_readings"), {"limit": limit})
    return [_entry(row) for row in await cursor.fetchall()]


async def mark_sent(connection: Connection, ids: Sequence[int], now: Instant) -> None:
    """Note in the open transaction that the collector has entries."""
    parameters = {"ids": list(ids), "now": to_datetime(now)}
    await connection.execute(query("stores/audit/mark_audit_records_sent"), parameters)


def _entry(row: tuple[Any, ...]) -> StoredAuditEntry:
    id, time, principal, role, operation, target, status, households, contacts, trace, parent, span, sent = (
        row
    )
    return StoredAuditEntry(
        id,
        AuditEntry(
            from_datetime(time),
            principal,
            role,
            operation,
            target,
            status,
            tuple(households),
            tuple(contacts),
            bytes(trace),
            bytes(parent) if parent is not None else None,
            bytes(span),
        ),
        _instant(sent),
    )


def _instant(time: datetime | None) -> Instant | None:
    return from_datetime(time) if time is not None else None
