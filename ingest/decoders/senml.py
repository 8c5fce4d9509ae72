"""SenML JSON packs (RFC 8428).

A record's resolved name is `bn` + `n`. It is told under two fields: the resolved name itself, and its last
part, after the last `:`, `;` or `/`. So a city can map `pm2_5` as well as `urn:dev:x:pm2_5`, however the
sender split the name into base and rest (resolving a pack must not change what it says, §4.6). A last part
that two resolved names of the pack share is left out, because it would mix two sensors.

Times below 2^28 are relative to now (§4.5.3), which here is the reception; a time of 0 is "roughly now".
Strings, data values and sums have no place in an observation and are skipped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Reading
from ingest.json_payload import VALUES_MAX, as_list, as_object, parse_json, shown
from twin.instant import INSTANT_MAX, INSTANT_MIN, SECOND, Instant
from twin.plausibility import Reason
from twin.quality import QualityFlag

VERSION_MAX = 10  # §4.4: the version that RFC 8428 defines
_ABSOLUTE_TIME_MIN = 2**28  # seconds, §4.5.3

_LABELS = frozenset({"bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"})
_VALUES = ("v", "vb", "vs", "vd")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")  # §4.5.1
_NAME_CHARACTERS_MAX = 256
_NAME_PARTS = re.compile("[:;/]")

# SenML units (IANA registry, and the secondary units of RFC 8798) that UCUM writes otherwise.
_UCUM = {
    "%RH": "%",
    "%EL": "%",
    "/": "1",
    "count": "1",
    "dBm": "dB[mW]",
    "l": "L",
    "l/s": "L/s",
}


class _Base(NamedTuple):
    """The base fields in force (§4.1)."""

    name: str = ""
    time: float = 0
    unit: str | None = None
    value: float = 0
    version: int = VERSION_MAX


def is_record(item: Any) -> bool:
    """Whether a member of an array looks like a SenML record, rather than a native message."""
    return isinstance(item, dict) and "values" not in item and not _LABELS.isdisjoint(item)


def decode(topic: str, payload: bytes, context: DecodingContext) -> Decoded:
    """Return the readings of a SenML pack; the device is the last level of the topic."""
    pack = as_list(parse_json(payload), "the SenML pack")
    return Decoded(topic.rsplit("/", 1)[-1], readings(pack, context))


def readings(pack: Sequence[Any], context: DecodingContext) -> list[Reading]:
    """Return the readings of a parsed pack. Raises PayloadError."""
    if len(pack) > VALUES_MAX:
        raise PayloadError(
            Reason.MALFORMED, f"the pack has {len(pack)} records, at most {VALUES_MAX} are read"
        )
    base = _Base()
    resolved: list[Reading] = []
    for index, item in enumerate(pack):
        where = f"SenML record {index}"
        record = as_object(item, where)
        _refuse_unknown(record, where)
        base = _rebased(base, record, where)
        reading = _reading(base, record, context.received_time, where)
        if reading is not None:
            resolved.append(reading)
    if not resolved:
        raise PayloadError(Reason.NO_OBSERVATION, "the SenML pack holds no numeric or boolean value")
    return _with_last_parts(resolved)


def _refuse_unknown(record: Mapping[str, Any], where: str) -> None:
    for label in record:
        if label.endswith("_"):  # §4.4: a label that must be understood
            raise PayloadError(
                Reason.MALFORMED,
                f"{where} has label {shown(label)}, which must be understood but is unknown",
            )


def _rebased(base: _Base, record: Mapping[str, Any], where: str) -> _Base:
    version = record.get("bver", base.version)
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version <= VERSION_MAX:
        raise PayloadError(
            Reason.MALFORMED,
            f"'bver' of {where} is {shown(version)}, expected a version up to {VERSION_MAX}",
        )
    return _Base(
        name=_text(record, "bn", base.name, where),
        time=_time(record, "bt", base.time, where),
        unit=_text(record, "bu", "", where) or base.unit,
        value=_numeric(record, "bv", base.value, where),
        version=version,
    )


def _reading(base: _Base, record: Mapping[str, Any], received: Instant, where: str) -> Reading | None:
    present = [label for label in _VALUES if label in record]
    if len(present) > 1 or (not present and "s" not in record):
        raise PayloadError(
            Reason.MALFORMED,
            f"{where} has {' and '.join(present) or 'no value'}, expected exactly one of v, vb, vs, vd",
        )
    name = base.name + _text(record, "n", "", where)
    if len(name) > _NAME_CHARACTERS_MAX or not _NAME.fullmatch(name):
        raise PayloadError(
            Reason.MALFORMED,
            f"the name of {where} is {shown(name)}, expected letters, digits and -:./_ (RFC 8428 §4.5.1)",
        )
    seconds = base.time + _time(record, "t", 0, where)
    unit = _text(record, "u", "", where) or base.unit
    if "v" in record:
        value = base.value + _numeric(record, "v", 0, where)
    elif "vb" in record:
        if not isinstance(record["vb"], bool):
            raise PayloadError(
                Reason.MALFORMED, f"'vb' of {where} is {shown(record['vb'])}, expected true or false"
            )
        value = float(record["vb"])
    else:
        return None
    time, flags = _resolved_time(seconds, received, where)
    return Reading(name, value, time, _UCUM.get(unit, unit) if unit else None, int(flags))


def _resolved_time(seconds: float, received: Instant, where: str) -> tuple[Instant | None, QualityFlag]:
    if seconds == 0:
        return None, QualityFlag.TIME_OF_RECEPTION
    relative = seconds < _ABSOLUTE_TIME_MIN
    instant = round(seconds * SECOND) + (received if relative else 0)
    if not INSTANT_MIN <= instant <= INSTANT_MAX:
        raise PayloadError(Reason.TIME_INVALID, f"the time of {where} is {shown(seconds)} seconds")
    return instant, QualityFlag.TIME_OF_RECEPTION if relative else QualityFlag.NONE


def _with_last_parts(resolved: list[Reading]) -> list[Reading]:
    names: dict[str, str | None] = {}
    for reading in resolved:
        last = _NAME_PARTS.split(reading.field)[-1]
        names[last] = reading.field if names.get(last, reading.field) == reading.field else None
    own = {reading.field for reading in resolved}
    short = {name: last for last, name in names.items() if name is not None and last and last not in own}
    return resolved + [
        reading._replace(field=short[reading.field]) for reading in resolved if reading.field in short
    ]


def _text(record: Mapping[str, Any], label: str, default: str, where: str) -> str:
    value = record.get(label, default)
    if not isinstance(value, str):
        raise PayloadError(Reason.MALFORMED, f"'{label}' of {where} is {shown(value)}, expected text")
    return value


def _numeric(record: Mapping[str, Any], label: str, default: float, where: str) -> float:
    value = record.get(label, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadError(Reason.MALFORMED, f"'{label}' of {where} is {shown(value)}, expected a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _time(record: Mapping[str, Any], label: str, default: float, where: str) -> float:
    value = record.get(label, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > INSTANT_MAX // SECOND:
        raise PayloadError(
            Reason.TIME_INVALID, f"'{label}' of {where} is {shown(value)}, expected seconds since 1970"
        )
    # Integers stay integers: a float of microseconds since 1970 is exact only to a quarter of one.
    return value


DECODER = Decoder(name="senml", version=1, feeds=(), filters=(), decode=decode)
