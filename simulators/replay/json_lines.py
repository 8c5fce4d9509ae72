"""JSON lines: recorded MQTT messages, or samples by sensor.

`{"time": "…Z", "topic": "airrohr/17", "payload": {…}}`, where a string as payload is base64; or
`{"time": "…Z", "sensor": "wl-1", "values": {"level": -0.47}}`, with an optional `quality`: a word or a list
of words (`ingest.formats.source_quality`) for all values, or an object of them by field.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.formats.source_quality import QUALITY_WORDS
from simulators.replay.local_time import parse_recorded_time
from simulators.replay.recorded_data import (
    ReadOptions,
    RecordedData,
    RecordedMessage,
    Sample,
    line_error,
    shortened_repr,
)
from twin.instant import Instant
from twin.wire.json_nesting import JsonNestingError, check_json_nesting

_EXPECTED = '{"time", "topic", "payload"} or {"time", "sensor", "values"}'


def read_json_lines(path: Path, options: ReadOptions, data: RecordedData) -> None:
    """Add the messages and samples of a file. Raises RecordingError, OSError."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                data.check_limit(path)
                try:
                    check_json_nesting(line)
                    _add(json.loads(line.decode("utf-8-sig")), options, data)
                except (JsonNestingError, ValueError) as error:  # from JSON, UTF-8 and the functions below
                    raise line_error(path, number, str(error)) from error


def _add(item: Any, options: ReadOptions, data: RecordedData) -> None:
    if not isinstance(item, dict) or "time" not in item:
        raise ValueError(f"found {shortened_repr(item)}, expected {_EXPECTED}")
    time = _time(item["time"])
    if "topic" in item and "payload" in item:
        data.messages.append(RecordedMessage(time, _topic(item["topic"]), _payload(item["payload"])))
    elif "sensor" in item and "values" in item:
        sensor = options.sensor_of(str(item["sensor"]))
        quality = item.get("quality")
        for name, value in _leaves(item["values"], ""):
            if value is None:
                data.skipped[sensor, "missing"] += 1
            else:
                words = _words(quality.get(name) if isinstance(quality, dict) else quality)
                data.samples.append(Sample(time, sensor, options.field_of(name), value, words))
    else:
        raise ValueError(f"found the members {', '.join(map(shortened_repr, item))}, expected {_EXPECTED}")


def _words(quality: Any) -> tuple[str, ...]:
    words = quality if isinstance(quality, list) else [] if quality is None else [quality]
    if unknown := [word for word in words if word not in QUALITY_WORDS]:
        expected = ", ".join(QUALITY_WORDS)
        raise ValueError(f"quality is {shortened_repr(unknown[0])}, expected one of {expected}")
    return tuple(words)


def _time(value: Any) -> Instant:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            time = parse_recorded_time(str(value))
        except ValueError:
            time = None
        if isinstance(time, int):
            return time
    raise ValueError(
        f"time is {shortened_repr(value)}, expected one with an offset such as 2026-01-01T12:00:00Z, "
        "or seconds since 1970"
    )


def _topic(topic: Any) -> str:
    if not isinstance(topic, str) or not topic or any(one in topic for one in "+#\0"):
        raise ValueError(f"topic is {shortened_repr(topic)}, expected an MQTT topic without wildcards")
    return topic


def _payload(payload: Any) -> bytes:
    if not isinstance(payload, str):
        return json.dumps(payload, separators=(",", ":")).encode()
    try:
        return b64decode(payload, validate=True)
    except ValueError as error:
        raise ValueError(
            f"payload is {shortened_repr(payload)}, expected JSON or the base64 of its bytes"
        ) from error


def _leaves(values: Any, path: str) -> Iterator[tuple[str, float | None]]:
    """Yield the dotted path and number of every value in an object; None for null."""
    if not isinstance(values, dict):
        raise ValueError(
            f"values are {shortened_repr(values)}, expected an object such as {{'level': -0.47}}"
        )
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        elif value is None or isinstance(value, int | float):
            number = math.nan if value is None else float(value)
            yield path + name, None if math.isnan(number) else number
        else:
            raise ValueError(f"{path}{name} is {shortened_repr(value)}, expected a number or null")
