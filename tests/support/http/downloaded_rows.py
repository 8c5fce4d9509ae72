"""Reads downloaded files back as rows, by readers that are not ours."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from api.bulk.columns import BulkTable
from api.bulk.media_types import ARROW, CSV, JSON_LINES, PARQUET
from twin.instant import format_instant, from_datetime

Row = dict[str, Any]


def read_rows(media_type: str, data: bytes, table: BulkTable) -> list[Row]:
    """Return the rows of a file, times as text."""
    if media_type == CSV:
        return list(_csv_rows(data.decode(), table))
    if media_type == JSON_LINES:
        return [json.loads(line) for line in data.decode().split("\n")[:-1]]
    if media_type == ARROW:
        return _rows(pa.ipc.open_stream(data).read_all())
    assert media_type == PARQUET
    return _rows(pq.read_table(io.BytesIO(data)))


def _csv_rows(text: str, table: BulkTable) -> Iterator[Row]:
    """Yield the rows; unlike most readers this one tells the empty text from null."""
    lines = list(csv_lines(text))
    names = lines.pop(0)
    assert names == [column.name for column in table.columns]
    kinds = {column.name: column.kind for column in table.columns}
    for line in lines:
        yield {
            name: _value(kinds[name or ""], field) for name, field in zip(names, line, strict=True) if name
        }


_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)')


def csv_lines(text: str) -> Iterator[list[str | None]]:
    """Yield the fields of each line (RFC 4180), None for one that is empty and not in quotes."""
    position, line = 0, []
    while position < len(text):
        match = _FIELD.match(text, position)
        assert match is not None, text[position : position + 80]
        quoted, plain, end = match.groups()
        line.append(quoted.replace('""', '"') if quoted is not None else plain or None)
        if end != ",":
            yield line
            line = []
        position = match.end()


def _value(kind: str, field: str | None) -> Any:
    if field is None:
        return None
    if kind == "integer":
        return int(field)
    if kind == "number":
        return float(field)
    if kind == "truth":
        return {"true": True, "false": False}[field]
    return field.removeprefix("'") if kind in ("text", "word") else field


def _rows(table: Any) -> list[Row]:
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    rows: list[Row] = table.to_pylist()
    for row in rows:
        for name in times:
            if row[name] is not None:
                row[name] = format_instant(from_datetime(row[name]))
    return rows
