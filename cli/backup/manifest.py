"""The manifest of a backup: its versions and members, and whether this program can restore it."""

from __future__ import annotations

import msgspec

from storage.schema.migrate import known_migrations
from twin.errors import TwinError
from twin.wire.codec import DECODE_ERRORS
from twin.wire.json_nesting import JsonNestingError, check_json_nesting

LAYOUT = 1
"""The version of the file format: which members a backup has, and their content."""


class BackupError(TwinError):
    """A backup cannot be written, read or restored."""


class BackupMember(msgspec.Struct, frozen=True):
    """The length and hash of one member."""

    bytes: int
    sha256: str


class BackupManifest(msgspec.Struct, frozen=True):
    """The member `manifest.json`, written last."""

    layout: int
    version: str  #: version of the program that wrote the backup
    time: str  #: start of the backup, RFC 3339, UTC
    migration: str  #: the newest migration of the database
    timescale: str  #: version of the TimescaleDB extension, which a restore needs exactly
    edition: str
    members: dict[str, BackupMember]


def decode_manifest(data: bytes) -> BackupManifest:
    """Return a manifest. Raises BackupError when it is malformed, or too new for this program."""
    try:
        check_json_nesting(data)
        layout = msgspec.json.decode(data, type=dict)["layout"]
        if layout != LAYOUT:
            raise BackupError(f"the backup has layout {layout}, this program reads {LAYOUT}: upgrade it")
        manifest = msgspec.json.decode(data, type=BackupManifest)
    except (JsonNestingError, KeyError, *DECODE_ERRORS) as error:
        raise BackupError(f"the manifest of the backup cannot be read: {error}") from error
    if manifest.migration not in {one.name for one in known_migrations()}:
        raise BackupError(
            f"the backup has migration {manifest.migration!r} of livetwin {manifest.version}, which this "
            "program does not know: restore it with that version or a later one"
        )
    return manifest
