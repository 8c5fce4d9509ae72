"""Delft-FEWS PI XML time series.

A series has a header (location, parameter, missing value) and events with date, time, value and flag.
`timeZone` is a fixed offset of the times, in hours. Missing values and events with flag 9 are not sent; other
flags become words of quality. A flag has two parts: 0 to 2 are reliable, 3 to 5 doubtful and 6 to 8
unreliable, and of each three the first is the original value, the second a corrected and the third a
completed one, as the graphs of Lizard (Nelen & Schuurmans) list them. A corrected value is like an original
one.

expat itself reads the file, since it has line numbers. A DOCTYPE is refused, so no XML entity is declared.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from xml.parsers import expat

from simulators.replay.recorded_data import (
    ReadOptions,
    RecordedData,
    RecordingError,
    Sample,
    line_error,
    shortened_repr,
)
from twin.instant import MINUTE, Duration, Instant, from_datetime, to_datetime

MISSING_FLAG = 9
QUALITY_OF_FLAG: tuple[tuple[str, ...], ...] = (
    (),
    (),
    ("estimated",),
    ("doubtful",),
    ("doubtful",),
    ("doubtful", "estimated"),
    ("unreliable",),
    ("unreliable",),
    ("unreliable", "estimated"),
)
_OFFSET_HOURS_MAX = 18.0
_HEADER_TEXTS = ("locationId", "parameterId", "missVal", "units")
_UTC = to_datetime(0).tzinfo


def read_fews_pi(path: Path, options: ReadOptions, data: RecordedData) -> None:
    """Add the samples of a file. Raises RecordingError, OSError."""
    reader = _Reader(path, options, data)
    with path.open("rb") as file:
        reader.read(file.read())


class _Reader:
    """Handles the elements of one document."""

    def __init__(self, path: Path, options: ReadOptions, data: RecordedData) -> None:
        self._path = path
        self._options = options
        self._data = data
        self._elements: list[str] = []
        self._text: list[str] = []
        self._offset: Duration = 0
        self._series_offset: Duration | None = None
        self._header: dict[str, str] = {}
        self._parameters: set[str] = set()
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._doctype

    def read(self, data: bytes) -> None:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise line_error(self._path, error.lineno, f"not well-formed XML: {error}") from error
        except (LookupError, ValueError) as error:
            raise line_error(self._path, 1, f"the declared encoding is not supported: {error}") from error

    def _fault(self, text: str) -> RecordingError:
        return line_error(self._path, self._parser.CurrentLineNumber, text)

    def _doctype(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        raise self._fault("found a DOCTYPE, which PI XML must not have; remove it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if not self._elements and name != "TimeSeries":
            raise self._fault(f"found <{name}>, expected <TimeSeries> of FEWS PI XML")
        self._elements.append(name)
        self._text.clear()
        if name == "series":
            self._header = {}
            self._series_offset = None
        elif name == "event":
            self._event(attributes)

    def _end(self, name: str) -> None:
        name = self._elements.pop()
        text = "".join(self._text).strip()
        self._text.clear()
        if name == "timeZone":
            offset = self._offset_of(text)
            if "series" in self._elements:
                self._series_offset = offset
            else:
                self._offset = offset
        elif name in _HEADER_TEXTS and self._elements[-1:] == ["header"]:
            self._header[name] = text
        elif name == "header":
            self._check_header()

    def _check_header(self) -> None:
        for name in ("locationId", "parameterId"):
            if not self._header.get(name):
                raise self._fault(f"the header has no <{name}>, expected one")
        self._parameters.add(self._header["parameterId"])
        if self._options.field is not None and len(self._parameters) > 1:
            raise self._fault(
                f"found the parameters {', '.join(sorted(self._parameters))}, but one --field for all; "
                "use --field PARAMETER=FIELD for each"
            )

    def _offset_of(self, text: str) -> Duration:
        try:
            hours = float(text)
        except ValueError:
            hours = math.nan
        if not abs(hours) <= _OFFSET_HOURS_MAX:
            raise self._fault(f"timeZone is {shortened_repr(text)}, expected hours ahead of UTC such as 1.0")
        return round(hours * 60) * MINUTE

    def _event(self, attributes: dict[str, str]) -> None:
        header = self._header
        if "parameterId" not in header:
            raise self._fault("found an <event> before the <header> of its <series>")
        sensor = self._options.sensor_of(header["locationId"])
        time = self._time(attributes)
        value = self._value(attributes.get("value", ""))
        flag = attributes.get("flag", "0")
        if not flag.isdecimal() or int(flag) > MISSING_FLAG:
            raise self._fault(f"flag is {shortened_repr(flag)}, expected a number from 0 to 9")
        if value is None or int(flag) == MISSING_FLAG:
            self._data.skipped[sensor, "missing"] += 1
        else:
            self._data.check_limit(self._path)
            field = self._options.field_of(header["parameterId"])
            self._data.samples.append(Sample(time, sensor, field, value, QUALITY_OF_FLAG[int(flag)]))

    def _time(self, attributes: dict[str, str]) -> Instant:
        text = f"{attributes.get('date', '')}T{attributes.get('time', '')}"
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                raise ValueError("a time with an offset")
        except ValueError as error:
            raise self._fault(
                f'the event\'s date and time are {shortened_repr(text)}, expected date="2017-10-29" '
                'time="01:45:00"'
            ) from error
        offset = self._offset if self._series_offset is None else self._series_offset
        return from_datetime(moment.replace(tzinfo=_UTC) - timedelta(microseconds=offset))

    def _value(self, text: str) -> float | None:
        missing = self._header.get("missVal", "")
        if not text or text == missing or text in self._options.missing:
            return None
        try:
            value = float(text)
        except ValueError as error:
            raise self._fault(f"value is {shortened_repr(text)}, expected a number such as -1.43") from error
        if math.isnan(value) or (missing and value == _number(missing)):
            return None
        return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
