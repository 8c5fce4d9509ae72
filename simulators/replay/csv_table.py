"""The table in a CSV file: separator, header, and which column means what."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from simulators.replay.recorded_data import (
    ReadOptions,
    RecordingError,
    joined_names,
    line_error,
    shortened_repr,
)

_SEPARATORS = ";\t,|"

# Names that a column may have, in lower case with underscores.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvColumns:
    """Which column means what, by its number."""

    names: tuple[str, ...]
    time: int
    clock: int | None  #: time of day, where the date has a column of its own
    sensor: int | None
    property: int | None
    values: tuple[int, ...]  #: one with `property`, else each a field


class CsvTable:
    """The rows of a file, each with its line. Raises RecordingError, OSError."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.path = path
        self._options = options
        self._rows = self._read()
        line, header = next(self._rows, (0, []))
        if not header:
            raise RecordingError(f"{path}: found no line, expected a header such as time,sensor,pm2_5")
        self.columns = self._columns(line, [name.strip() for name in header])

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line and cells of every row below the header."""
        width = len(self.columns.names)
        for line, cells in self._rows:
            if len(cells) < width or any(cell.strip() for cell in cells[width:]):
                raise line_error(
                    self.path,
                    line,
                    f"found {len(cells)} cells, expected {width}; is the line cut off, or a text or a "
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
        first = next((line for line in StringIO(text) if _counts(line)), "")
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
        self, line: int, names: Sequence[str], asked: str | None, keys: Sequence[str], known: Sequence[str]
    ) -> int | None:
        if asked is None:
            return _first(keys, known)
        if asked not in names:
            raise line_error(
                self.path, line, f"found the columns {shortened_repr(names)}, expected {asked!r} among them"
            )
        return names.index(asked)

    def _fields(self, names: Sequence[str], used: set[int | None]) -> tuple[int, ...]:
        """Return the columns of a wide table that are read: all, or the one that `--field` names."""
        free = tuple(index for index in range(len(names)) if index not in used and names[index])
        asked = tuple(index for index in free if names[index] == self._options.field)
        if asked or self._options.field is None:
            return asked or free
        if len(free) > 1:
            raise RecordingError(
                f"{self.path}: --field {self._options.field} is one name, and the columns "
                f"{joined_names(names[index] for index in free)} are several; add --value-column NAME"
            )
        return free


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _first(keys: Sequence[str], known: Sequence[str]) -> int | None:
    return next((keys.index(name) for name in known if name in keys), None)
