"""The samples and messages of a recording, the options for reading it, and its error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as field_with
from pathlib import Path
from typing import NamedTuple

from twin.errors import TwinError
from twin.instant import Instant

ITEMS_MAX = 5_000_000
"""Most samples and messages of one replay, about a gigabyte of memory; play larger recordings in parts."""

FILE_BYTES_MAX = 1 << 30
"""Largest size of a file; five million lines of CSV need a third of it."""


class RecordingError(TwinError):
    """A recording cannot be read; the message has file, line, what was found and expected, and what to do."""


class TooManyValuesError(RecordingError):
    """A replay has more values than `ITEMS_MAX`; reading further files is useless."""


def line_error(path: Path, line: int, text: str) -> RecordingError:
    """Return the error about a line of a file, truncated, since it may quote names of columns."""
    return RecordingError(f"{path}, line {line}: {_truncated(text, _TEXT_MAX)}")


def shortened_repr(value: object) -> str:
    """Return the representation of a value for an error message: short, and on one line."""
    return _truncated(repr(value), _VALUE_MAX)


def joined_names(names: Iterable[str]) -> str:
    """Return the names of columns for an error message, truncated if they are many or long."""
    return _truncated(", ".join(names), _TEXT_MAX)


_VALUE_MAX = 60
_TEXT_MAX = 1_000


def _truncated(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


class Sample(NamedTuple):
    """One recorded value, in the unit of the recording."""

    time: Instant  #: phenomenon time
    sensor: str
    field: str
    value: float
    quality: tuple[str, ...] = ()  #: what the source says of it: words of `ingest.formats.source_quality`


class RecordedMessage(NamedTuple):
    """A recorded MQTT message."""

    time: Instant  #: when it was received
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Information that a file lacks, from the options of the command line."""

    sensor: str | None = None  #: sensor of all locations
    sensor_from_name: bool = False  #: whether the name of a CSV file, without extension, is its location
    sensors: Mapping[str, str] = field_with(default_factory=dict)  #: location → sensor
    field: str | None = None  #: field of all columns or parameters
    fields: Mapping[str, str] = field_with(default_factory=dict)  #: column or parameter → field
    timezone: str | None = None  #: IANA name, for local times without an offset
    missing: frozenset[str] = frozenset()  #: additional texts for a missing value
    time_column: str | None = None
    sensor_column: str | None = None
    value_column: str | None = None

    def sensor_of(self, location: str) -> str:
        """Return the sensor of a location; by default it has the same name."""
        return self.sensor or self.sensors.get(location, location)

    def field_of(self, name: str) -> str:
        """Return the field of a column or parameter; by default it has the same name."""
        return self.field or self.fields.get(name, name)


@dataclass(slots=True)
class RecordedData:
    """The samples and messages of files, in the order of the files."""

    samples: list[Sample] = field_with(default_factory=list)
    messages: list[RecordedMessage] = field_with(default_factory=list)
    #: number of values that are not sent, by (sensor, reason)
    skipped: Counter[tuple[str, str]] = field_with(default_factory=Counter)

    def check_limit(self, path: Path) -> None:
        """Raise RecordingError when one replay would have too many samples and messages."""
        if len(self.samples) + len(self.messages) >= ITEMS_MAX:
            raise TooManyValuesError(
                f"{path}: more than {ITEMS_MAX} values in one replay; play the files one after the other"
            )
