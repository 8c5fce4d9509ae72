"""ChirpStack v4 `up` events in JSON.

The fields are those of `object`, by dotted path, and `signal_strength` and `snr` of the best gateway. The
time is the `time` of the event, else a gateway's `nsTime` or `gwTime`. Events of an integration that is set
to protobuf are not JSON, and are rejected as malformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Reading
from ingest.formats.json_payload import as_object, leaves, parse_object, short_repr
from ingest.formats.lorawan import is_damaged, radio_readings
from ingest.formats.payload_time import instant_of
from twin.instant import Instant
from twin.quality.plausibility import QuarantineReason
from twin.quality.quality_flags import QualityFlag

_DOUBTFUL = int(QualityFlag.SOURCE_DOUBTFUL)


def decode(topic: str, payload: bytes, context: DecodingContext) -> Decoded:
    """Return the readings of an uplink event; the device is the devEui in lower case."""
    event = parse_object(payload)
    device = _device(event)
    time = _time(event)
    decoded = event.get("object")
    if decoded is None and "data" in event:
        raise PayloadError(
            QuarantineReason.NO_OBSERVATION,
            f"the event of {short_repr(device)} has 'data' but no 'object'; "
            "set or repair the codec in its ChirpStack device profile",
        )
    flags = _DOUBTFUL if is_damaged(event.get("rxInfo")) else 0
    readings = [
        Reading(path, value, time, None, flags)
        for path, value in leaves(as_object({} if decoded is None else decoded, "'object'"), "'object'")
    ]
    known = [reading.field for reading in readings]
    readings += radio_readings(event.get("rxInfo"), time, known)
    if not readings:
        raise PayloadError(
            QuarantineReason.NO_OBSERVATION, f"the event of {short_repr(device)} holds no value"
        )
    return Decoded(device, readings)


def _device(event: Mapping[str, Any]) -> str:
    eui = as_object(event.get("deviceInfo"), "'deviceInfo'").get("devEui")
    if not isinstance(eui, str) or not eui:
        raise PayloadError(
            QuarantineReason.MALFORMED, f"'devEui' is {short_repr(eui)}, expected 16 hexadecimal digits"
        )
    return eui.lower()


def _time(event: Mapping[str, Any]) -> Instant | None:
    if event.get("time"):
        return instant_of(event["time"], "'time'")
    gateways = event.get("rxInfo")
    for gateway in gateways if isinstance(gateways, list) else ():
        for label in ("nsTime", "gwTime"):
            if isinstance(gateway, dict) and gateway.get(label):
                return instant_of(gateway[label], f"'rxInfo.{label}'")
    return None


DECODER = Decoder(
    name="chirpstack",
    version=2,
    feeds=("chirpstack",),
    filters=("application/+/device/+/event/up",),
    decode=decode,
)
