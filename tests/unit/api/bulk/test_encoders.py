"""The same rows in each format, as the readers of others read them."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.bulk import encoders
from api.bulk.columns import ALARM_EVENTS, CURSOR, OBSERVATIONS, BulkTable, Column
from api.bulk.media_types import ARROW, CSV, JSON_LINES, PARQUET
from api.bulk.models import AlarmEventRow, ObservationRow
from tests.support.http.downloaded_rows import csv_lines, read_rows
from twin.instant import format_instant, parse_instant

TABLE = BulkTable(
    "things",
    (
        Column("time", "time", "When."),
        Column("name", "word", "Of the thing."),
        Column("text", "text", "About it."),
        Column("count", "integer", ""),
        Column("value", "number", ""),
        Column("good", "truth", ""),
        CURSOR,
    ),
)
TIMES = ["1969-12-31T23:59:59.999999Z", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00.250000Z"]
TEXTS = ['a "quoted", text', "=HYPERLINK(1)", "line\r\nbreak é \u2028", "'", "", "-1", None, "@x", "plain"]


def things(rows: int, first: int = 0, cursor: str | None = None) -> Any:
    """Return a batch; values repeat with different periods."""
    numbers = range(first, first + rows)
    columns = [
        pa.array([parse_instant(TIMES[n % 3]) for n in numbers], pa.int64()).cast(
            pa.timestamp("us", tz="UTC")
        ),
        encoders.words(np.array([n % 4 - 1 for n in numbers], np.int32), ["a", "b,", "=c"]),
        pa.array([TEXTS[n % len(TEXTS)] for n in numbers], pa.string()),
        pa.array([n * 10**12 for n in numbers], pa.int64()),
        pa.array([None if n % 5 == 4 else n / 7 - 1 for n in numbers], pa.float64()),
        pa.array([n % 2 == 0 for n in numbers]),
        encoders.mark_last(rows, cursor),
    ]
    return pa.RecordBatch.from_arrays(columns, names=[column.name for column in TABLE.columns])


def expected(rows: int, cursors: dict[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "time": TIMES[n % 3],
            "name": [None, "a", "b,", "=c"][n % 4],
            "text": TEXTS[n % len(TEXTS)],
            "count": n * 10**12,
            "value": None if n % 5 == 4 else n / 7 - 1,
            "good": n % 2 == 0,
            "cursor": cursors.get(n),
        }
        for n in range(rows)
    ]


def encoded(media_type: str, *batches: Any, metadata: dict[str, str] | None = None) -> bytes:
    encoder = encoders.ENCODERS[media_type](encoders.arrow_schema(TABLE, metadata or {}))
    return b"".join([encoder.start(), *(encoder.encode(each) for each in batches), encoder.finish()])


@pytest.mark.parametrize("media_type", [CSV, JSON_LINES, ARROW, PARQUET])
def test_every_format_has_the_same_rows(media_type: str) -> None:
    batches = things(40, cursor="abc"), things(7, 40)
    assert read_rows(media_type, encoded(media_type, *batches), TABLE) == expected(47, {39: "abc"})


@pytest.mark.parametrize("media_type", [CSV, JSON_LINES, ARROW, PARQUET])
def test_a_file_without_rows_can_be_read(media_type: str) -> None:
    assert read_rows(media_type, encoded(media_type), TABLE) == []


def test_a_text_of_csv_is_no_formula() -> None:
    text = encoded(CSV, things(12)).decode()
    assert text.startswith("time,name,text,count,value,good,cursor\r\n")
    assert text.endswith("\r\n")
    fields = [field for line in csv_lines(text) for field in (line[1], line[2]) if field]
    assert {"'=c", "'=HYPERLINK(1)", "''", "'-1", "'@x"} <= set(fields)
    assert {field[0] for field in fields}.isdisjoint("=+@-")


def test_a_line_of_json_is_an_object() -> None:
    lines = encoded(JSON_LINES, things(12)).decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line)["count"] for line in lines] == [n * 10**12 for n in range(12)]


def test_arrow_and_parquet_have_types_and_metadata() -> None:
    metadata = {"knownAt": format_instant(0), "city": "city"}
    data = encoded(PARQUET, things(5), metadata=metadata)
    schema = pq.read_schema(io.BytesIO(data))
    assert schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert schema.field("name").type == pa.dictionary(pa.int32(), pa.string())
    assert {key.decode() for key in schema.metadata} >= {"knownAt", "city"}
    stream = pa.ipc.open_stream(encoded(ARROW, things(5), metadata=metadata))
    assert stream.schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert stream.schema.metadata[b"knownAt"] == b"1970-01-01T00:00:00Z"
    assert stream.schema.field("time").metadata[b"description"] == b"When."


def test_a_row_group_is_written_as_soon_as_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "ROW_GROUP_ROWS", 100)
    encoder = encoders.ENCODERS[PARQUET](encoders.arrow_schema(TABLE, {}))
    parts = [encoder.start(), *(encoder.encode(things(60, 60 * n)) for n in range(4)), encoder.finish()]
    assert parts[0] == b"PAR1"
    assert [bool(part) for part in parts[1:]] == [False, True, False, True, True]
    file = pq.ParquetFile(io.BytesIO(b"".join(parts)))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [120, 120]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_models_of_rows_have_the_columns() -> None:
    for table, model in ((OBSERVATIONS, ObservationRow), (ALARM_EVENTS, AlarmEventRow)):
        assert [column.name for column in table.columns] == list(model.__struct_encode_fields__)
