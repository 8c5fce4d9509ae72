"""Our own JSON: a time and values by name."""

from __future__ import annotations

import json

from simulators.devices.device import SimulatedMessage, VirtualDevice, expected_values, nested_values
from twin.instant import Instant, format_instant


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return one observation object."""
    readings = device.measure(instant)
    body = {"time": format_instant(instant), "values": nested_values(readings)}
    topic = f"livetwin/{device.city}/{device.sensor.id}/observations"
    return SimulatedMessage(
        topic, json.dumps(body, separators=(",", ":")).encode(), expected_values(readings, instant)
    )
