"""What the working process sends to copies of its journal: the whole content in parts, then each change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from alerting.incidents.journal import DutyJournal, JournalChange, JournalRow
from runtime.lease.lease_log import RECORD_BYTES_MAX
from twin.errors import MessageError
from twin.wire.codec import DECODE_ERRORS


class JournalUpdate(msgspec.Struct, frozen=True, kw_only=True, tag="update"):
    """Changes since the update before, in their order."""

    changes: tuple[JournalChange, ...] = ()
    published: int = 0  #: how many of the oldest events are on `notifications` now


class JournalPart(msgspec.Struct, frozen=True, kw_only=True, tag="part"):
    """A part of the whole content. The first one replaces everything that a copy has received before."""

    number: int  #: from 0
    is_last: bool
    rows: tuple[tuple[str, tuple[Any, ...]], ...]


JournalPayload: TypeAlias = JournalUpdate | JournalPart

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(JournalPayload).decode


def encode_update(update: JournalUpdate) -> bytes:
    """Return the payload of an update; it may be too large for a record."""
    return _encode(update)


def encode_parts(rows: Sequence[JournalRow]) -> Iterator[bytes]:
    """Yield the payloads of a whole content; there is at least one."""
    portions: list[list[JournalRow]] = [[]]
    size = 0
    for row in rows:
        row_size = len(_encode(row))
        if size + row_size > RECORD_BYTES_MAX and portions[-1]:
            portions.append([])
            size = 0
        portions[-1].append(row)
        size += row_size
    for number, portion in enumerate(portions):
        is_last = number == len(portions) - 1
        yield _encode(JournalPart(number=number, is_last=is_last, rows=tuple(portion)))


class JournalCopy:
    """Applies the payloads of the working process to the journal of this one."""

    def __init__(self, journal: DutyJournal) -> None:
        self._journal = journal
        self._rows: list[JournalRow] | None = None  #: parts so far; None until the first one
        self.is_whole = False  #: whether the journal has the content of the working process

    def apply(self, payload: bytes) -> None:
        """Apply the next valid payload. Raises MessageError when this program cannot read it."""
        self._journal.set_heir(False)
        if not payload:
            return
        try:
            content = _decode(payload)
        except DECODE_ERRORS as error:
            raise MessageError(
                f"the journal of the working process cannot be read ({error}): upgrade the program"
            ) from error
        match content:
            case JournalUpdate():
                # Before a whole content there is nothing that it could change.
                if self.is_whole:
                    self._journal.write(*content.changes)
                    self._journal.drop_oldest_unpublished(content.published)
            case JournalPart():
                self._on_part(content)

    def _on_part(self, part: JournalPart) -> None:
        if part.number == 0:
            self._rows = []
        if self._rows is None:
            return  # the beginning was before the first record that was read
        self._rows += part.rows
        if part.is_last:
            self._journal.replace(self._rows)
            self._rows, self.is_whole = None, True
