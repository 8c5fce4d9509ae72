"""Writes batches of rows as CSV, JSON lines, an Arrow stream or a Parquet file, part by part.

Every encoder works on whole columns, without a call of Python for a row. They are for threads: a part takes
some 10 ms. This module imports pyarrow, which takes 0.2 s and 80 MB: import it at the first download only
(`api.bulk.download.load_encoders`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from api.bulk.columns import BulkTable, Column, ColumnKind
from api.bulk.media_types import ARROW, CSV, JSON_LINES, PARQUET

ROW_GROUP_ROWS = 131_072
"""Of a Parquet file: DuckDB reads one with each thread. Up to 7 MB wait until one is full; with the part that
fills it, it has at most 196,607 rows and 11 MB, and 80 MB of memory are used to write it."""

_TYPES: Mapping[ColumnKind, pa.DataType] = {
    "time": pa.timestamp("us", tz="UTC"),
    "number": pa.float64(),
    "integer": pa.int64(),
    "truth": pa.bool_(),
    "text": pa.string(),
    "word": pa.dictionary(pa.int32(), pa.string()),
}

Batch: TypeAlias = pa.RecordBatch
Texts: TypeAlias = pa.StringArray


def arrow_type(column: Column) -> pa.DataType:
    """Return the type of a column."""
    return _TYPES[column.kind]


def arrow_schema(table: BulkTable, metadata: Mapping[str, str]) -> pa.Schema:
    """Return the schema of a table; Arrow streams begin with its metadata, Parquet files end with it."""
    fields = [
        pa.field(column.name, arrow_type(column), metadata={"description": column.description})
        for column in table.columns
    ]
    return pa.schema(fields, metadata=dict(metadata))


def words(codes: np.ndarray[Any, np.dtype[np.int32]], texts: Sequence[str] | pa.Array) -> pa.Array:
    """Return a column of the kind `word`: the texts with these numbers, null for -1."""
    dictionary = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=codes < 0), dictionary)


def mark_last(rows: int, cursor: str | None) -> pa.Array:
    """Return the column of the cursor, which the last row has."""
    if cursor is None:
        return pa.nulls(rows, pa.string())
    return pa.concat_arrays([pa.nulls(rows - 1, pa.string()), pa.array([cursor], pa.string())])


class Encoder(Protocol):
    """Writes the parts of one file, in turn."""

    def start(self) -> bytes:
        """Return what comes before the first row."""

    def encode(self, batch: Batch) -> bytes:
        """Return the next part, which may be empty."""

    def finish(self) -> bytes:
        """Return what comes after the last row."""


class CsvEncoder:
    """RFC 4180: a header, lines that end with CRLF, UTF-8 without byte order mark; an empty field is null."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema

    def start(self) -> bytes:
        """Return the header."""
        return (",".join(self._schema.names) + "\r\n").encode()

    def encode(self, batch: Batch) -> bytes:
        """Return the lines of a batch."""
        columns = [pc.fill_null(_texts(column, csv_field), "") for column in batch.columns]
        ends = pa.scalar("\r\n")
        lines = pc.binary_join_element_wise(*columns, ",")
        return _bytes_of(pc.binary_join_element_wise(lines, ends, ""))

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


def csv_field(text: str) -> str:
    r"""Return a text as a field: in quotes where it needs them, and never a formula of a spreadsheet.

    A text that begins like a formula, or with the apostrophe itself, gets an apostrophe in front: remove one
    from a text that begins with it to have the text as it was (docs/decisions/0047).

    >>> [csv_field(text) for text in ("pm2_5", "", 'a "b", c', "=1+1", "'quoted", "-3 dB")]
    ['pm2_5', '""', '"a ""b"", c"', "'=1+1", "''quoted", "'-3 dB"]
    """
    if text.startswith(_FORMULA_STARTS):
        text = f"'{text}"
    if not text or any(character in text for character in '",\r\n'):
        quoted = text.replace('"', '""')
        return f'"{quoted}"'
    return text


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


