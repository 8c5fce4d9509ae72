"""PostgreSQL's binary COPY format as psycopg encodes it, to compare our packed rows with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


def binary_copy(types: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return header, rows and trailer; `types` are PostgreSQL's names, of an array with `[]` at the end."""
    transformer = Transformer()
    transformer.set_dumper_types([psycopg.adapters.types.get_oid(one) for one in types], pq.Format.BINARY)
    fields = [
        (
            len(row).to_bytes(2),
            *(_field(one) for one in transformer.dump_sequence(row, [PyFormat.BINARY] * len(row))),
        )
        for row in rows
    ]
    return _HEADER + b"".join(one for row in fields for one in row) + _TRAILER


def _field(value: bytes | bytearray | memoryview | None) -> bytes:
    return (-1).to_bytes(4, signed=True) if value is None else len(value).to_bytes(4) + bytes(value)
