"""Our own JSON: a time and values by name."""

from __future__ import annotations

import json

from simulators.devices.device import Device, Message, expectations, nested
from twin.instant import Instant, format_instant


def encode(device: Device, instant: Instant) -> Message:
    """Return one observation object."""
    readings = device.measure(instant)
    body = {"time": format_instant(instant), "values": nested(readings)}
    topic = f"livetwin/{device.city}/{device.sensor.id}/observations"
    return Message(topic, json.dumps(body, separators=(",", ":")).encode(), expectations(readings, instant))
