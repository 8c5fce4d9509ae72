"""CSV: a column of times, one of sensors or none, and either `property,value` or one column a field.

Separator is a comma, semicolon, tab or bar; a decimal comma is understood. Empty cells and words such as NaN
mean no value. Negative values and times that occur twice stay as they are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from simulators.replay.csv_table import CsvColumns, CsvTable
from simulators.replay.local_time import parse_recorded_time, resolve_local_times
from simulators.replay.recorded_data import (
    ReadOptions,
    RecordedData,
    RecordingError,
    Sample,
    joined_names,
    line_error,
    shortened_repr,
)
from twin.instant import Instant

_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "--"})


class _Row(NamedTuple):
    line: int
    time: Instant | datetime  #: naive while its zone is not applied
    sensor: str
    property: str  #: empty in a wide table
    values: tuple[tuple[str, str], ...]  #: name and text


def read_csv(path: Path, options: ReadOptions, contents: RecordedData) -> None:
    """Add what a file holds. Raises RecordingError, OSError."""
    table = CsvTable(path, options)
    _check_named(path, table.columns, options)
    rows = list(_rows(table, options, contents))
    for row, time in zip(rows, _instants(path, rows, options), strict=True):
        sensor = options.sensor_of(row.sensor)
        for name, text in row.values:
            value = _number(path, row.line, name, text, options)
            if value is None:
                contents.skipped[sensor, "missing"] += 1
            else:
                contents.samples.append(Sample(time, sensor, options.field_of(name), value))


def _check_named(path: Path, columns: CsvColumns, options: ReadOptions) -> None:
    if columns.sensor is None and options.sensor is None:
        raise RecordingError(
            f"{path}: found the columns {joined_names(columns.names)}, and none names the sensor; "
            "say it with --sensor ID, or its column with --sensor-column NAME"
        )


def _rows(table: CsvTable, options: ReadOptions, contents: RecordedData) -> Iterator[_Row]:
    columns = table.columns
    property = columns.property
    several = property is not None and options.field is not None
    properties: set[str] = set()
    for line, cells in table.rows():
        contents.check_limit(table.path)
        name = cells[property].strip() if property is not None else ""
        if several:
            properties.add(name)
            if len(properties) > 1:
                raise line_error(
                    table.path,
                    line,
                    f"found the properties {', '.join(sorted(properties))} and one --field for them all; "
                    "give --field PROPERTY=FIELD for each",
                )
        yield _Row(
            line,
            _time(table.path, line, cells, columns),
            cells[columns.sensor].strip() if columns.sensor is not None else "",
            name,
            tuple((name or columns.names[index], cells[index].strip()) for index in columns.values),
        )


def _time(path: Path, line: int, cells: Sequence[str], columns: CsvColumns) -> Instant | datetime:
    text = cells[columns.time].strip()
    if columns.clock is not None:
        text = f"{text} {cells[columns.clock].strip()}"
    try:
        return parse_recorded_time(text)
    except (ValueError, OverflowError) as error:
        raise line_error(
            path, line, f"the time is {shortened_repr(text)}, expected one such as 2017-10-29T02:15:00+01:00"
        ) from error


def _instants(path: Path, rows: Sequence[_Row], options: ReadOptions) -> list[Instant]:
    """Return the instant of every row; local times of one series are resolved together, by their order."""
    found: list[Instant] = [0] * len(rows)
    local: defaultdict[tuple[str, str], list[tuple[int, datetime]]] = defaultdict(list)
    for index, row in enumerate(rows):
        if isinstance(row.time, int):
            found[index] = row.time
        elif options.timezone is None:
            raise line_error(
                path,
                row.line,
                f"the time {row.time} says no offset; add --timezone, such as Europe/Amsterdam or UTC",
            )
        else:
            local[row.sensor, row.property].append((index, row.time))
    for series in local.values():
        times = resolve_local_times([wall for _, wall in series], options.timezone or "UTC")
        for (index, _), time in zip(series, times, strict=True):
            found[index] = time
    return found


def _number(path: Path, line: int, name: str, text: str, options: ReadOptions) -> float | None:
    """Return the number in a cell, None for a missing one; see `parse_decimal`."""
    if text.lower() in _MISSING or text in options.missing:
        return None
    try:
        value = parse_decimal(text)
    except ValueError as error:
        raise line_error(
            path,
            line,
            f"{name} is {shortened_repr(text)}, expected a number; say which column with --value-column "
            "NAME, or "
            "that it means no value with --missing TEXT",
        ) from error
    return None if math.isnan(value) else value


def parse_decimal(text: str) -> float:
    """Return the number in a text; of comma and point the last one is the decimal sign. Raises ValueError.

    >>> parse_decimal("-1,43"), parse_decimal("1.234,5"), parse_decimal("1,234.5"), parse_decimal("12.0")
    (-1.43, 1234.5, 1234.5, 12.0)
    """
    comma, point = text.rfind(","), text.rfind(".")
    if comma > point:
        text = text.replace(".", "").replace(",", ".")
    elif comma >= 0:
        text = text.replace(",", "")
    return float(text)
