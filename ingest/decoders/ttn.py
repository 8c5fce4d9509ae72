"""The Things Stack v3 uplinks, as its MQTT server publishes them.

The fields are those of `decoded_payload`, by dotted path, and the `signal_strength` and `snr` of the best
gateway. `payload_warnings` is the number of warnings of the payload formatter, where there are any: only its
author knows what they mean, so a city may state `validWhen` on it. The values of a simulated uplink are no
measurements, and marked as doubtful.

The time of an uplink is the network server's `received_at`: its clock is synchronised, the time is always
present, at most a second after the radio frame, and the same in every delivery of the frame. The times of
gateways (`settings.time`, `rx_metadata[].time`) may be absent or wrong by years. They count only where the
network server's time is missing (a console simulation, a bridge that drops it), in this order, and before the
application server's `received_at`, which changes with a retried delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Reading
from ingest.formats.json_payload import as_object, leaves, parse_object, short_repr
from ingest.formats.lorawan import radio_readings
from ingest.formats.payload_time import instant_of
from twin.instant import Instant
from twin.quality.plausibility import QuarantineReason
from twin.quality.quality_flags import QualityFlag

_DOUBTFUL = int(QualityFlag.SOURCE_DOUBTFUL)
_WARNINGS = "payload_warnings"


def decode(topic: str, payload: bytes, context: DecodingContext) -> Decoded:
    """Return the readings of an uplink."""
    document = parse_object(payload)
    uplink = as_object(document.get("uplink_message"), "'uplink_message'")
    device = _device(document)
    time = _time(document, uplink)
    decoded = uplink.get("decoded_payload")
    if decoded is None and "frm_payload" in uplink:
        # It is quarantined, and can be replayed once the formatter is repaired. A frame without a payload is
        # valid: it still has the signal strength.
        raise PayloadError(
            QuarantineReason.NO_OBSERVATION,
            f"the uplink of {short_repr(device)} has a payload but no 'decoded_payload'; "
            "set or repair its payload formatter in The Things Stack",
        )
    flags = _DOUBTFUL if document.get("simulated") is True else 0
    readings = [
        Reading(path, value, time, None, flags)
        for path, value in leaves(
            as_object({} if decoded is None else decoded, "'decoded_payload'"), "'decoded_payload'"
        )
    ]
    known = [reading.field for reading in readings]
    warnings = uplink.get("decoded_payload_warnings")
    if isinstance(warnings, list) and warnings and _WARNINGS not in known:
        readings.append(Reading(_WARNINGS, float(len(warnings)), time, "1"))
    readings += radio_readings(uplink.get("rx_metadata"), time, known)
    if not readings:
        raise PayloadError(
            QuarantineReason.NO_OBSERVATION, f"the uplink of {short_repr(device)} holds no value"
        )
    return Decoded(device, readings)


def _device(document: Mapping[str, Any]) -> str:
    device = as_object(document.get("end_device_ids"), "'end_device_ids'").get("device_id")
    if not isinstance(device, str) or not device:
        raise PayloadError(
            QuarantineReason.MALFORMED, f"'device_id' is {short_repr(device)}, expected a device id"
        )
    return device


def _time(document: Mapping[str, Any], uplink: Mapping[str, Any]) -> Instant | None:
    settings = uplink.get("settings")
    gateways = uplink.get("rx_metadata")
    candidates: list[tuple[Any, str]] = [(uplink.get("received_at"), "'uplink_message.received_at'")]
    if isinstance(settings, dict):
        candidates.append((settings.get("time"), "'settings.time'"))
    if isinstance(gateways, list):
        candidates += [
            (gateway.get("time"), "'rx_metadata.time'") for gateway in gateways if isinstance(gateway, dict)
        ]
    candidates.append((document.get("received_at"), "'received_at'"))
    for value, where in candidates:
        if value:
            return instant_of(value, where)
    return None


DECODER = Decoder(
    name="ttn",
    version=2,
    feeds=("ttn",),
    filters=("v3/+/devices/+/up",),
    decode=decode,
)
