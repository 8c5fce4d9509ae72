"""LiveTwin's own JSON: `{"time": "…", "values": {"pm2_5": 11.2}}`, one object or an array of them.

`values` may be nested; a field is then named by its dotted path. Without `time`, or with null, the time of
reception counts. `quality` holds what the source says of its values (`ingest.formats.source_quality`). The
same topic carries SenML packs: arrays whose first record has no `values`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from ingest.decoders import senml
from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Reading
from ingest.formats.json_payload import VALUES_MAX, as_object, leaves, parse_json, short_repr
from ingest.formats.payload_time import instant_of
from ingest.formats.source_quality import flags_by_field
from twin.quality.plausibility import QuarantineReason


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The common form of a message; other forms may be valid, too."""

    values: dict[str, float]
    time: str | int | float | None = None


_decode_plain = msgspec.json.Decoder(_Plain).decode

_TOPICS_CACHED_MAX = 65_536

# livetwin/{city}/{sensorId}/observations
_DEVICE_LEVEL = 2


@lru_cache(maxsize=_TOPICS_CACHED_MAX)
def device_of(topic: str) -> str:
    """Return the sensor id in a topic; for a topic of another shape, its last level."""
    levels = topic.split("/")
    return levels[_DEVICE_LEVEL] if len(levels) == _DEVICE_LEVEL + 2 else levels[-1]


def decode(topic: str, payload: bytes, context: DecodingContext) -> Decoded:
    """Return the readings of a native message or a SenML pack.

    The common form is decoded by its type, at a fraction of the cost; any other payload as general JSON.
    """
    plain = _plain_readings(payload) if payload[:1] == b"{" else senml.plain_readings(payload, context)
    return Decoded(device_of(topic), plain if plain is not None else _readings(payload, context))


def _plain_readings(payload: bytes) -> list[Reading] | None:
    try:
        message = _decode_plain(payload)
        time = instant_of(message.time, "'time'")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, PayloadError):
        return None
    if not 0 < len(message.values) <= VALUES_MAX:
        return None
    return [Reading(path, value, time) for path, value in message.values.items()]


def _readings(payload: bytes, context: DecodingContext) -> list[Reading]:
    document = parse_json(payload)
    if isinstance(document, dict):
        items = [document]
    elif isinstance(document, list):
        if document and senml.is_record(document[0]):
            return senml.readings(document, context)
        items = document
    else:
        raise PayloadError(
            QuarantineReason.MALFORMED,
            f'the payload is {short_repr(document)}, expected {{"time": …, "values": {{…}}}}, an array of '
            "such, "
            "or a SenML pack",
        )
    if len(items) > VALUES_MAX:
        raise PayloadError(
            QuarantineReason.MALFORMED, f"the payload has {len(items)} items, at most {VALUES_MAX} are read"
        )
    readings: list[Reading] = []
    for index, item in enumerate(items):
        readings.extend(_item_readings(item, f"item {index}"))
        if len(readings) > VALUES_MAX:
            raise PayloadError(QuarantineReason.MALFORMED, f"the payload holds more than {VALUES_MAX} values")
    if not readings:
        raise PayloadError(QuarantineReason.NO_OBSERVATION, "the payload holds no value")
    return readings


def _item_readings(item: Any, where: str) -> list[Reading]:
    observed = as_object(item, where)
    if "values" not in observed:
        names = ", ".join(short_repr(name) for name in list(observed)[:5]) or "nothing"
        raise PayloadError(QuarantineReason.MALFORMED, f"{where} has {names}, expected a member 'values'")
    values = as_object(observed["values"], f"'values' of {where}")
    time = instant_of(observed.get("time"), f"'time' of {where}")
    flags, by_field = flags_by_field(observed.get("quality"), f"'quality' of {where}")
    return [
        Reading(path, value, time, None, by_field.get(path, flags))
        for path, value in leaves(values, f"'values' of {where}")
    ]


DECODER = Decoder(
    name="native",
    version=2,
    feeds=("native", "senml"),
    filters=("livetwin/+/+/observations",),
    decode=decode,
    device_topic="livetwin/{city}/{device}/observations",
)
