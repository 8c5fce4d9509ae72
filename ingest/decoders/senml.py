"""SenML JSON packs (RFC 8428).

The resolved name of a record is `bn` + `n`. Its value becomes two readings: one with the resolved name, and
one with its last part, after the last `:`, `;` or `/`. So a city can map `pm2_5` or `urn:dev:x:pm2_5`,
however the sender splits the name (resolving a pack must not change its meaning, §4.6). A last part that two
resolved names of the pack share is left out, because it would mix two sensors.

Times below 2^28 are relative to now (§4.5.3), here the time of reception; a time of 0 is "roughly now".
Strings, data values and sums are skipped: an observation cannot hold them. A label `quality` of a record,
which other receivers ignore (§4.4), holds what the source says of its value
(`ingest.formats.source_quality`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Reading
from ingest.formats.json_payload import VALUES_MAX, as_list, as_object, parse_json, short_repr
from ingest.formats.source_quality import flags_of_words
from twin.instant import INSTANT_MAX, INSTANT_MIN, SECOND, Instant
from twin.quality.plausibility import QuarantineReason
from twin.quality.quality_flags import QualityFlag

VERSION_MAX = 10  # §4.4: the version that RFC 8428 defines
_ABSOLUTE_TIME_MIN = 2**28  # seconds, §4.5.3
_SECONDS_MAX = INSTANT_MAX // SECOND
_TIME_OF_RECEPTION = int(QualityFlag.TIME_OF_RECEPTION)

_LABELS = frozenset({"bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"})
_VALUES = ("v", "vb", "vs", "vd")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")  # §4.5.1
_NAME_CHARACTERS_MAX = 256
_NAME_PARTS = re.compile("[:;/]")

# SenML units (IANA registry, and the secondary units of RFC 8798) that differ in UCUM.
_UCUM = {
    "%RH": "%",
    "%EL": "%",
    "/": "1",
    "count": "1",
    "dBm": "dB[mW]",
    "l": "L",
    "l/s": "L/s",
}


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The common form of a record; other forms may be valid, too."""

    v: float
    n: str = ""
    t: int | float = 0
    u: str = ""
    bn: str | UnsetType = UNSET
    bt: int | float | UnsetType = UNSET
    bu: str = ""


_decode_plain = msgspec.json.Decoder(list[_Plain]).decode

# A city has some thousand devices that send packs with ten names each.
_NAMES_CACHED_MAX = 32_768


class _Base(NamedTuple):
    """The base fields that apply to a record (§4.1)."""

    name: str = ""
    time: float = 0
    unit: str = ""
    value: float = 0
    version: int = VERSION_MAX


def is_record(item: Any) -> bool:
    """Return whether an array member is a SenML record rather than a native message."""
    return isinstance(item, dict) and "values" not in item and not _LABELS.isdisjoint(item)


def decode(topic: str, payload: bytes, context: DecodingContext) -> Decoded:
    """Return the readings of a SenML pack; the device is the last level of the topic."""
    plain = plain_readings(payload, context)
    if plain is None:
        plain = readings(as_list(parse_json(payload), "the SenML pack"), context)
    return Decoded(topic.rsplit("/", 1)[-1], plain)


