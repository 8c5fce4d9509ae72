"""The encoding of records: MessagePack, behind the version of their layout."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import msgspec

from twin.errors import MessageError

LAYOUT_VERSION = 2
"""Version of the layout of all records; 2 since records name the messages of their observations."""


class VersionedRecord(Protocol):
    """The common part of all records."""

    @property
    def version(self) -> int:
        """Return the version of the record's layout."""
        ...


T = TypeVar("T", bound=VersionedRecord)

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The errors that msgspec raises for unreadable bytes.

Invalid UTF-8 and unlimited nesting raise no `MsgspecError`.
"""


class Codec(Generic[T]):
    """Encodes and decodes the records of one type."""

    def __init__(self, record_type: type[T]) -> None:
        self._type: type[T] = record_type
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(record_type)

    def encode(self, record: T) -> bytes:
        """Return the record as bytes."""
        return self._encoder.encode(record)

    def decode(self, data: bytes) -> T:
        """Return the record that the bytes hold; raise MessageError when this version cannot read them."""
        try:
            record: T = self._decoder.decode(data)
        except DECODE_ERRORS as error:
            raise MessageError(
                f"{self._type.__name__} of {len(data)} bytes cannot be read: {error}"
            ) from error
        if record.version != LAYOUT_VERSION:
            raise MessageError(
                f"{self._type.__name__} has version {record.version}, this program reads version "
                f"{LAYOUT_VERSION}; "
                "upgrade it, or drain the log before the upgrade"
            )
        return record
