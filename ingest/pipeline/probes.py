"""Probes among the messages: decoded like any native message, and passed on without a place in the books."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.decoders import native
from ingest.decoding import DecodingContext, PayloadError
from ingest.mqtt.message import MqttMessage
from twin.wire.probe import PROBE_PROPERTY, PROBE_SENSOR, Probe

_SENSOR = f"/{PROBE_SENSOR}/"


def probe_of(message: MqttMessage, timezone: str) -> Probe | None:
    """Return the probe that a message is; None for every other one, and for one that cannot be read."""
    if _SENSOR not in message.topic or native.device_of(message.topic) != PROBE_SENSOR:
        return None
    try:
        decoded = native.decode(
            message.topic, message.payload, DecodingContext(message.received_time, timezone)
        )
    except PayloadError:
        return None
    times = (one.time for one in decoded.readings if one.field == PROBE_PROPERTY)
    time = next(times, None)
    return Probe(time) if time is not None else None


def separate_probes(messages: Iterable[MqttMessage], timezone: str) -> tuple[list[MqttMessage], list[Probe]]:
    """Return the messages of devices, and the probes among them."""
    received, probes = [], []
    for message in messages:
        probe = probe_of(message, timezone)
        if probe is None:
            received.append(message)
        else:
            probes.append(probe)
    return received, probes