def plain_readings(payload: bytes, context: DecodingContext) -> list[Reading] | None:
    """Return the readings of a pack with only numbers, names, times and units; the same as `readings`.

    None for any other pack, valid or not.
    """
    try:
        pack = _decode_plain(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not 0 < len(pack) <= VALUES_MAX:
        return None
    base: str = ""
    base_time: float = 0
    base_unit = ""
    seconds: float = 0
    time, flags = _resolved_time(seconds, context.received_time)
    resolved: list[Reading] = []
    for record in pack:
        base = base if record.bn is UNSET else record.bn
        base_time = base_time if record.bt is UNSET else record.bt
        base_unit = record.bu or base_unit
        name, unit = base + record.n, record.u or base_unit
        if _last_part(name) is None or abs(base_time) > _SECONDS_MAX or abs(record.t) > _SECONDS_MAX:
            return None
        record_seconds = base_time + record.t
        if record_seconds != seconds:
            seconds = record_seconds
            time, flags = _resolved_time(seconds, context.received_time)
        if time is not None and not INSTANT_MIN <= time <= INSTANT_MAX:
            return None
        resolved.append(Reading(name, 0.0 + record.v, time, _UCUM.get(unit, unit) or None, flags))
    return _with_last_parts(resolved)


def readings(pack: Sequence[Any], context: DecodingContext) -> list[Reading]:
    """Return the readings of a parsed pack. Raises PayloadError."""
    if len(pack) > VALUES_MAX:
        raise PayloadError(
            QuarantineReason.MALFORMED, f"the pack has {len(pack)} records, at most {VALUES_MAX} are read"
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
        raise PayloadError(
            QuarantineReason.NO_OBSERVATION, "the SenML pack holds no numeric or boolean value"
        )
    return _with_last_parts(resolved)


def _refuse_unknown(record: Mapping[str, Any], where: str) -> None:
    for label in record:
        if label.endswith("_"):  # §4.4: the receiver must understand this label
            raise PayloadError(
                QuarantineReason.MALFORMED,
                f"{where} has label {short_repr(label)}, which must be understood but is unknown",
            )


def _rebased(base: _Base, record: Mapping[str, Any], where: str) -> _Base:
    version = record.get("bver", base.version)
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version <= VERSION_MAX:
        raise PayloadError(
            QuarantineReason.MALFORMED,
            f"'bver' of {where} is {short_repr(version)}, expected a version up to {VERSION_MAX}",
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
            QuarantineReason.MALFORMED,
            f"{where} has {' and '.join(present) or 'no value'}, expected exactly one of v, vb, vs, vd",
        )
    name = base.name + _text(record, "n", "", where)
    if _last_part(name) is None:
        raise PayloadError(
            QuarantineReason.MALFORMED,
            f"the name of {where} is {short_repr(name)}, expected letters, digits and -:./_ (RFC 8428 "
            "§4.5.1)",
        )
    seconds = base.time + _time(record, "t", 0, where)
    unit = _text(record, "u", "", where) or base.unit
    if "v" in record:
        value = base.value + _numeric(record, "v", 0, where)
    elif "vb" in record:
        if not isinstance(record["vb"], bool):
            raise PayloadError(
                QuarantineReason.MALFORMED,
                f"'vb' of {where} is {short_repr(record['vb'])}, expected true or false",
            )
        value = float(record["vb"])
    else:
        return None
    time, flags = _resolved_time(seconds, received)
    if time is not None and not INSTANT_MIN <= time <= INSTANT_MAX:
        raise PayloadError(
            QuarantineReason.TIME_INVALID, f"the time of {where} is {short_repr(seconds)} seconds"
        )
    flags |= flags_of_words(record.get("quality"), f"'quality' of {where}")
    return Reading(name, value, time, _UCUM.get(unit, unit) or None, flags)


def _resolved_time(seconds: float, received: Instant) -> tuple[Instant | None, int]:
    """Return the instant of SenML seconds, which may be out of range, and its flags."""
    if seconds == 0:
        return None, 0
    if seconds < _ABSOLUTE_TIME_MIN:
        return round(seconds * SECOND) + received, _TIME_OF_RECEPTION
    return round(seconds * SECOND), 0


def _last_part(name: str) -> str | None:
    """Return the last part of a resolved name; None when the name is invalid."""
    return _known_last_part(name) if len(name) <= _NAME_CHARACTERS_MAX else None


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def _known_last_part(name: str) -> str | None:
    return _NAME_PARTS.split(name)[-1] if _NAME.fullmatch(name) else None


def _with_last_parts(resolved: list[Reading]) -> list[Reading]:
    names = {reading.field for reading in resolved}
    owners: dict[str, str | None] = {}
    for name in names:
        last = _last_part(name) or ""
        owners[last] = None if last in owners else name
    short = {name: last for last, name in owners.items() if name is not None and last and last not in names}
    return resolved + [
        Reading(short[reading.field], reading.value, reading.time, reading.unit, reading.flags)
        for reading in resolved
        if reading.field in short
    ]


def _text(record: Mapping[str, Any], label: str, default: str, where: str) -> str:
    value = record.get(label, default)
    if not isinstance(value, str):
        raise PayloadError(
            QuarantineReason.MALFORMED, f"'{label}' of {where} is {short_repr(value)}, expected text"
        )
    return value


def _numeric(record: Mapping[str, Any], label: str, default: float, where: str) -> float:
    value = record.get(label, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadError(
            QuarantineReason.MALFORMED, f"'{label}' of {where} is {short_repr(value)}, expected a number"
        )
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _time(record: Mapping[str, Any], label: str, default: float, where: str) -> float:
    value = record.get(label, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _SECONDS_MAX:
        raise PayloadError(
            QuarantineReason.TIME_INVALID,
            f"'{label}' of {where} is {short_repr(value)}, expected seconds since 1970",
        )
    # Integers stay integers: a float of microseconds since 1970 is exact to a quarter of a microsecond only.
    return value


DECODER = Decoder(name="senml", version=2, feeds=(), filters=(), decode=decode)
