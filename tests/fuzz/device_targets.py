"""Targets for what devices send: each decoder, the path from topic to log record, and redaction.

The corpus has payloads of Alkmaar's virtual devices and of `tests/support/payloads/device_payloads.py`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from functools import cache, partial
from typing import Any

from fastcrc import crc16

from cities import default_city
from cities.folder_reader import read_city
from ingest.decoders import registry
from ingest.decoding import Decoded, PayloadError, Reading
from ingest.mqtt.message import MqttMessage
from ingest.pipeline.intake import Intake, ProcessedMessage
from ingest.pipeline.records import RecordBuilder
from ingest.pipeline.routes import TopicRoutes
from simulators.devices import devices_of
from simulators.truth.city_truth import CityTruth
from storage.column_limits import without_nul
from tests.fuzz.engine import FuzzTarget
from tests.support.payloads.device_payloads import (
    CONTEXT,
    DSMR_V2,
    DSMR_V4_UNPADDED,
    DSMR_V5,
    HOMEWIZARD_V1,
    HOMEWIZARD_V2,
    RECEIVED,
    TOPICS_AND_PAYLOADS,
)
from tests.support.pipelines.intake import make_intake
from twin.instant import INSTANT_MAX, INSTANT_MIN
from twin.model.city_model import CityModel
from twin.quality.plausibility import QuarantineReason
from twin.wire.codec import Codec
from twin.wire.messages import OBSERVATIONS, QUARANTINE

PAYLOAD_BYTES_MAX = 256 * 1024
TOPIC_BYTES_MAX = 65_535  # MQTT 5.0 §1.5.4

# Member names, units and references, which let mutations pass the first checks.
_WORD = re.compile(rb"[A-Za-z0-9_.:\-]{2,40}")
_WORDS_MAX = 400

# No piece of an identifier of this length may remain; a shorter piece identifies at most the make.
IDENTIFYING_CHARACTERS = 14
PERSONAL = {
    "dsmr": (DSMR_V5, DSMR_V4_UNPADDED),
    "homewizard": (HOMEWIZARD_V1, HOMEWIZARD_V2),
}
_FRACTION = re.compile(rb"[0-9]\.[0-9]+")
_IDENTIFIER = re.compile(rb"(?:45|47|57|48)[0-9A-F]{8,}")


@cache
def alkmaar_model() -> CityModel:
    """Return the model of the city that comes with LiveTwin."""
    return read_city(default_city()).model(1)


@cache
def sample_messages() -> dict[str, tuple[tuple[str, bytes], ...]]:
    """Return topics and payloads of each feed, first those of devices in the city's model."""
    plan = read_city(default_city())
    devices, _ = devices_of(plan, CityTruth(1, plan))
    found: defaultdict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for device in devices:
        if len(found[device.sensor.feed]) < 3:
            message = device.message(RECEIVED)
            found[device.sensor.feed].append((message.topic, message.payload))
    for name, pair in TOPICS_AND_PAYLOADS.items():
        found[name].append(pair)
    found["dsmr"] += [("dsmr/gw-12/telegram", one) for one in (DSMR_V2, DSMR_V4_UNPADDED)]
    found["homewizard"].append(("homewizard/gw-12/measurement", HOMEWIZARD_V2))
    return {name: tuple(some) for name, some in found.items()}


