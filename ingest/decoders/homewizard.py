"""HomeWizard P1 JSON: version 1 (`/api/v1/data`) and version 2 (`measurement`).

Fields have the names of our observed properties, or of the objects of a P1 telegram; other fields have the
name of version 2 (`power_w`, `frequency_hz`). `ALIASES` has the names of both versions, and those for a raw
telegram.

Power is the signed net: positive when taken from the grid, negative when fed in. Its readings are the net
itself, and `power_import` and `power_export`, of which one is always 0; the same for the power of each phase.

Version 1 has no time of the telegram: the time of reception counts. Version 2 and all external meters send
local time without an offset; `ingest.formats.payload_time` resolves the hour that occurs twice in autumn. An
external meter has the name `external.gas_meter`; `gas_volume` is `total_gas_m3`, else the most recent gas
meter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Pseudonymise, Reading
from ingest.formats import p1_objects
from ingest.formats.identifiers import IDENTIFIER_PATTERN as LONG_RUN
from ingest.formats.identifiers import contains_identifier
from ingest.formats.json_payload import VALUES_MAX, as_list, as_number, as_object, parse_object, short_repr
from ingest.formats.payload_time import aware_instant, local_instant
from twin.instant import Instant, from_datetime
from twin.quality.plausibility import QuarantineReason

_POWER = MappingProxyType({"power_w": "", "power_l1_w": "_l1", "power_l2_w": "_l2", "power_l3_w": "_l3"})
_GAS = ("total_gas_m3", "gas_timestamp")

# The end of the name is the unit. Datastreams have no unit of frequency; the city declares one.
_UNITS = MappingProxyType(
    {
        "_kwh": "kWh",
        "_w": "W",
        "_v": "V",
        "_a": "A",
        "_m3": "m3",
        "_lpm": "L/min",
        "_hz": None,
        "_va": None,
        "_var": None,
    }
)
_COUNTS = re.compile(r".*_count|(?:active_)?tariff|wifi_strength")
_EXTERNAL = MappingProxyType({"water_meter": "water_volume", "gas_meter": "gas_volume"})


def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for direction in ("import", "export"):
        for tariff in ("", "_t1", "_t2"):
            ours = f"energy_{direction}{tariff}"
            names[f"{ours}_kwh"] = names[f"total_power_{direction}{tariff}_kwh"] = ours
    for phase in (1, 2, 3):
        for quantity, unit in (("voltage", "v"), ("current", "a")):
            ours = f"{quantity}_l{phase}"
            names[f"{ours}_{unit}"] = names[f"active_{ours}_{unit}"] = ours
        for event in ("sag", "swell"):
            names[f"voltage_{event}_l{phase}_count"] = f"voltage_{event}_count_l{phase}"
    names |= {f"active_{name}": name for name in (*_POWER, "frequency_hz", "tariff")}
    return names | {
        "any_power_fail_count": "power_failure_count",
        "long_power_fail_count": "long_power_failure_count",
        "active_power_average_w": "average_power_15m_w",
        "montly_power_peak_w": "monthly_power_peak_w",  # their spelling
    }


_OURS: Mapping[str, str] = MappingProxyType(_names())
ALIASES: Mapping[str, str] = MappingProxyType(
    {**p1_objects.P1_ALIASES, **_OURS, "total_gas_m3": "gas_volume"}
)

# The earliest valid time of a reading; a clock that was never set shows 1970 or 2000.
_EXTERNAL_TIME_MIN = from_datetime(datetime(2001, 1, 1, tzinfo=UTC))


def decode(topic: str, payload: bytes, context: DecodingContext) -> Decoded:
    """Return the readings; the device is the gateway id in `homewizard/{gatewayId}/measurement`."""
    document = parse_object(payload)
    if len(document) > VALUES_MAX:
        raise PayloadError(QuarantineReason.MALFORMED, f"the payload has {len(document)} members")
    time = _time(document.get("timestamp"), "'timestamp'", context)
    values: dict[str, tuple[float, str | None]] = {}
    for name, value in document.items():
        unit, measured = _measured(name)
        if measured and value is not None and name != _GAS[0]:
            values[_OURS.get(name, name)] = (as_number(value), unit)
    for name, phase in _POWER.items():
        if name in values:
            net = values[name][0]
            values[f"power_import{phase}"] = (_positive(net), "W")
            values[f"power_export{phase}"] = (_positive(-net), "W")
    for total, parts in p1_objects.TARIFF_SUMS.items():
        if total not in values and all(part in values for part in parts):
            values[total] = (round(sum(values[part][0] for part in parts), 6), "kWh")
    readings = [Reading(name, value, time, unit) for name, (value, unit) in values.items()]
    readings += _external_readings(document, context)
    if not readings:
        raise PayloadError(QuarantineReason.NO_OBSERVATION, "the payload holds no measured value")
    levels = topic.split("/")
    return Decoded(levels[-2] if len(levels) > 1 else topic, readings)


def _positive(number: float) -> float:
    # max() would turn NaN into 0.
    return 0.0 if number <= 0 else number


def _measured(name: str) -> tuple[str | None, bool]:
    ending = name[name.rfind("_") :] if "_" in name else ""
    if ending in _UNITS:
        return _UNITS[ending], True
    if name == "wifi_strength":
        return "%", True
    return None, _COUNTS.fullmatch(name) is not None


def _external_readings(document: Mapping[str, Any], context: DecodingContext) -> list[Reading]:
    readings: dict[str, Reading] = {}
    listed = document.get("external")
    items = as_list(listed, "'external'") if listed is not None else []
    for reading in _meters(items, context):
        _keep_newest(readings, reading)
        ours = _EXTERNAL.get(reading.field.removeprefix("external."))
        if ours is not None:
            _keep_newest(readings, replace(reading, field=ours))
    value, when = (document.get(name) for name in _GAS)
    if value is not None:
        time = _time(when, "'gas_timestamp'", context, external=True)
        if time is not None or when is None:
            readings["gas_volume"] = Reading("gas_volume", as_number(value), time, "m3")
    return list(readings.values())


def _meters(items: list[Any], context: DecodingContext) -> Iterator[Reading]:
    if len(items) > VALUES_MAX:
        raise PayloadError(QuarantineReason.MALFORMED, f"'external' has {len(items)} members")
    for index, item in enumerate(items):
        where = f"'external' {index}"
        meter = as_object(item, where)
        kind, value, unit = meter.get("type"), meter.get("value"), meter.get("unit")
        if not isinstance(kind, str):
            raise PayloadError(
                QuarantineReason.MALFORMED, f"'type' of {where} is {short_repr(kind)}, expected a name"
            )
        when = meter.get("timestamp")
        time = _time(when, f"'timestamp' of {where}", context, external=True)
        if value is None or not isinstance(unit, str) or time is None:
            # The meter never answered.
            continue
        yield Reading(f"external.{kind}", as_number(value), time, unit)


def _keep_newest(readings: dict[str, Reading], reading: Reading) -> None:
    known = readings.get(reading.field)
    if known is None or (known.time or 0) < (reading.time or 0):
        readings[reading.field] = reading


def _time(value: Any, where: str, context: DecodingContext, *, external: bool = False) -> Instant | None:
    """Return the instant of a local time: ISO text, or a number YYMMDDhhmmss in version 1.

    None for null, and for an external meter's time before 2001.
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
        elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12:
            # A JSON number has no leading zeros: in 2009 it has eleven digits.
            digits = f"{value:012}"
            if external and (digits[:2] >= "70" or value == 0):
                return None
            moment = datetime.strptime(digits, "%y%m%d%H%M%S")  # noqa: DTZ007 - local on purpose
        else:
            raise ValueError("neither text nor a number of twelve digits")
        if moment.tzinfo is None:
            instant = local_instant(moment, context.timezone, context.received_time)
        else:
            instant = aware_instant(moment)
    except (ValueError, OverflowError) as error:
        raise PayloadError(
            QuarantineReason.TIME_INVALID,
            f"{where} is {short_repr(value)}, expected local time such as 2026-01-01T12:00:00 or "
            "260101120000",
        ) from error
    return None if external and instant < _EXTERNAL_TIME_MIN else instant


