"""Raw DSMR P1 telegrams of versions 2.2, 3, 4 and 5; Belgian meters send the objects that are read here, too.

dsmr-parser's object parsers read each line once, by its OBIS reference. Its `TelegramParser` is not used: it
searches the whole telegram for every object (seven times slower in all), hides unreadable lines, and grows
with every power failure log that it reads.

Fields have the names of our observed properties. Electricity has the time of the telegram; versions before 4
have none, so the time of reception counts. An M-Bus meter (gas, water, heat) has the time of its own reading,
minutes to an hour earlier. Its reading has its OBIS reference as name (`0-2:24.2.1`), and the most recent one
of each kind is also `gas_volume`, `water_volume` or `heat_energy`.

A slot without a working meter has no reading: its equipment id is empty, its unit is missing, or its time is
before 2001 or invalid (`700101010000W`, `632525252525S`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from dsmr_parser.exceptions import ParseError
from dsmr_parser.parsers import CosemParser, MBusParser, ValueParser
from msgspec.structs import replace

from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Pseudonymise, Reading
from ingest.formats.identifiers import IDENTIFIER_PATTERN as LONG_RUN
from ingest.formats.identifiers import contains_identifier
from ingest.formats.json_payload import short_repr
from ingest.formats.p1_objects import MBUS_TYPES, P1_ALIASES, P1_OBJECTS, TARIFF_SUMS
from ingest.formats.p1_telegram import parse_frame, rewrite_telegram
from ingest.formats.payload_time import local_instant
from twin.instant import Instant, from_datetime
from twin.quality.plausibility import QuarantineReason

# Most lines repeat those of a second ago or of another meter: counts, tariff, voltages.
LINES_CACHED_MAX = 16_384
LINE_CHARACTERS_MAX = 64  # the longest decoded object, with value and unit, has 26

_TIME = "0-0:1.0.0"
_TIME_CHARACTERS = 13
_VERSIONS = ("1-3:0.2.8(", "0-0:96.1.4(")  # the Dutch and the Belgian line; versions 2.2 and 3 have none

_NUMBER = CosemParser(ValueParser(Decimal))
_MBUS_READING = MBusParser(ValueParser(str), ValueParser(Decimal))
# 24.3.0(time)(status)(minutes)(1)(reference)(unit)(value): versions 2.2 and 3.
_MBUS_PROFILE = MBusParser(*[ValueParser(str)] * 6, ValueParser(Decimal))
_NAMES = MappingProxyType({one.obis: one.name for one in P1_OBJECTS})

_MBUS = re.compile(r"(0-[1-9]):(24\.1\.0|24\.2\.[13]|24\.3\.0|96\.1\.[01])\(")
_TIMESTAMP = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([WS]?)", re.ASCII)
_MBUS_TIME_MIN = from_datetime(datetime(2001, 1, 1, tzinfo=UTC))
_FIRST_YEAR_OF_1900S = 70  # a clock that was never set shows 1970
_OFFSETS = {"W": timezone(timedelta(hours=1)), "S": timezone(timedelta(hours=2))}


class _Value(NamedTuple):
    number: float
    unit: str | None


@dataclass(slots=True)
class _Slot:
    """An M-Bus channel."""

    obis: str = ""
    type: int | None = None
    nameless: bool = False
    reading: Reading | None = None


def decode(topic: str, payload: bytes, context: DecodingContext) -> Decoded:
    """Return the readings of a telegram; the device is the gateway id in `dsmr/{gatewayId}/telegram`."""
    frame = parse_frame(payload)
    # The value of 24.3.0 may be on the line after its reference.
    text = frame.content.decode("latin-1").replace("\r\n(", "(")
    if frame.checksum is None:
        if any(version in text for version in _VERSIONS):
            raise PayloadError(
                QuarantineReason.CHECKSUM, "the telegram has no checksum, but its version has one"
            )
    elif not frame.checksum_valid:
        raise PayloadError(
            QuarantineReason.CHECKSUM,
            f"the checksum {frame.checksum:04X} is not that of the telegram's content",
        )
    readings = _readings(text.split("\r\n"), context)
    if not readings:
        raise PayloadError(QuarantineReason.NO_OBSERVATION, "the telegram holds no object that is read")
    levels = topic.split("/")
    return Decoded(levels[-2] if len(levels) > 1 else topic, readings)


def _readings(lines: list[str], context: DecodingContext) -> list[Reading]:
    time: Instant | None = None
    values: dict[str, _Value] = {}
    slots: dict[str, _Slot] = {}
    for line in lines:
        obis = line.partition("(")[0]
        name = _NAMES.get(obis)
        if name is not None:
            if len(line) > LINE_CHARACTERS_MAX:
                raise PayloadError(
                    QuarantineReason.MALFORMED,
                    f"the object {obis} has {len(line)} characters, more than any number",
                )
            value = _value(line)
            if value is not None:
                values[name] = value
        elif obis == _TIME:
            time = _telegram_time(line, context)
        elif (match := _MBUS.match(line)) is not None:
            _fill(slots.setdefault(match[1], _Slot()), obis, match[2], line, context)
    for total, parts in TARIFF_SUMS.items():
        if total not in values and all(part in values for part in parts):
            first, second = (values[part] for part in parts)
            # Meters count whole watt-hours; the sum of two floats may be inexact.
            values[total] = _Value(round(first.number + second.number, 6), first.unit)
    readings = [Reading(name, value.number, time, value.unit) for name, value in values.items()]
    return readings + _mbus_readings(slots)


@lru_cache(maxsize=LINES_CACHED_MAX)
def _value(line: str) -> _Value | None:
    parsed = _parsed(_NUMBER, line)[0]
    return None if parsed["value"] is None else _Value(float(parsed["value"]), parsed["unit"])


def _parsed(parser: Any, line: str) -> list[dict[str, Any]]:
    """Return the value groups of a line, each with `value` and `unit`; raise PayloadError when unreadable.

    The error names the object only: a line that lost its end may continue with an equipment id.
    """
    try:
        groups: list[dict[str, Any]] = parser.parse(line).values
        for group in groups:
            if isinstance(group["value"], Decimal):
                group["value"] = float(group["value"])
    except (ParseError, ArithmeticError, ValueError) as error:
        raise PayloadError(
            QuarantineReason.MALFORMED, f"the object {short_repr(line.partition('(')[0])} cannot be read"
        ) from error
    return groups


def _telegram_time(line: str, context: DecodingContext) -> Instant | None:
    text = line.partition("(")[2].rstrip(")")
    if not text:
        return None
    time = _instant(text, context)
    if time is None:
        raise PayloadError(
            QuarantineReason.TIME_INVALID,
            f"the telegram's time is {short_repr(text[:_TIME_CHARACTERS])}, expected YYMMDDhhmmss and W or S",
        )
    return time


def _instant(text: str, context: DecodingContext) -> Instant | None:
    """Return the instant of a meter's time; None when it is invalid.

    The letter gives the offset, also when it contradicts the calendar: W is +01:00, S is +02:00. Without a
    letter (versions 2.2 and 3) the time is the city's local time.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    century = 1900 if year >= _FIRST_YEAR_OF_1900S else 2000
    try:
        local = datetime(century + year, month, day, hour, minute, second)  # noqa: DTZ001 - local on purpose
    except ValueError:
        return None
    if match[7]:
        return from_datetime(local.replace(tzinfo=_OFFSETS[match[7]]))
    return local_instant(local, context.timezone, context.received_time)


