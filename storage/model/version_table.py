"""Stores versions of rules and of maintenance windows, each kind in a table of its own.

Each change raises the version of the model, so that every role reloads it. It is audited twice: as a version,
and in the audit of the model. A change by the API stays until the city folder itself changes the same rule or
window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

import msgspec
from psycopg.rows import DictRow, dict_row

from storage.database import Connection
from storage.model.content_version import ContentChange, ContentT, ContentVersion, Origin
from storage.model.model_audit import raise_model_version, record_model_change
from storage.model.model_rows import ChangeAction
from storage.queries import query
from twin.errors import MessageError, ServiceError, TwinError
from twin.instant import from_datetime


class VersionConflictError(TwinError):
    """A rule or a maintenance window does not have the version that the request for a change expects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTable(Generic[ContentT]):
    """The table of one kind of content."""

    noun: str  #: in messages
    audit_kind: str  #: in the audit of the model
    encode: Callable[[ContentT], bytes]
    decode: Callable[[str], ContentT]
    list_query: str  #: the newest version of each, also of deleted ones
    insert_query: str
    digest_query: str  #: stores the digest of a content that is unchanged
    follow_up: Callable[[Connection, ContentChange[ContentT]], Awaitable[None]] | None = None
    """What else a change of content writes, in the same transaction."""

    async def read(self, connection: Connection) -> dict[str, ContentVersion[ContentT]]:
        """Return the newest version of everything, deleted or not, by id.

        Raises ServiceError when one cannot be decoded: without it, the city would be judged wrongly.
        """
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query(self.list_query))
            return {row["id"]: self.version_of(row) for row in await cursor.fetchall()}

    async def put(
        self, connection: Connection, city: str, item: ContentT, by: str, expected: int | None = None
    ) -> ContentChange[ContentT]:
        """Create or change one; its version rises only if its content changes.

        `by` names the API key. `expected` is the version that it must have now, 0 for none. Raises
        VersionConflictError when it has another version.
        """
        async with connection.transaction():
            await connection.execute(query("model/lock_model"))
            before = (await self.read(connection)).get(item.id)
            self._check_version(item.id, before, expected)
            change = _updated(before, item, "api", by, before.folder_digest if before is not None else "")
            await self._write_one(connection, city, change)
        return change

    async def delete(
        self, connection: Connection, city: str, id: str, by: str, expected: int | None = None
    ) -> ContentChange[ContentT] | None:
        """Delete one; return None when there is none.

        Raises VersionConflictError when it does not have the version `expected`.
        """
        async with connection.transaction():
            await connection.execute(query("model/lock_model"))
            before = (await self.read(connection)).get(id)
            if before is None or before.deleted:
                return None
            self._check_version(id, before, expected)
            change = _removed(before, "api", by, before.folder_digest)
            await self._write_one(connection, city, change)
        return change

    def folder_changes(
        self, stored: Mapping[str, ContentVersion[ContentT]], planned: Iterable[ContentT]
    ) -> list[ContentChange[ContentT]]:
        """Return the changes that make the database hold what is in a folder.

        A change by the API stays while the folder's content is unchanged; a change in the folder replaces it.
        What the folder never had stays as it is.
        """
        in_folder = {item.id: item for item in planned}
        changes = []
        for item in in_folder.values():
            before, digest = stored.get(item.id), self._digest(item)
            if before is None or before.folder_digest != digest:
                changes.append(_updated(before, item, "folder", None, digest))
        for id, before in stored.items():
            if id not in in_folder and before.folder_digest:
                changes.append(_removed(before, "folder", None, ""))
        return changes

    async def write(
        self, connection: Connection, changes: Iterable[ContentChange[ContentT]], model_version: int
    ) -> None:
        """Write changes, their audit and what follows from them, in the open transaction."""
        for change in changes:
            row = {
                "id": change.item.id,
                "version": change.item.version,
                "content": self.encode(change.item).decode(),
                "deleted": change.becomes is None,
                "origin": change.origin,
                "changed_by": change.changed_by,
                "model_version": model_version,
                "folder_digest": change.folder_digest,
            }
            if change.action is None:
                await connection.execute(query(self.digest_query), row)
                continue
            await connection.execute(query(self.insert_query), row)
            await record_model_change(
                connection,
                version=model_version,
                kind=self.audit_kind,
                key=change.item.id,
                action=change.action,
                difference=_difference(change),
            )
            if self.follow_up is not None:
                await self.follow_up(connection, change)

    def version_of(self, row: DictRow) -> ContentVersion[ContentT]:
        """Return the version in a row of the table.

        Raises ServiceError when its content cannot be decoded.
        """
        try:
            item = self.decode(row["content"])
        except MessageError as error:
            raise ServiceError(
                f"version {row['version']} of {self.noun} {row['id']!r} cannot be read: {error}"
            ) from error
        return ContentVersion(
            item=_numbered(item, row["version"]),
            deleted=row["deleted"],
            origin=row["origin"],
            changed_by=row["changed_by"],
            changed_at=from_datetime(row["changed_at"]),
            folder_digest=row["folder_digest"],
        )

    async def _write_one(self, connection: Connection, city: str, change: ContentChange[ContentT]) -> None:
        if change.action is None:
            return
        version = await raise_model_version(connection, city)
        await self.write(connection, [change], version)

    def _digest(self, item: ContentT) -> str:
        return hashlib.sha256(self.encode(item.content())).hexdigest()

    def _check_version(self, id: str, before: ContentVersion[ContentT] | None, expected: int | None) -> None:
        found = 0 if before is None or before.deleted else before.item.version
        if expected is not None and expected != found:
            raise VersionConflictError(
                f"{self.noun} {id} has version {found or 'none'}, expected {expected or 'none'}"
            )


def _updated(
    before: ContentVersion[ContentT] | None,
    item: ContentT,
    origin: Origin,
    by: str | None,
    folder_digest: str,
) -> ContentChange[ContentT]:
    if before is None:
        return ContentChange(_numbered(item, 1), "create", origin, by, folder_digest, None)
    if not before.deleted and before.item.content() == item.content():
        return ContentChange(before.item, None, origin, by, folder_digest, before)
    action: ChangeAction = "revive" if before.deleted else "update"
    numbered = _numbered(item, before.item.version + 1)
    return ContentChange(numbered, action, origin, by, folder_digest, before)


def _removed(
    before: ContentVersion[ContentT], origin: Origin, by: str | None, folder_digest: str
) -> ContentChange[ContentT]:
    if before.deleted:
        return ContentChange(before.item, None, origin, by, folder_digest, before)
    numbered = _numbered(before.item, before.item.version + 1)
    return ContentChange(numbered, "retire", origin, by, folder_digest, before)


def _numbered(item: ContentT, version: int) -> ContentT:
    return msgspec.structs.replace(item, version=version)


def _difference(change: ContentChange[ContentT]) -> dict[str, Sequence[object]]:
    before, was, becomes = change.before, change.was, change.becomes
    difference: dict[str, Sequence[object]] = {
        "version": [before.item.version if before is not None else None, change.item.version],
        "origin": [before.origin if before is not None else None, change.origin],
    }
    if becomes is not None:
        difference["content"] = [None if was is None else was.content(), becomes.content()]
    if change.changed_by is not None:
        difference["by"] = [before.changed_by if before is not None else None, change.changed_by]
    return difference