class JsonLinesEncoder:
    """One JSON object in each line, with the same members in the same order."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema

    def start(self) -> bytes:
        """Return nothing."""
        return b""

    def encode(self, batch: Batch) -> bytes:
        """Return the lines of a batch."""
        parts: list[Any] = []
        for number, (field, column) in enumerate(zip(batch.schema, batch.columns, strict=True)):
            parts.append(pa.scalar(f'{"," if number else "{"}"{field.name}":'))
            values = _texts(column, _json_text)
            if pa.types.is_timestamp(field.type):
                values = pc.binary_join_element_wise(pa.scalar('"'), values, pa.scalar('"'), "")
            parts.append(pc.fill_null(values, "null"))
        return _bytes_of(pc.binary_join_element_wise(*parts, pa.scalar("}\n"), ""))

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


def _json_text(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _texts(column: pa.Array, escape: Callable[[str], str]) -> Texts:
    """Return a column as texts, null where it is; `escape` is for texts that may be of any kind."""
    kind = column.type
    if pa.types.is_string(kind):
        # Few different ones are escaped once each.
        column = pc.dictionary_encode(column)
        kind = column.type
    if pa.types.is_dictionary(kind):
        escaped = pa.array([escape(text) for text in column.dictionary.to_pylist()], pa.string())
        return pc.take(escaped, column.indices)
    if pa.types.is_timestamp(kind):
        return _times(column)
    return pc.cast(column, pa.string())


def _times(column: pa.Array) -> Texts:
    """Return times as RFC 3339 in UTC, with decimals only where there are any, as `format_instant`."""
    exact = pc.cast(column, pa.timestamp("us"))
    seconds = pc.floor_temporal(exact, unit="second")
    whole = pc.equal(exact, seconds)
    text = pc.cast(pc.cast(seconds, pa.timestamp("s")), pa.string())
    if not pc.all(whole, min_count=0).as_py():
        text = pc.if_else(whole, text, pc.cast(exact, pa.string()))
    dated = pc.binary_replace_slice(text, start=10, stop=11, replacement="T")
    return pc.binary_join_element_wise(dated, pa.scalar("Z"), "")


def _bytes_of(lines: Texts) -> bytes:
    """Return all texts of an array after one another: the data that it consists of."""
    if not len(lines):
        return b""
    _, offsets, data = lines.buffers()
    bounds = np.frombuffer(offsets, np.int32)
    return bytes(memoryview(data)[bounds[lines.offset] : bounds[lines.offset + len(lines)]])


class _Sink:
    """A file that is only written: what was written since the last `take`."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class ArrowEncoder:
    """The streaming format of Arrow IPC."""

    def __init__(self, schema: pa.Schema) -> None:
        self._sink = _Sink()
        self._writer = pa.ipc.new_stream(
            pa.PythonFile(self._sink, mode="w"),
            schema,
            # The words of alarm events are those of each batch.
            options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=False),
        )

    def start(self) -> bytes:
        """Return the schema."""
        return self._sink.take()

    def encode(self, batch: Batch) -> bytes:
        """Return a record batch."""
        self._writer.write_batch(batch)
        return self._sink.take()

    def finish(self) -> bytes:
        """Return the end of the stream."""
        self._writer.close()
        return self._sink.take()


class ParquetEncoder:
    """A Parquet file, compressed with zstd; rows wait until a row group is full."""

    def __init__(self, schema: pa.Schema) -> None:
        self._sink = _Sink()
        self._schema = schema
        self._waiting: list[Batch] = []
        self._rows = 0
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"), schema, compression="zstd", compression_level=1
        )

    def start(self) -> bytes:
        """Return the first bytes of every Parquet file."""
        return self._sink.take()

    def encode(self, batch: Batch) -> bytes:
        """Return a row group, if there are enough rows for one."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        return self._write() if self._rows >= ROW_GROUP_ROWS else b""

    def finish(self) -> bytes:
        """Return the last row group, and the foot with where each is."""
        last = self._write()
        self._writer.close()
        return last + self._sink.take()

    def _write(self) -> bytes:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._schema).unify_dictionaries()
            self._waiting, self._rows = [], 0
            self._writer.write_table(table, row_group_size=table.num_rows)
        return self._sink.take()


ENCODERS: Mapping[str, Callable[[pa.Schema], Encoder]] = {
    CSV: CsvEncoder,
    JSON_LINES: JsonLinesEncoder,
    ARROW: ArrowEncoder,
    PARQUET: ParquetEncoder,
}
"""By media type."""
