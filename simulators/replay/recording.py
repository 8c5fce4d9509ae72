"""Build one sequence of MQTT messages, in order of time, from the files of a recording."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from simulators.devices.native import observations_topic
from simulators.devices.senml import base_time
from simulators.replay import csv_file, fews_pi, json_lines
from simulators.replay.recorded_data import (
    FILE_BYTES_MAX,
    ReadOptions,
    RecordedData,
    RecordedMessage,
    RecordingError,
    Sample,
    TooManyValuesError,
)
from twin.instant import Instant, format_instant

RecordingReader: TypeAlias = Callable[[Path, ReadOptions, RecordedData], None]

READERS: Mapping[str, RecordingReader] = MappingProxyType(
    {"csv": csv_file.read_csv, "jsonl": json_lines.read_json_lines, "fews-pi": fews_pi.read_fews_pi}
)
"""Name → reader. A new format needs a module, an entry here, and its detection in `detect_format`."""

_DETECTION_BYTES = 4096

FILE_ERRORS_MAX = 20
"""Most files of which errors are reported at once."""


class ReplayMessage(NamedTuple):
    """A message to publish."""

    time: Instant  #: recorded time; decides when it is published
    topic: str
    payload: bytes
    source: str  #: sensor, or the topic of a recorded message


@dataclass(frozen=True, slots=True)
class Recording:
    """The messages of all files in order of time; equal times keep the order of the files."""

    messages: Sequence[ReplayMessage]
    values: int  #: values in the messages built from samples
    skipped: Mapping[tuple[str, str], int]  #: number of skipped values by (sensor, reason)


def detect_format(path: Path) -> str:
    """Return the format of a file by its first character, else by its extension. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(_DETECTION_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return "fews-pi"
    if start.startswith(b"{") or path.suffix.lower() in (".jsonl", ".ndjson"):
        return "jsonl"
    return "csv"


def read_files(paths: Iterable[Path], options: ReadOptions) -> RecordedData:
    """Return the samples and messages of files.

    Raises RecordingError or OSError; for several files that cannot be read, an ExceptionGroup with the first
    error of each, at most `FILE_ERRORS_MAX`.
    """
    data = RecordedData()
    errors: list[RecordingError | OSError] = []
    for path in paths:
        try:
            size = path.stat().st_size
            if size > FILE_BYTES_MAX:
                raise RecordingError(
                    f"{path}: found {size} bytes, at most {FILE_BYTES_MAX} are read; split it"
                )
            READERS[detect_format(path)](path, options, data)
        except TooManyValuesError:
            raise
        except (RecordingError, OSError) as error:
            errors.append(error)
            if len(errors) == FILE_ERRORS_MAX:
                break
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup("files of the recording cannot be read", errors)
    if not data.samples and not data.messages:
        skipped = sum(data.skipped.values())
        raise RecordingError(f"the recording has no value to send ({skipped} are missing)")
    return data


def build_recording(
    data: RecordedData,
    *,
    city: str,
    unit: str | None = None,
    end: Instant | None = None,
    correction: bool = False,
) -> Recording:
    """Return the messages to publish; `end` shifts all times so that the recording ends there.

    With a `unit`, samples become SenML packs with it; without one, the unit of the city folder applies.
    Times in the payload of recorded messages are not shifted. Of a `correction`, which is received now, only
    the last of repeated values is sent. Raises RecordingError when it has recorded messages: a device without
    a clock is dated by the reception.
    """
    samples = data.samples
    if correction:
        if data.messages:
            raise RecordingError(
                f"found {len(data.messages)} recorded messages, but a correction consists of values with a "
                "time and a sensor; write them as CSV, or play the messages as history, without --correction"
            )
        samples = list({(one.time, one.sensor, one.field): one for one in samples}.values())
        for sensor, count in (
            Counter(one.sensor for one in data.samples) - Counter(one.sensor for one in samples)
        ).items():
            data.skipped[sensor, "repeated: the last one is sent"] += count
    newest = max([one.time for one in data.samples] + [message.time for message in data.messages])
    shift = 0 if end is None else end - newest
    messages = _messages_of(samples, shift, city, unit)
    messages += (_shifted(message, shift) for message in data.messages)
    messages.sort(key=lambda one: one.time)
    return Recording(messages, len(samples), Counter(data.skipped))


def _shifted(message: RecordedMessage, shift: int) -> ReplayMessage:
    time = message.time + shift
    return ReplayMessage(time, message.topic, message.payload, message.topic)


def _messages_of(samples: Sequence[Sample], shift: int, city: str, unit: str | None) -> list[ReplayMessage]:
    """Return one message for all fields of a sensor at one time; a repeated field starts another message.

    The messages keep the order of the samples, so that the last of a repetition wins.
    """
    messages: list[ReplayMessage] = []
    by_time = groupby(sorted(samples, key=lambda one: one.time), key=lambda one: one.time)
    for time, simultaneous in by_time:
        by_sensor: dict[str, list[dict[str, Sample]]] = {}
        for sample in simultaneous:
            repetitions = by_sensor.setdefault(sample.sensor, [{}])
            if sample.field in repetitions[-1]:
                repetitions.append({})
            repetitions[-1][sample.field] = sample
        for sensor, repetitions in by_sensor.items():
            topic = observations_topic(city, sensor)
            for fields in repetitions:
                now = time + shift
                payload = json.dumps(_body(now, fields, unit), separators=(",", ":")).encode()
                messages.append(ReplayMessage(now, topic, payload, sensor))
    return messages


def _body(time: Instant, fields: Mapping[str, Sample], unit: str | None) -> Any:
    if unit is None:
        body: dict[str, Any] = {
            "time": format_instant(time),
            "values": {name: sample.value for name, sample in fields.items()},
        }
        quality = {name: sample.quality for name, sample in fields.items() if sample.quality}
        return {**body, "quality": quality} if quality else body
    records: list[dict[str, Any]] = [
        {"n": name, "u": unit, "v": sample.value, "t": base_time(time)} for name, sample in fields.items()
    ]
    for record, sample in zip(records, fields.values(), strict=True):
        if sample.quality:
            record["quality"] = sample.quality
    return records
