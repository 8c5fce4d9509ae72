"""What a recording holds: samples and raw messages; how a reader is told to read it; and its error."""

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
"""Samples and messages of one replay; about a gigabyte of memory. A larger recording is played in parts."""

FILE_BYTES_MAX = 1 << 30
"""Size of one file; five million lines of CSV are a third of that."""


class RecordingError(TwinError):
    """A recording cannot be read; says file, line, what was found, what is expected, and what to do."""


def line_error(path: Path, line: int, text: str) -> RecordingError:
    """Return the error about a line of a file; names of columns stand in it as they were found, cut off."""
    told = text if len(text) <= _TOLD_MAX else text[: _TOLD_MAX - 1] + "…"
    return RecordingError(f"{path}, line {line}: {told}")


def shortened_repr(found: object) -> str:
    """Return what was found as an error shows it: short, and on one line."""
    text = repr(found)
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


def joined_names(names: Iterable[str]) -> str:
    """Return the names of columns as an error lists them, cut off where they are many or long."""
    text = ", ".join(names)
    return text if len(text) <= _TOLD_MAX else text[: _TOLD_MAX - 1] + "…"


_SHOWN_MAX = 60
_TOLD_MAX = 1_000


class Sample(NamedTuple):
    """One recorded value, in the unit of the recording."""

    time: Instant  #: phenomenon time
    sensor: str
    field: str
    value: float


class RecordedMessage(NamedTuple):
    """A recorded MQTT message."""

    time: Instant  #: when it was received
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a person says what a file does not."""

    sensor: str | None = None  #: for every location
    sensors: Mapping[str, str] = field_with(default_factory=dict)  #: location → sensor
    field: str | None = None  #: for every column or parameter
    fields: Mapping[str, str] = field_with(default_factory=dict)  #: column or parameter → field
    timezone: str | None = None  #: IANA name, for local times without an offset
    missing: frozenset[str] = frozenset()  #: further texts that mean "no value"
    time_column: str | None = None
    sensor_column: str | None = None
    value_column: str | None = None

    def sensor_of(self, location: str) -> str:
        """Return the sensor of a location; without a word about it, it has the same name."""
        return self.sensor or self.sensors.get(location, location)

    def field_of(self, name: str) -> str:
        """Return the field of a column or parameter."""
        return self.field or self.fields.get(name, name)


@dataclass(slots=True)
class RecordedData:
    """What files hold, in their order."""

    samples: list[Sample] = field_with(default_factory=list)
    messages: list[RecordedMessage] = field_with(default_factory=list)
    #: what is not sent, by sensor and reason
    skipped: Counter[tuple[str, str]] = field_with(default_factory=Counter)

    def check_limit(self, path: Path) -> None:
        """Raise RecordingError when there is more than one replay may hold."""
        if len(self.samples) + len(self.messages) >= ITEMS_MAX:
            raise RecordingError(
                f"{path}: more than {ITEMS_MAX} values in one replay; play the files one after the other"
            )
