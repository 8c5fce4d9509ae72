"""Assigning an unknown device: the piece of sensors.yaml that would make it a sensor."""

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

# A device sends when it is due, give or take a little.
_ROUNDING = 1.2


def sensor_yaml(device: UnassignedDevice, model: CityModel) -> str:
    """Return a sensor for sensors.yaml, with the fields that the device sends; `<…>` is to be filled in."""
    lines = [
        "  - id: <a name of yours>",
        f"    feed: {json.dumps(device.feed)}",
        f"    device: {json.dumps(device.device)}",
        "    entity: <id of what it measures>",
        f"    interval: {format_duration(_interval(device))}",
        "    observes:",
    ]
    fields = _fields(device, model)
    for field, sent in fields.items():
        known = model.properties.get(field)
        property = field if known is not None else "<observed property>"
        unit = sent or (known.unit if known is not None else "<UCUM>")
        named = f"property: {property}, field: {json.dumps(field)}, unit: {json.dumps(unit)}"
        lines.append(f"      - {{{named}}}")
    if not fields:
        lines.append("      - {property: <observed property>, field: <name in the payload>, unit: <UCUM>}")
    return "\n".join(lines) + "\n"


def _interval(device: UnassignedDevice) -> Duration:
    if device.count < 2:
        return _INTERVAL_UNKNOWN
    usual = (device.last_received - device.first_received) // (device.count - 1)
    return next((one for one in _INTERVALS if usual <= one * _ROUNDING), _INTERVALS[-1])


def _fields(device: UnassignedDevice, model: CityModel) -> dict[str, str | None]:
    """Return field and unit of each reading in the newest payload that can be decoded."""
    decoder = _decoder(device.feed, model)
    for sent in device.newest if decoder is not None else ():
        assert decoder is not None  # noqa: S101 - the loop is empty without one
        try:
            decoded: Decoded = decoder.decode(
                sent.topic, sent.payload, DecodingContext(sent.received_time, model.city.timezone)
            )
        except PayloadError:
            continue
        found = {one.field: one.unit for one in decoded.readings}
        # SenML tells each value under its whole name, and under its last part.
        short = {name: unit for name, unit in found.items() if re.split("[:/]", name)[-1] in {name, ""}}
        return dict(list((short or found).items())[:FIELDS_MAX])
    return {}


def _decoder(feed: str, model: CityModel) -> Decoder | None:
    own = {one.id: one.decoder for one in model.feeds}
    if feed in own:
        return registry().get(own[feed])
    return next((one for one in registry().values() if feed in one.feeds), None)
