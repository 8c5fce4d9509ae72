"""LiveTwin's own JSON: a time, and values by field name."""

from __future__ import annotations

import json

from simulators.devices.device import SimulatedMessage, VirtualDevice, expected_values, nested_values
from twin.instant import Instant, format_instant


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return the observations of an instant as one JSON object."""
    readings = device.measure(instant)
    body = {"time": format_instant(instant), "values": nested_values(readings)}
    topic = observations_topic(device.city, device.sensor.id)
    return SimulatedMessage(
        topic, json.dumps(body, separators=(",", ":")).encode(), expected_values(readings, instant)
    )


def observations_topic(city: str, sensor: str) -> str:
    """Return the topic of the observations of one sensor, in JSON or SenML."""
    return f"livetwin/{city}/{sensor}/observations"
