"""What a backup says of itself, and whether this program can restore it."""

from __future__ import annotations

import msgspec

from storage.schema.migrate import known_migrations
from twin.errors import TwinError
from twin.wire.codec import DECODE_ERRORS
from twin.wire.json_nesting import JsonNestingError, check_json_nesting

LAYOUT = 1
"""Of the file: which members it has, and what they hold."""


class BackupError(TwinError):
    """A backup cannot be made, read or restored."""


class BackupMember(msgspec.Struct, frozen=True):
    """One thing in the file."""

    bytes: int
    sha256: str


class BackupManifest(msgspec.Struct, frozen=True):
    """The member `manifest.json`, written last."""

    layout: int
    version: str  #: of the program that made it
    time: str  #: when it was begun, RFC 3339, UTC
    migration: str  #: the last one that the database has
    timescale: str  #: version of the extension; the same one must be there to restore
    edition: str
    members: dict[str, BackupMember]


def decode_manifest(data: bytes) -> BackupManifest:
    """Return a manifest. Raises BackupError when it is none, or this program is too old for it."""
    try:
        check_json_nesting(data)
        layout = msgspec.json.decode(data, type=dict)["layout"]
        if layout != LAYOUT:
            raise BackupError(f"the backup has layout {layout}, this program reads {LAYOUT}: upgrade it")
        found = msgspec.json.decode(data, type=BackupManifest)
    except (JsonNestingError, KeyError, *DECODE_ERRORS) as error:
        raise BackupError(f"the manifest of the backup cannot be read: {error}") from error
    if found.migration not in {one.name for one in known_migrations()}:
        raise BackupError(
            f"the backup has migration {found.migration!r} of livetwin {found.version}, which this program "
            "does not know: restore it with that version or a later one"
        )
    return found
