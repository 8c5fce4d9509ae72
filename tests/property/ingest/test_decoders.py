"""Properties of every decoder for any input."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from fastcrc import crc16
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decoders import registry
from ingest.decoding import Decoded, PayloadError, Reading
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.routes import TopicRoutes
from tests.support.payloads.device_payloads import (
    CONTEXT,
    DSMR_V2,
    DSMR_V4_UNPADDED,
    DSMR_V5,
    HOMEWIZARD_V2,
    TOPICS_AND_PAYLOADS,
)
from twin.instant import INSTANT_MAX, INSTANT_MIN

DECODERS = sorted(registry())
PSEUDONYMISE = Pseudonymiser(b"a key of enough bytes")
VALID = [payload for _, payload in TOPICS_AND_PAYLOADS.values()] + [DSMR_V2, DSMR_V4_UNPADDED, HOMEWIZARD_V2]

# What a broken gateway or a hostile sender sends instead of a value.
ODD = [
    b"null", b"true", b"NaN", b"1e999", b"-0", b'""', b'"nan"', b'"1_0"', b"[]", b"{}", b"9" * 400,
    b"[" * 3000, b'"\\ud800"', b'"\\u0000"', b"\xff", b"\r\n", b"(", b")", b"*", b"!", b"/",
    b"0-1:24.2.1(632525252525S)", b"1-0:1.7.0(sNaN*kW)", b"1-0:1.7.0(1*2*kW)", b"0-0:1.0.0()",
    b'"value_type"', b'"2026-13-01T00:00:00Z"', b'{"time":{}}', b"1" * 30, b":", b",",
    b'"9999-12-31T23:59:59"',
    b'"0001-01-01T00:00:00"', b"991231235959", b"00", b'{"v":1}', b'"1_0E5"',
]  # fmt: skip


ODD_VALUES: list[Any] = [
    None, True, 0, -1, 10**40, 10**400, 1e308, -0.0, 2**28, 1792888200, 1792888200123, -(10**18), "", "nan",
    "-7.5", "2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00", "0001-01-01T00:00:00",
    "9999-12-31T23:59:59-23:59", "\0", "é" * 300, "m3", "urn:dev:", [], [[]], {}, {"v": 1}, {"values": []},
    {"time": []}, 700101010000, 0.5,
]  # fmt: skip


def restructured(payload: bytes, seed: int) -> bytes:
    """Return valid JSON of the same shape, with some of its nodes replaced, removed or doubled."""
    dice = random.Random(seed)
    document = json.loads(payload)
    for _ in range(dice.randrange(1, 4)):
        node = document
        while isinstance(node, dict | list) and node:
            key = dice.choice(list(node)) if isinstance(node, dict) else dice.randrange(len(node))
            below = node[key]
            if isinstance(below, dict | list) and below and dice.random() < 0.75:
                node = below
                continue
            if dice.random() < 0.15:
                del node[key]
            elif isinstance(node, list) and dice.random() < 0.2:
                node.append(copy.deepcopy(below))
            else:
                node[key] = copy.deepcopy(dice.choice(ODD_VALUES))
            break
    return json.dumps(document).encode()


def with_checksum(payload: bytes) -> bytes:
    """Return a telegram with the checksum of what is in it, so that its lines are read."""
    content = payload.partition(b"\n!")[0] + b"\n!"
    content = content[max(content.find(b"/"), 0) :]
    return content + b"%04X\r\n" % crc16.arc(content)


def mutated(payload: bytes, seed: int) -> bytes:
    dice = random.Random(seed)
    for _ in range(dice.randrange(1, 6)):
        start = dice.randrange(len(payload) + 1)
        end = min(len(payload), start + dice.choice((0, 1, 1, 4, 20, 200)))
        match dice.randrange(4):
            case 0:
                new = b""
            case 1:
                new = dice.choice(ODD)
            case 2:
                new = dice.randbytes(end - start)
            case _:
                new = payload[start:end] * 2
        payload = payload[:start] + new + payload[end:]
    return payload


def check(name: str, payload: bytes) -> None:
    topic, _ = TOPICS_AND_PAYLOADS[name]
    try:
        decoded = registry()[name].decode(topic, payload, CONTEXT)
    except PayloadError as refused:
        # PostgreSQL stores no NUL.
        if not refused.detail or "\0" in refused.detail:
            raise
        return
    assert isinstance(decoded, Decoded)
    assert decoded.readings
    for reading in decoded.readings:
        assert isinstance(reading, Reading)
        assert type(reading.value) is float
        assert type(reading.flags) is int
        assert reading.time is None or INSTANT_MIN <= reading.time <= INSTANT_MAX


def test_there_is_a_valid_payload_for_every_decoder() -> None:
    assert sorted(TOPICS_AND_PAYLOADS) == DECODERS


@pytest.mark.parametrize("name", DECODERS)
def test_the_valid_payload_is_decoded(name: str) -> None:
    topic, payload = TOPICS_AND_PAYLOADS[name]
    assert registry()[name].decode(topic, payload, CONTEXT).readings


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=150)
@given(payload=st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8")))
def test_arbitrary_bytes_raise_nothing_but_a_payload_error(name: str, payload: bytes) -> None:
    check(name, payload)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=300)
@given(payload=st.sampled_from(VALID), seed=st.integers(0, 2**32))
def test_a_mutated_payload_raises_nothing_but_a_payload_error(name: str, payload: bytes, seed: int) -> None:
    check(name, mutated(payload, seed))


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_a_decoders_own_payload_mutated_raises_nothing_but_a_payload_error(name: str, seed: int) -> None:
    check(name, mutated(TOPICS_AND_PAYLOADS[name][1], seed))


@pytest.mark.parametrize(
    ("name", "payload"),
    [(name, payload) for name, (_, payload) in TOPICS_AND_PAYLOADS.items() if name != "dsmr"]
    + [("homewizard", HOMEWIZARD_V2)],
)
@settings(max_examples=400)
@given(seed=st.integers(0, 2**32))
def test_json_of_another_shape_raises_nothing_but_a_payload_error(
    name: str, payload: bytes, seed: int
) -> None:
    check(name, restructured(payload, seed))


@settings(max_examples=500)
@given(payload=st.sampled_from([DSMR_V5, DSMR_V4_UNPADDED, DSMR_V2]), seed=st.integers(0, 2**32))
def test_a_wrong_line_under_a_right_checksum_raises_nothing_but_a_payload_error(
    payload: bytes, seed: int
) -> None:
    check("dsmr", with_checksum(mutated(payload, seed)))


@pytest.mark.parametrize("name", [name for name in DECODERS if registry()[name].redact is not None])
@settings(max_examples=150)
@given(payload=st.binary(max_size=300) | st.sampled_from(VALID), seed=st.integers(0, 2**32))
def test_redaction_never_raises_and_can_be_repeated(name: str, payload: bytes, seed: int) -> None:
    redact = registry()[name].redact
    assert redact is not None
    once = redact(mutated(payload, seed), PSEUDONYMISE)
    assert isinstance(redact(once, PSEUDONYMISE), bytes)


@given(topic=st.text(alphabet="ab$/+#v3dsmr", max_size=20))
def test_routing_accepts_any_topic(topic: str) -> None:
    TopicRoutes(registry()).route(topic)
