"""Recordings as one sequence of MQTT messages in the order of time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from simulators.replay import csv_file, fews_pi, json_lines
from simulators.replay.recorded_data import (
    FILE_BYTES_MAX,
    ReadOptions,
    RecordedData,
    RecordedMessage,
    RecordingError,
    Sample,
)
from twin.instant import SECOND, Instant, format_instant

RecordingReader: TypeAlias = Callable[[Path, ReadOptions, RecordedData], None]

READERS: Mapping[str, RecordingReader] = MappingProxyType(
    {"csv": csv_file.read_csv, "jsonl": json_lines.read_json_lines, "fews-pi": fews_pi.read_fews_pi}
)
"""Name → reader. A format is added with one module, one entry here and its sign in `detect_format`."""

_LOOKED_AT_BYTES = 4096


class ReplayMessage(NamedTuple):
    """A message to be played."""

    time: Instant  #: of the recording's own clock; when it is played
    received: Instant  #: time of reception that it brings along
    topic: str
    payload: bytes
    source: str  #: sensor, or the topic of a recorded message


@dataclass(frozen=True, slots=True)
class Recording:
    """What files hold, in the order of time; at one time in the order of the files."""

    messages: Sequence[ReplayMessage]
    values: int  #: in messages that we made
    skipped: Mapping[tuple[str, str], int]  #: by sensor and reason


def detect_format(path: Path) -> str:
    """Return the format of a file: what its first character says, else its extension. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return "fews-pi"
    if start.startswith(b"{") or path.suffix.lower() in (".jsonl", ".ndjson"):
        return "jsonl"
    return "csv"


def read_files(paths: Iterable[Path], options: ReadOptions) -> RecordedData:
    """Return what files hold. Raises RecordingError, OSError."""
    contents = RecordedData()
    for path in paths:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            raise RecordingError(f"{path}: found {size} bytes, at most {FILE_BYTES_MAX} are read; split it")
        READERS[detect_format(path)](path, options, contents)
    if not contents.samples and not contents.messages:
        left_out = sum(contents.skipped.values())
        raise RecordingError(f"the recording holds no value to send ({left_out} are missing or unreliable)")
    return contents


def build_recording(
    contents: RecordedData, *, city: str, unit: str | None = None, end: Instant | None = None
) -> Recording:
    """Return the messages to be played; `end` moves the recording so that it ends there.

    A `unit` is told with each value, in a SenML pack; without one the city folder says it. What stands in
    the payload of a recorded message is not moved.
    """
    newest = max([one.time for one in contents.samples] + [message.time for message in contents.messages])
    shift = 0 if end is None else end - newest
    messages = _of_samples(contents.samples, shift, city, unit)
    messages += (_of_raw(one, shift) for one in contents.messages)
    messages.sort(key=lambda one: one.time)
    return Recording(messages, len(contents.samples), Counter(contents.skipped))


def _of_raw(message: RecordedMessage, shift: int) -> ReplayMessage:
    time = message.time + shift
    return ReplayMessage(time, time, message.topic, message.payload, message.topic)


def _of_samples(samples: Sequence[Sample], shift: int, city: str, unit: str | None) -> list[ReplayMessage]:
    """Return a message for the fields of a sensor at one time; a field that comes again begins another.

    Each such repetition is received a microsecond after the one before, so that the later line wins.
    """
    messages: list[ReplayMessage] = []
    for time, together in groupby(sorted(samples, key=lambda one: one.time), key=lambda one: one.time):
        begun: dict[str, list[dict[str, float]]] = {}
        for one in together:
            packs = begun.setdefault(one.sensor, [{}])
            if one.field in packs[-1]:
                packs.append({})
            packs[-1][one.field] = one.value
        for sensor, packs in begun.items():
            topic = f"livetwin/{city}/{sensor}/observations"
            for repetition, values in enumerate(packs):
                now = time + shift
                payload = json.dumps(_body(now, values, unit), separators=(",", ":")).encode()
                messages.append(ReplayMessage(now, now + repetition, topic, payload, sensor))
    return messages


def _body(time: Instant, values: Mapping[str, float], unit: str | None) -> Any:
    if unit is None:
        return {"time": format_instant(time), "values": dict(values)}
    seconds = time // SECOND if time % SECOND == 0 else time / SECOND
    return [{"n": name, "u": unit, "v": value, "t": seconds} for name, value in values.items()]
