"""The encoding of records: MessagePack, behind the version of their layout."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import msgspec

from twin.errors import MessageError

LAYOUT_VERSION = 2
"""Of the layout of all records; 2 since records tell which messages their observations came in."""


class VersionedRecord(Protocol):
    """What every record has."""

    @property
    def version(self) -> int:
        """Return the version of its layout."""
        ...


T = TypeVar("T", bound=VersionedRecord)

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises at bytes that it cannot read: text that is no UTF-8 and nesting without end are no
`MsgspecError`s."""


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