_IDENTIFYING = (
    rb'("(?:gas_unique_id|unique_id|wifi_ssid|serial)"\s*+:\s*+)("(?:[^"\\]|\\.)*+"?|[0-9][^,}\s]*+)'
)
_NAMED = re.compile(_IDENTIFYING, re.DOTALL)
# Digits after a decimal point belong to a number.
_NAMED_OR_LONG = re.compile(_IDENTIFYING + rb"|(?<![0-9])(?<![0-9]\.)" + LONG_RUN, re.DOTALL)


def redact(payload: bytes, pseudonymise: Pseudonymise) -> bytes:
    """Return the JSON with pseudonyms for meter ids and the name of the network, also in cut-off JSON.

    Ids with another name, or with a cut-off name, are found by their length.
    """

    def replaced(match: re.Match[bytes]) -> bytes:
        if match[2] is None:
            return pseudonymise(match[0].decode("ascii")).encode("ascii")
        identifier = match[2].strip(b'"')
        pseudonym = pseudonymise(identifier.decode("latin-1")).encode("ascii") if identifier else b""
        return match[1] + b'"' + pseudonym + b'"'

    payload = _unescaped(payload)
    pattern = _NAMED_OR_LONG if contains_identifier(_NAMED.sub(b"", payload)) else _NAMED
    return pattern.sub(replaced, payload)


def _unescaped(payload: bytes) -> bytes:
    """Return JSON without escaped letters and digits: they could hide a name or an id."""
    return _ESCAPE.sub(_letter, payload) if b"\\u00" in payload else payload


_ESCAPE = re.compile(rb"\\(?:u00([3-7][0-9A-Fa-f])|.)", re.DOTALL)


def _letter(match: re.Match[bytes]) -> bytes:
    letter = bytes((int(match[1], 16),)) if match[1] else b""
    return letter if letter.isalnum() or letter == b"_" else match[0]


DECODER = Decoder(
    name="homewizard",
    version=1,
    feeds=("homewizard",),
    filters=("homewizard/+/measurement",),
    decode=decode,
    device_topic="homewizard/{device}/measurement",
    aliases=ALIASES,
    personal=True,
    redact=redact,
)
