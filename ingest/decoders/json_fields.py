"""Any JSON object, for the feeds that a city adds: each number is a field, named by its dotted path.

The time is the top-level member `time`, else `timestamp`, else the time of reception. The device is in the
topic level that the feed configures in `feeds.yaml`, else in the last level.
"""

from __future__ import annotations

from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Reading
from ingest.formats.json_payload import leaves, parse_object
from ingest.formats.payload_time import instant_of
from twin.quality.plausibility import QuarantineReason

_TIMES = ("time", "timestamp")


def decode(topic: str, payload: bytes, context: DecodingContext) -> Decoded:
    """Return the numbers of a JSON object."""
    document = parse_object(payload)
    time = None
    for name in _TIMES:
        if document.get(name) is not None:
            time = instant_of(document[name], f"'{name}'")
            break
    values = {name: value for name, value in document.items() if name not in _TIMES}
    readings = [Reading(path, value, time) for path, value in leaves(values, "the payload")]
    if not readings:
        raise PayloadError(QuarantineReason.NO_OBSERVATION, "the payload holds no value")
    return Decoded(topic.rsplit("/", 1)[-1], readings)


DECODER = Decoder(name="json_fields", version=1, feeds=(), filters=(), decode=decode)