def dictionary_of(payloads: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the words of payloads, as a fuzzing dictionary."""
    words = {word: None for payload in payloads for word in _WORD.findall(payload)}
    return tuple(words)[:_WORDS_MAX]


def decoder_targets() -> list[FuzzTarget]:
    """Return a target for each registered decoder; a decoder without a valid payload here raises KeyError."""
    return [
        FuzzTarget(
            name=f"decoder-{name}",
            run=partial(run_decoder, name),
            corpus=(payloads := tuple(payload for _, payload in sample_messages()[name])),
            dictionary=dictionary_of(payloads),
        )
        for name in sorted(registry())
    ]


def run_decoder(name: str, payload: bytes) -> str:
    """Decode a payload twice: assert the same readings or the same refusal, and no other error."""
    outcome = _decoded(name, payload)
    assert _decoded(name, payload) == outcome
    if name == "dsmr" and b"\n!" in payload:
        # With a correct checksum, so that the lines are parsed.
        content = payload.partition(b"\n!")[0] + b"\n!"
        _decoded(name, content + b"%04X\r\n" % crc16.arc(content.replace(b"\n", b"\r\n")))
    return outcome


def _decoded(name: str, payload: bytes) -> str:
    topic = sample_messages()[name][0][0]
    try:
        decoded = registry()[name].decode(topic, payload, CONTEXT)
    except PayloadError as refused:
        return _checked_refusal(refused.reason, refused.detail)
    check_decoded(decoded)
    finite = [one for one in decoded.readings if math.isfinite(one.value)]
    return f"{len(decoded.readings).bit_length()} readings, {len(finite).bit_length()} finite"


def _checked_refusal(reason: QuarantineReason, detail: str) -> str:
    assert 0 < len(detail) < 2_000, f"a detail of {len(detail)} characters"
    detail.encode()
    return f"{reason}: {detail}"


def check_decoded(decoded: Decoded) -> None:
    """Assert that a decoder's result has the types that the intake relies on."""
    assert decoded.readings
    decoded.device.encode()
    for reading in decoded.readings:
        assert isinstance(reading, Reading)
        assert type(reading.field) is str
        assert type(reading.value) is float
        assert type(reading.flags) is int
        assert reading.unit is None or type(reading.unit) is str
        assert reading.time is None or INSTANT_MIN <= reading.time <= INSTANT_MAX


def intake_target() -> FuzzTarget:
    """Return the target of the whole intake; an input is a topic, a line break and a payload."""
    seeds = tuple(
        topic.encode() + b"\n" + payload for some in sample_messages().values() for topic, payload in some
    )
    return FuzzTarget(name="intake", run=run_intake, corpus=seeds, dictionary=dictionary_of(seeds))


@cache
def _intake() -> Intake:
    return make_intake(
        alkmaar_model(), payload_bytes_max=PAYLOAD_BYTES_MAX, quarantine_bytes_max=PAYLOAD_BYTES_MAX
    )


def run_intake(data: bytes) -> str:
    """Process a message twice: assert equal results that fit into log records."""
    topic, _, payload = data.partition(b"\n")
    text = topic[:TOPIC_BYTES_MAX].decode("utf-8", "backslashreplace")
    message = MqttMessage(text, payload, RECEIVED, 1, 1, 1)
    taken = _intake().process(message, 0)
    assert repr(_intake().process(message, 0)) == repr(taken)
    _check_taken(taken)
    _check_records(taken)
    quarantined = taken.quarantined
    what = "usable" if quarantined is None else f"{quarantined.reason}: {quarantined.detail}"
    return f"{min(len(taken.observations), 3)} {what}"


def _check_taken(taken: ProcessedMessage) -> None:
    assert taken.observations or taken.quarantined
    for observation in taken.observations:
        bounds = alkmaar_model().properties[alkmaar_model().datastreams[observation.datastream].property]
        assert bounds.minimum <= observation.value <= bounds.maximum
        assert type(observation.flags) is int
    if taken.quarantined is not None:
        assert taken.quarantined.reason != QuarantineReason.DECODER_FAILED, taken.quarantined.detail
        assert taken.quarantined.detail
        for text in (taken.quarantined.topic, taken.quarantined.device, taken.quarantined.detail):
            assert "\0" not in without_nul(text)
            text.encode()


def _check_records(taken: ProcessedMessage) -> None:
    for record in RecordBuilder("run-1", lambda: RECEIVED).records([taken]):
        assert len(record.value) <= 1_000_000
        codec: Codec[Any] = QUARANTINE if record.topic == "quarantine" else OBSERVATIONS
        assert codec.encode(codec.decode(record.value)) == record.value


def topic_target() -> FuzzTarget:
    """Return the target of topic routing."""
    seeds = tuple(topic.encode() for some in sample_messages().values() for topic, _ in some)
    return FuzzTarget(
        name="topic", run=_route, corpus=seeds, dictionary=(b"+", b"#", b"$SYS", b"$share", b"//", b"/")
    )


@cache
def _routes() -> TopicRoutes:
    return TopicRoutes(registry(), alkmaar_model().feeds)


def _route(data: bytes) -> str:
    route = _routes().route(data.decode("utf-8", "backslashreplace"))
    return route.feed if route is not None else "none"


def redaction_targets() -> list[FuzzTarget]:
    """Return a target for each decoder with redaction."""
    assert {name for name, one in registry().items() if one.redact is not None} == set(PERSONAL)
    return [
        FuzzTarget(
            name=f"redaction-{name}",
            run=partial(run_redaction, name),
            corpus=seeds,
            dictionary=dictionary_of(seeds),
        )
        for name, seeds in PERSONAL.items()
    ]


@cache
def identifying_pieces(name: str) -> frozenset[bytes]:
    """Return every piece of the corpus's identifiers that is long enough to identify a person."""
    found = [one for seed in PERSONAL[name] for one in _IDENTIFIER.findall(seed)]
    return frozenset(
        identifier[start : start + IDENTIFYING_CHARACTERS]
        for identifier in found
        for start in range(len(identifier) - IDENTIFYING_CHARACTERS + 1)
    )


def run_redaction(name: str, payload: bytes) -> str:
    """Redact a payload: assert that nothing is raised and that no piece of an identifier remains."""
    decoder = registry()[name]
    assert decoder.redact is not None
    redacted = decoder.redact(payload, _pseudonym)
    assert decoder.redact(payload, _pseudonym) == redacted
    # Digits behind a decimal point are a value, never an identifier.
    read = _FRACTION.sub(b"", redacted)
    left = [one for one in identifying_pieces(name) if one in read]
    assert not left, f"{left[0]!r} is left in {redacted!r}"
    # A replay may redact the payload once more.
    assert isinstance(decoder.redact(redacted, _pseudonym), bytes)
    return _decoded(name, redacted)


def _pseudonym(identifier: str) -> str:
    """Return the same pseudonym for every identifier; it resembles none."""
    identifier.encode("utf-8", "surrogatepass")
    return "abcdefghijklmnop"
