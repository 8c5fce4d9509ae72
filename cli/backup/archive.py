"""The file of a backup: a ZIP archive that only its owner can read, written as a stream.

Members are not compressed, since the dump already is. The manifest has the length and hash of each member. It
is written last, so a file without a manifest is incomplete.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from cli.backup.manifest import BackupError, BackupManifest, BackupMember, decode_manifest

MANIFEST_NAME = "manifest.json"
DATABASE_DUMP = "database.dump"
KEYS_FOLDER = "keys/"
JOURNALS_FOLDER = "journals/"

_CHUNK_BYTES = 1 << 20
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


class BackupWriter:
    """Writes the members of a backup; `finish` completes it."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.members: dict[str, BackupMember] = {}

    def add(self, name: str, source: IO[bytes]) -> None:
        """Add a member, read to the end of `source`."""
        digest, size = hashlib.sha256(), 0
        with self._archive.open(name, "w", force_zip64=True) as target:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
        self.members[name] = BackupMember(size, digest.hexdigest())

    def finish(self, manifest: BackupManifest) -> None:
        """Write the manifest, which completes the file."""
        self._archive.writestr(MANIFEST_NAME, msgspec.json.format(msgspec.json.encode(manifest)))


@contextmanager
def open_for_writing(path: Path) -> Iterator[BackupWriter]:
    """Yield the writer of a new file, which gets its name once complete. Raises BackupError if it exists."""
    if path.exists():
        raise BackupError(f"{path} already exists: choose another name, or move it")
    incomplete = path.with_name(path.name + ".incomplete")
    incomplete.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(incomplete, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            with zipfile.ZipFile(file, "w") as archive:
                yield BackupWriter(archive)
            file.flush()
            os.fsync(file.fileno())
        incomplete.rename(path)
    finally:
        incomplete.unlink(missing_ok=True)


class BackupReader:
    """Reads the members of a complete backup."""

    def __init__(self, archive: zipfile.ZipFile, manifest: BackupManifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def member_names(self, folder: str) -> list[str]:
        """Return the names of the members of a folder. Raises BackupError for a name with a path."""
        names = [name.removeprefix(folder) for name in self.manifest.members if name.startswith(folder)]
        for name in names:
            if not _FILE_NAME.fullmatch(name):
                raise BackupError(f"the backup contains a member with the invalid name {name!r}")
        return names

    def open(self, name: str) -> IO[bytes]:
        """Return a member, open for reading."""
        return self._archive.open(name)

    def verify_hashes(self) -> None:
        """Raise BackupError when the length or hash of a member differs from the manifest."""
        for name, member in self.manifest.members.items():
            digest, size = hashlib.sha256(), 0
            try:
                with self.open(name) as source:
                    while chunk := source.read(_CHUNK_BYTES):
                        digest.update(chunk)
                        size += len(chunk)
            except (KeyError, zipfile.BadZipFile) as error:
                raise BackupError(f"the backup is damaged: {error}") from error
            if (size, digest.hexdigest()) != (member.bytes, member.sha256):
                raise BackupError(f"the backup is damaged: {name} does not match the manifest")


@contextmanager
def open_for_reading(path: Path) -> Iterator[BackupReader]:
    """Yield the reader of a verified backup. Raises BackupError if it is incomplete, damaged or too new."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise BackupError(f"{path} is not a complete backup: {error}") from error
    with archive:
        if MANIFEST_NAME not in archive.namelist():
            raise BackupError(f"{path} is not a complete backup: it has no {MANIFEST_NAME}")
        reader = BackupReader(archive, decode_manifest(archive.read(MANIFEST_NAME)))
        reader.verify_hashes()
        yield reader
