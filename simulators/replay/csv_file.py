"""CSV: a column of times, optionally one of sensors, and either `property,value` or one column per field.

The separator is a comma, semicolon, tab or bar; numbers may have a decimal comma. Empty cells and words such
as NaN are missing values. Negative values and repeated times are kept.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import NamedTuple

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


_SEPARATORS = ";\t,|"

# Known names of columns, in lower case with underscores.
_TIMES = (
    "time", "timestamp", "datetime", "date_time", "utc", "timestamp_measured", "timestamp_utc", "time_utc",
    "datetime_utc", "date_utc", "datetimebegin", "begindatumtijd", "start",
    "phenomenontime", "phenomenon_time", "observed_at", "tijdstip", "datumtijd",
    "datum_tijd", "date", "datum", "tijd",
)  # fmt: skip
_DATES = ("date", "datum")
_CLOCKS = ("time", "tijd")
_SENSORS = (
    "sensor", "sensor_id", "sensorid", "station", "station_id", "station_number", "station_code", "stationid",
    "location", "location_id", "locationid", "locatie", "device", "device_id", "deviceid", "meter",
    "meter_id", "transformer", "transformer_id", "site", "meetpunt", "airqualitystation",
)  # fmt: skip
_PROPERTIES = (
    "property", "parameter", "field", "observed_property", "component", "formula", "quantity", "pollutant",
    "airpollutant", "stof",
)  # fmt: skip
_VALUES = ("value", "waarde", "measurement", "meting", "concentration", "concentratie")


class _Row(NamedTuple):
    line: int
    time: Instant | datetime  #: naive until a time zone is applied
    sensor: str
    property: str  #: empty in a wide table
    values: tuple[tuple[str, str], ...]  #: (name, text) of each value


def read_csv(path: Path, options: ReadOptions, data: RecordedData) -> None:
    """Add the samples of a file. Raises RecordingError, OSError."""
    table = CsvTable(path, options)
    _check_sensor(path, table.columns, options)
    rows = list(_rows(table, options, data))
    for row, time in zip(rows, _instants(path, rows, options), strict=True):
        sensor = options.sensor_of(row.sensor)
        for name, text in row.values:
            value = _number(path, row.line, name, text, options)
            if value is None:
                data.skipped[sensor, "missing"] += 1
            else:
                data.samples.append(Sample(time, sensor, options.field_of(name), value))


def _check_sensor(path: Path, columns: CsvColumns, options: ReadOptions) -> None:
    if columns.sensor is None and options.sensor is None and not options.sensor_from_name:
        raise RecordingError(
            f"{path}: found the columns {joined_names(columns.names)}, but none with the sensor; "
            "use --sensor-column NAME for its column, --sensor-from-name if each file is named after its "
            "sensor, or --sensor ID"
        )


def _rows(table: CsvTable, options: ReadOptions, data: RecordedData) -> Iterator[_Row]:
    columns = table.columns
    property = columns.property
    location = table.path.stem if options.sensor_from_name else ""
    check_properties = property is not None and options.field is not None
    properties: set[str] = set()
    for line, cells in table.rows():
        data.check_limit(table.path)
        name = cells[property].strip() if property is not None else ""
        if check_properties:
            properties.add(name)
            if len(properties) > 1:
                raise line_error(
                    table.path,
                    line,
                    f"found the properties {', '.join(sorted(properties))}, but one --field for all; "
                    "use --field PROPERTY=FIELD for each",
                )
        yield _Row(
            line,
            _time(table.path, line, cells, columns),
            cells[columns.sensor].strip() if columns.sensor is not None else location,
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
    """Return the instant of every row; the order of a series resolves its ambiguous local times."""
    instants: list[Instant] = [0] * len(rows)
    local: defaultdict[tuple[str, str], list[tuple[int, datetime]]] = defaultdict(list)
    for index, row in enumerate(rows):
        if isinstance(row.time, int):
            instants[index] = row.time
        elif options.timezone is None:
            raise line_error(
                path,
                row.line,
                f"the time {row.time} has no offset; add --timezone, such as Europe/Amsterdam or UTC",
            )
        else:
            local[row.sensor, row.property].append((index, row.time))
    for series in local.values():
        times = resolve_local_times([wall for _, wall in series], options.timezone or "UTC")
        for (index, _), time in zip(series, times, strict=True):
            instants[index] = time
    return instants


def _number(path: Path, line: int, name: str, text: str, options: ReadOptions) -> float | None:
    """Return the number in a cell, or None for a missing value."""
    if text.lower() in _MISSING or text in options.missing:
        return None
    try:
        value = parse_decimal(text)
    except ValueError as error:
        raise line_error(
            path,
            line,
            f"{name} is {shortened_repr(text)}, expected a number; name the column with "
            "--value-column NAME, or mark the text as missing with --missing TEXT",
        ) from error
    return None if math.isnan(value) else value


def parse_decimal(text: str) -> float:
    """Return the number in a text; the last comma or point is the decimal separator. Raises ValueError.

    >>> parse_decimal("-1,43"), parse_decimal("1.234,5"), parse_decimal("1,234.5"), parse_decimal("12.0")
    (-1.43, 1234.5, 1234.5, 12.0)
    """
    comma, point = text.rfind(","), text.rfind(".")
    if comma > point:
        text = text.replace(".", "").replace(",", ".")
    elif comma >= 0:
        text = text.replace(",", "")
    return float(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvColumns:
    """The meaning of the columns, by index."""

    names: tuple[str, ...]
    time: int
    clock: int | None  #: time of day, if the date has its own column
    sensor: int | None
    property: int | None
    values: tuple[int, ...]  #: one column if there is `property`, else one per field


class CsvTable:
    """The rows of a file with their line numbers. Raises RecordingError, OSError."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.path = path
        self._options = options
        self._rows = self._read()
        line, header = next(self._rows, (0, []))
        if not header:
            raise RecordingError(f"{path}: the file is empty, expected a header such as time,sensor,pm2_5")
        self.columns = self._columns(line, [name.strip() for name in header])

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line number and the cells of every row below the header."""
        width = len(self.columns.names)
        for line, cells in self._rows:
            if len(cells) < width or any(cell.strip() for cell in cells[width:]):
                raise line_error(
                    self.path,
                    line,
                    f"found {len(cells)} cells, expected {width}; is the line truncated, or a text or "
                    "decimal comma without quotes?",
                )
            yield line, cells

    def _read(self) -> Iterator[tuple[int, list[str]]]:
        data = self.path.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise line_error(
                self.path, line, "not UTF-8; convert it, as with `iconv -f latin1 -t utf-8`"
            ) from error
        first = next((line for line in StringIO(text) if _has_data(line)), "")
        separator = max(_SEPARATORS, key=first.count)
        reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#"):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise line_error(self.path, reader.line_num, f"not CSV: {error}") from error

    def _columns(self, line: int, names: list[str]) -> CsvColumns:
        keys = [name.lower().replace(" ", "_").replace("-", "_") for name in names]
        options = self._options
        time = self._column(line, names, options.time_column, keys, _TIMES)
        if time is None:
            raise line_error(
                self.path,
                line,
                f"found the columns {shortened_repr(names)}, expected one of {', '.join(_TIMES[:4])}, …; "
                "name it with --time-column",
            )
        date = _first(keys, _DATES) if options.time_column is None else None
        clock = _first(keys, _CLOCKS) if date is not None else None
        if date is not None and clock is not None:
            time = date
        sensor = self._column(line, names, options.sensor_column, keys, _SENSORS)
        value = self._column(line, names, options.value_column, keys, _VALUES)
        property = _first(keys, _PROPERTIES) if value is not None else None
        used = {time, clock, sensor}
        values = (value,) if value is not None else self._fields(names, used)
        if not values:
            raise line_error(
                self.path, line, f"found the columns {shortened_repr(names)}, expected one with values"
            )
        return CsvColumns(
            names=tuple(names), time=time, clock=clock, sensor=sensor, property=property, values=values
        )

    def _column(
        self,
        line: int,
        names: Sequence[str],
        requested: str | None,
        keys: Sequence[str],
        known_names: Sequence[str],
    ) -> int | None:
        if requested is None:
            return _first(keys, known_names)
        if requested not in names:
            raise line_error(
                self.path,
                line,
                f"found the columns {shortened_repr(names)}, expected {requested!r} among them",
            )
        return names.index(requested)

    def _fields(self, names: Sequence[str], used: set[int | None]) -> tuple[int, ...]:
        """Return the value columns of a wide table: all, or the one that `--field` names."""
        unused = tuple(index for index in range(len(names)) if index not in used and names[index])
        selected = tuple(index for index in unused if names[index] == self._options.field)
        if selected or self._options.field is None:
            return selected or unused
        if len(unused) > 1:
            raise RecordingError(
                f"{self.path}: --field {self._options.field} is one field, but there are the columns "
                f"{joined_names(names[index] for index in unused)}; add --value-column NAME"
            )
        return unused


def _has_data(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _first(keys: Sequence[str], known: Sequence[str]) -> int | None:
    return next((keys.index(name) for name in known if name in keys), None)
