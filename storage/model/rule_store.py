"""Stores rules in the database. Each change raises the version of the model, so that every role reloads it.

A change is audited twice: as a version of the rule, and in the audit of the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from psycopg.rows import DictRow, dict_row

from storage.database import Connection
from storage.model.model_audit import raise_model_version, record_model_change
from storage.model.rule_version import RuleChange, RuleVersion, removed_rule, updated_rule
from storage.queries import query
from twin.alarms.rules.rule import Rule, decode_rule, encode_rule
from twin.errors import MessageError, ServiceError, TwinError
from twin.instant import from_datetime

AUDIT_KIND = "rule"
"""The kind of a rule in the audit of the model."""


class RuleConflictError(TwinError):
    """A rule does not have the version that the request for a change expects."""


async def read_rule_versions(connection: Connection) -> dict[str, RuleVersion]:
    """Return the newest version of every rule, deleted ones too, by id.

    Raises ServiceError when a rule cannot be decoded: without it, alarms would be missed.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("model/list_rules"))
        return {row["id"]: _version(row) for row in await cursor.fetchall()}


async def read_versions_of(connection: Connection, id: str, before: int, limit: int) -> list[RuleVersion]:
    """Return versions of a rule before version `before`, newest first.

    Raises ServiceError when one cannot be decoded.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query("model/list_rule_versions"), {"id": id, "before": before, "limit": limit})
        return [_version(row) for row in await cursor.fetchall()]


async def put_rule(
    connection: Connection, city: str, rule: Rule, by: str, expected: int | None = None
) -> RuleChange:
    """Create or change a rule; its version rises only if its content changes.

    `by` names the API key. `expected` is the version that the rule must have now, 0 for none. Raises
    RuleConflictError when it has another version.
    """
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        before = (await read_rule_versions(connection)).get(rule.id)
        _check_version(rule.id, before, expected)
        change = updated_rule(before, rule, "api", by, before.folder_digest if before is not None else "")
        await _write(connection, city, change)
    return change


async def delete_rule(
    connection: Connection, city: str, id: str, by: str, expected: int | None = None
) -> RuleChange | None:
    """Delete a rule; return None when there is none.

    Raises RuleConflictError when it does not have the version `expected`.
    """
    async with connection.transaction():
        await connection.execute(query("model/lock_model"))
        before = (await read_rule_versions(connection)).get(id)
        if before is None or before.deleted:
            return None
        _check_version(id, before, expected)
        change = removed_rule(before, "api", by, before.folder_digest)
        await _write(connection, city, change)
    return change


async def write_rule_changes(
    connection: Connection, changes: Iterable[RuleChange], model_version: int
) -> None:
    """Write changes of rules, and their audit, in the open transaction."""
    async with connection.cursor() as cursor:
        for change in changes:
            row = {
                "id": change.rule.id,
                "version": change.rule.version,
                "content": encode_rule(change.rule).decode(),
                "deleted": change.deleted,
                "origin": change.origin,
                "changed_by": change.changed_by,
                "model_version": model_version,
                "folder_digest": change.folder_digest,
            }
            await cursor.execute(
                query("model/update_rule_digest" if change.action is None else "model/insert_rule_version"),
                row,
            )
            if change.action is not None:
                await record_model_change(
                    connection,
                    version=model_version,
                    kind=AUDIT_KIND,
                    key=change.rule.id,
                    action=change.action,
                    difference=_difference(change),
                )


async def _write(connection: Connection, city: str, change: RuleChange) -> None:
    if change.action is None:
        return
    version = await raise_model_version(connection, city)
    await write_rule_changes(connection, [change], version)


def _difference(change: RuleChange) -> dict[str, Sequence[object]]:
    before, after = change.before, change.rule
    was = before.rule if before is not None and not before.deleted else None
    difference: dict[str, Sequence[object]] = {
        "version": [before.rule.version if before is not None else None, after.version],
        "origin": [before.origin if before is not None else None, change.origin],
    }
    if not change.deleted:
        difference["content"] = [None if was is None else was.content(), after.content()]
    if change.changed_by is not None:
        difference["by"] = [before.changed_by if before is not None else None, change.changed_by]
    return difference


def _check_version(id: str, before: RuleVersion | None, expected: int | None) -> None:
    found = 0 if before is None or before.deleted else before.rule.version
    if expected is not None and expected != found:
        raise RuleConflictError(f"rule {id} has version {found or 'none'}, expected {expected or 'none'}")


def _version(row: DictRow) -> RuleVersion:
    try:
        rule = decode_rule(row["content"])
    except MessageError as error:
        raise ServiceError(
            f"version {row['version']} of rule {row['id']!r} cannot be read: {error}"
        ) from error
    return RuleVersion(
        rule=msgspec.structs.replace(rule, version=row["version"]),
        deleted=row["deleted"],
        origin=row["origin"],
        changed_by=row["changed_by"],
        changed_at=from_datetime(row["changed_at"]),
        folder_digest=row["folder_digest"],
    )
