"""The file of a dossier: a ZIP archive of documents, a manifest with their digests, and its signature.

The same documents always give the same bytes: entries are sorted, not compressed, and carry no time. So a
reader packs again what it has read, and a changed byte anywhere in the file is noticed, also in places that
no digest covers, such as the directory of the archive.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import msgspec

from twin.errors import TwinError

FORMAT = "livetwin-dossier"
FORMAT_VERSION = 1

MANIFEST = "manifest.json"
SIGNATURE = "manifest.jws"

ENTRIES_MAX = 32
FILE_BYTES_MAX = 16 * 1024 * 1024
"""A dossier is held in memory by whoever makes or reads it."""

_FIRST_TIME = (1980, 1, 1, 0, 0, 0)
"""The least time that a ZIP entry can have."""


class DossierError(TwinError):
    """A dossier cannot be made, read or verified."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """One document of a dossier, as the manifest lists it."""

    path: str
    bytes: int
    sha256: str  #: hex


def contents_of(documents: Mapping[str, bytes]) -> list[Content]:
    """Return the list of documents for a manifest, by path."""
    return [
        Content(path=path, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for path, data in sorted(documents.items())
    ]


def pack(documents: Mapping[str, bytes]) -> bytes:
    """Return documents as a ZIP archive: always the same bytes for the same documents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in sorted(documents.items()):
            entry = zipfile.ZipInfo(path, _FIRST_TIME)
            entry.create_system = 3  # Unix, whatever the machine
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the documents of an archive that `pack` wrote; raise DossierError for any other bytes."""
    if len(data) > FILE_BYTES_MAX:
        raise DossierError(f"the file has {len(data):,} bytes, a dossier has at most {FILE_BYTES_MAX:,}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > ENTRIES_MAX:
                raise DossierError(f"the archive has {len(entries)} entries, expected at most {ENTRIES_MAX}")
            if any(one.compress_type != zipfile.ZIP_STORED for one in entries):
                raise DossierError("the archive is compressed; a dossier is stored as it was signed")
            if sum(one.file_size for one in entries) > len(data):
                raise DossierError("the archive names more bytes than it has")
            documents = {one.filename: archive.read(one) for one in entries}
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
        EOFError,
        OverflowError,
    ) as error:
        raise DossierError(
            f"the file is not an intact ZIP archive: {error}; get the dossier again"
        ) from error
    if pack(documents) != data:
        raise DossierError(
            "the archive is not the one that was signed: bytes outside of its documents differ; verify the "
            "file as it was received, and get the dossier again"
        )
    return documents


def encode_document(document: object) -> bytes:
    """Return a JSON document for people and programs: indented, with a final line end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def encode_lines(documents: list[dict[str, Any]]) -> bytes:
    """Return documents as JSON Lines."""
    return b"".join(msgspec.json.encode(one) + b"\n" for one in documents)


def check_contents(manifest: Mapping[str, Any], documents: Mapping[str, bytes]) -> list[str]:
    """Return how the documents of an archive differ from its signed manifest; empty: they do not."""
    listed = {one["path"]: one for one in manifest["contents"]}
    found = {path: data for path, data in documents.items() if path not in (MANIFEST, SIGNATURE)}
    faults = [f"{path}: the manifest does not list it" for path in sorted(found.keys() - listed.keys())]
    for path, one in sorted(listed.items()):
        data = found.get(path)
        if data is None:
            faults.append(f"{path}: it is missing")
            continue
        digest = hashlib.sha256(data).hexdigest()
        if digest != one["sha256"]:
            faults.append(f"{path}: its SHA-256 is {digest}, the manifest says {one['sha256']}")
        elif len(data) != one["bytes"]:
            faults.append(f"{path}: it has {len(data)} bytes, the manifest says {one['bytes']}")
    return faults