def _fill(slot: _Slot, obis: str, object: str, line: str, context: DecodingContext) -> None:
    if object == "24.1.0":
        value = _value(line[:LINE_CHARACTERS_MAX])
        slot.type = None if value is None or not math.isfinite(value.number) else int(value.number)
        return
    if object.startswith("96."):
        slot.nameless = line.endswith("()")
        return
    if line.endswith("()"):
        return
    groups = _parsed(_MBUS_PROFILE if object == "24.3.0" else _MBUS_READING, line)
    number, unit = groups[-1]["value"], groups[-1]["unit"]
    if object == "24.3.0":
        unit = groups[5]["value"]
    time = _instant(groups[0]["value"] or "", context)
    if number is None or unit is None or time is None or time < _MBUS_TIME_MIN:
        return
    slot.reading = Reading(obis, number, time, unit)


def _mbus_readings(slots: dict[str, _Slot]) -> list[Reading]:
    working = [
        (slot.reading, slot.type) for slot in slots.values() if slot.reading is not None and not slot.nameless
    ]
    newest: dict[str, Reading] = {}
    for reading, type in working:
        name = MBUS_TYPES.get(type) if type is not None else None
        if name is not None and (name not in newest or _time_of(reading) > _time_of(newest[name])):
            newest[name] = reading
    return [replace(reading, field=name) for name, reading in newest.items()] + [
        reading for reading, _ in working
    ]


def _time_of(reading: Reading) -> Instant:
    return 0 if reading.time is None else reading.time


# Equipment ids (hex of ASCII), supply point ids, logical device name, and texts to the customer.
_IDENTIFYING = rb"([0-9]-[0-9]:(?:96\.1\.[012]|96\.13\.[0-3]|0\.0\.0|42\.0\.0)\()([^()\r\n]+)"
_NAMED = re.compile(_IDENTIFYING)
_NAMED_OR_LONG = re.compile(_IDENTIFYING + b"|" + LONG_RUN)


def redact(payload: bytes, pseudonymise: Pseudonymise) -> bytes:
    """Return the telegram with pseudonyms for ids and texts; a valid checksum is computed again.

    Ids whose reference was cut off or damaged are found by their length.
    """

    def replaced(match: re.Match[bytes]) -> bytes:
        before, identifier = (match[1], match[2]) if match[2] is not None else (b"", match[0])
        return before + pseudonymise(identifier.decode("latin-1")).encode("ascii")

    pattern = _NAMED_OR_LONG if contains_identifier(_NAMED.sub(b"", payload)) else _NAMED
    return rewrite_telegram(payload, lambda telegram: pattern.sub(replaced, telegram))


DECODER = Decoder(
    name="dsmr",
    version=1,
    feeds=("dsmr",),
    filters=("dsmr/+/telegram",),
    decode=decode,
    device_topic="dsmr/{device}/telegram",
    aliases=P1_ALIASES,
    personal=True,
    redact=redact,
)
