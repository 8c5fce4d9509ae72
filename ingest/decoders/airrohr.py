"""Sensor.Community (airRohr) firmware JSON.

`{"sensordatavalues": [{"value_type": "SDS_P1", "value": "12.35"}, …]}`: values are strings. P1 is PM10 and
P2 is PM2.5 (P0 is PM1); pressure is in Pa. The payload has no time: the time of reception counts, as on the
firmware's own server.

A reading has the name in the payload (`SDS_P1`, or `P1` without the prefix), and a copy has the name of our
observed property (`pm10`). Where two sensors of a station measure the same property (a DHT22 and a BME280
both measure temperature), the first in the payload gets our name; the other has only its own name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Reading
from ingest.formats.json_payload import VALUES_MAX, as_list, as_number, as_object, parse_object, short_repr
from twin.quality.plausibility import QuarantineReason

# The name after the prefix of the sensor (SDS_, PMS_, HPM_, NPM_, SPS30_, BMP_, BMP280_, BME280_, DHT22_,
# HTU21D_, SHT3X_, SCD30_, DS18B20_) → our name, and the unit that the firmware uses.
_QUANTITIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "P0": ("pm1", "ug/m3"),
        "P1": ("pm10", "ug/m3"),
        "P2": ("pm2_5", "ug/m3"),
        "temperature": ("air_temperature", "Cel"),
        "humidity": ("relative_humidity", "%"),
        "pressure": ("air_pressure", "Pa"),
        "co2_ppm": ("co2", "ppm"),
        "LAeq": ("noise_level", "dB[A]"),
        "signal": ("signal_strength", "dB[mW]"),
    }
)
# The whole rest must match: BMP_pressure_sealevel, SPS30_P4 and others have no name of ours.
_PREFIXED = re.compile(r"(?:[A-Za-z0-9]+_)?(" + "|".join(_QUANTITIES) + ")")

# A PPD42NS counts particles per 0.01 cubic foot, and also calls its counts P1 and P2.
_PARTICLE_COUNTER = frozenset({"durP1", "ratioP1", "durP2", "ratioP2"})


def decode(topic: str, payload: bytes, context: DecodingContext) -> Decoded:
    """Return the readings of a station; the device is the last level of the topic, the chip id."""
    document = parse_object(payload)
    items = as_list(document.get("sensordatavalues"), "'sensordatavalues'")
    if len(items) > VALUES_MAX:
        raise PayloadError(
            QuarantineReason.MALFORMED,
            f"'sensordatavalues' has {len(items)} members, at most {VALUES_MAX} are read",
        )
    values = dict(_value(item, f"'sensordatavalues' {index}") for index, item in enumerate(items))
    if not values:
        raise PayloadError(QuarantineReason.NO_OBSERVATION, "'sensordatavalues' is empty")
    counts = not _PARTICLE_COUNTER.isdisjoint(values)
    readings: dict[str, Reading] = {}
    for name, value in values.items():
        match = _PREFIXED.fullmatch(name)
        if match is None or (counts and name in ("P1", "P2")):
            readings[name] = Reading(name, value)
            continue
        ours, unit = _QUANTITIES[match[1]]
        readings[name] = Reading(name, value, unit=unit)
        readings.setdefault(ours, Reading(ours, value, unit=unit))
    return Decoded(topic.rsplit("/", 1)[-1], list(readings.values()))


def _value(item: Any, where: str) -> tuple[str, float]:
    member = as_object(item, where)
    name = member.get("value_type")
    if not isinstance(name, str) or not name:
        raise PayloadError(
            QuarantineReason.MALFORMED, f"'value_type' of {where} is {short_repr(name)}, expected a name"
        )
    if "value" not in member:
        raise PayloadError(QuarantineReason.MALFORMED, f"{where} ({short_repr(name)}) has no 'value'")
    return name, as_number(member["value"])


DECODER = Decoder(
    name="airrohr",
    version=1,
    feeds=("airrohr",),
    filters=("airrohr/+",),
    decode=decode,
    device_topic="airrohr/{device}",
)
