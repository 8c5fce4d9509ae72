"""SenML JSON packs (RFC 8428), with units of the SenML registry (RFC 8428 section 12.1, RFC 8798)."""

from __future__ import annotations

import json
from typing import Any

from simulators.devices.device import SimulatedMessage, VirtualDevice, expected_values
from simulators.devices.native import observations_topic
from twin.instant import SECOND, Instant
from twin.model.sensor import Datastream

VERSION = 10
"""`bver`: the version of RFC 8428 (section 4.4)."""

# UCUM code → SenML unit. A record of another unit has none; the city folder names it.
UNITS = {
    "%": "%RH", "dB[mW]": "dBm",
    "A": "A", "Cel": "Cel", "K": "K", "Pa": "Pa", "V": "V", "W": "W", "deg": "deg", "hPa": "hPa",
    "kW": "kW", "kWh": "kWh", "km/h": "km/h", "m": "m", "m/s": "m/s", "m3": "m3", "m3/s": "m3/s", "mm": "mm",
    "cm": "cm", "ppm": "ppm", "ug/m3": "ug/m3",
}  # fmt: skip


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return a pack with one record per datastream; the first also has base name, time and version."""
    readings = device.measure(instant)
    pack: list[dict[str, Any]] = []
    for reading in readings:
        record: dict[str, Any] = {}
        if not pack:
            record.update(bn=f"urn:dev:livetwin:{device.sensor.id}:", bt=base_time(instant), bver=VERSION)
        record["n"] = reading.datastream.field
        unit = senml_unit(reading.datastream)
        if unit is not None:
            record["u"] = unit
        record["v"] = reading.wire
        pack.append(record)
    topic = observations_topic(device.city, device.sensor.id)
    return SimulatedMessage(
        topic, json.dumps(pack, separators=(",", ":")).encode(), expected_values(readings, instant)
    )


def senml_unit(datastream: Datastream) -> str | None:
    """Return the unit as the SenML registry writes it; the charge of a battery has its own unit."""
    return "%EL" if datastream.property == "battery_level" else UNITS.get(datastream.unit)


def base_time(instant: Instant) -> float | int:
    """Return seconds since 1970; a double keeps the microsecond until the year 2255."""
    return instant // SECOND if instant % SECOND == 0 else instant / SECOND
