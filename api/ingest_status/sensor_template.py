"""The item of sensors.yaml that would assign an unknown device to a sensor."""

from __future__ import annotations

import json
import re

from cities.duration import format_duration
from ingest.decoders import registry
from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError
from storage.stores.unassigned_devices import UnassignedDevice
from twin.instant import HOUR, MINUTE, SECOND, Duration
from twin.model.city_model import CityModel

FIELDS_MAX = 20

# What devices are usually set to; what lies between is rounded up to the next.
_INTERVALS: tuple[Duration, ...] = (
    SECOND,
    10 * SECOND,
    MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
)
_INTERVAL_UNKNOWN: Duration = 10 * MINUTE

# Devices send with some jitter.
_ROUNDING = 1.2


def sensor_yaml(device: UnassignedDevice, model: CityModel) -> str:
    """Return a sensor for sensors.yaml with the fields that the device sends; `<…>` marks missing values."""
    lines = [
        "  - id: <your name for the sensor>",
        f"    feed: {json.dumps(device.feed)}",
        f"    device: {json.dumps(device.device)}",
        "    entity: <id of the measured entity>",
        f"    interval: {format_duration(_interval(device))}",
        "    observes:",
    ]
    fields = _fields(device, model)
    for field, sent in fields.items():
        observed = model.properties.get(field)
        property = field if observed is not None else "<observed property>"
        unit = sent or (observed.unit if observed is not None else "<UCUM>")
        members = f"property: {property}, field: {json.dumps(field)}, unit: {json.dumps(unit)}"
        lines.append(f"      - {{{members}}}")
    if not fields:
        lines.append("      - {property: <observed property>, field: <name in the payload>, unit: <UCUM>}")
    return "\n".join(lines) + "\n"


def _interval(device: UnassignedDevice) -> Duration:
    if device.count < 2:
        return _INTERVAL_UNKNOWN
    mean = (device.last_received - device.first_received) // (device.count - 1)
    return next((interval for interval in _INTERVALS if mean <= interval * _ROUNDING), _INTERVALS[-1])


def _fields(device: UnassignedDevice, model: CityModel) -> dict[str, str | None]:
    """Return field and unit of each reading in the newest payload that can be decoded."""
    decoder = _decoder(device.feed, model)
    if decoder is None:
        return {}
    for message in device.newest:
        if message.payload is None:
            continue
        context = DecodingContext(message.received_time, model.city.timezone)
        try:
            decoded: Decoded = decoder.decode(message.topic, message.payload, context)
        except PayloadError:
            continue
        units = {reading.field: reading.unit for reading in decoded.readings}
        # The decoder of SenML gives each value by its whole name and by the last part of it.
        short = {name: unit for name, unit in units.items() if re.split("[:/]", name)[-1] in {name, ""}}
        return dict(list((short or units).items())[:FIELDS_MAX])
    return {}


def _decoder(feed: str, model: CityModel) -> Decoder | None:
    decoders = {each.id: each.decoder for each in model.feeds}
    if feed in decoders:
        return registry().get(decoders[feed])
    return next((decoder for decoder in registry().values() if feed in decoder.feeds), None)
