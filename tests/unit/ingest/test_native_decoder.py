"""The native JSON format, and SenML packs on the same topic."""

from __future__ import annotations

import math

import pytest

from ingest.decoders.native import DECODER
from ingest.decoding import PayloadError, Reading
from tests.support.payloads.device_payloads import CONTEXT, NATIVE, SENML
from twin.instant import parse_instant
from twin.quality.plausibility import QuarantineReason

TOPIC = "livetwin/alkmaar/aq-overdie-1/observations"
NOON = parse_instant("2026-11-23T12:00:00Z")


def readings(payload: bytes) -> list[Reading]:
    return list(DECODER.decode(TOPIC, payload, CONTEXT).readings)


def value_of(literal: bytes) -> float:
    (reading,) = readings(b'{"values":{"x":' + literal + b"}}")
    return reading.value


def refused(payload: bytes) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        DECODER.decode(TOPIC, payload, CONTEXT)
    return caught.value


def test_an_object_gives_its_values_at_its_time_and_the_topic_names_the_sensor() -> None:
    decoded = DECODER.decode(TOPIC, NATIVE, CONTEXT)
    time = parse_instant("2026-10-25T00:30:00Z")
    assert decoded.device == "aq-overdie-1"
    assert decoded.readings == [Reading("pm2_5", 11.2, time), Reading("no2", 31.0, time)]


def test_an_array_gives_every_object_at_its_own_time() -> None:
    first = b'{"time":"2026-11-23T12:00:00Z","values":{"a":1}}'
    second = b'{"time":"2026-11-23T13:01:00+01:00","values":{"a":2}}'
    payload = b"[" + first + b"," + second + b"]"
    assert [one.time for one in readings(payload)] == [NOON, NOON + 60_000_000]


@pytest.mark.parametrize("payload", [b'{"values":{"a":1}}', b'{"time":null,"values":{"a":1}}'])
def test_without_a_time_the_time_of_reception_counts(payload: bytes) -> None:
    assert readings(payload) == [Reading("a", 1.0)]


@pytest.mark.parametrize(
    "time",
    [
        b'"2026-11-23T12:00:00Z"',
        b'"2026-11-23t12:00:00z"',
        b'"2026-11-23T13:00:00.000000999+01:00"',
        b"1795435200",
        b"1795435200.0",
        b"1795435200000",
        b"1795435200000000",
        b"1795435200000000999",
    ],
)
def test_a_time_is_rfc_3339_text_or_an_epoch_number_of_any_magnitude(time: bytes) -> None:
    assert readings(b'{"time":' + time + b',"values":{"a":1}}')[0].time == NOON


@pytest.mark.parametrize(
    "time",
    [
        b'""',
        b'"soon"',
        b'"2026-11-23T12:00:00"',
        b'"2026-11-23"',
        b'"20261123"',
        b'"2026-02-30T12:00:00Z"',
        b'"9999-12-31T23:59:59-23:59"',
        b"true",
        b"[]",
        b"{}",
        b"9" * 60,
        b"-" + b"9" * 60,
    ],
)
def test_an_unreadable_time_is_invalid_and_not_replaced_by_the_reception(time: bytes) -> None:
    error = refused(b'{"time":' + time + b',"values":{"a":1}}')
    assert error.reason == QuarantineReason.TIME_INVALID
    assert "'time' of item 0" in error.detail


@pytest.mark.parametrize(
    ("literal", "value"),
    [(b"true", 1.0), (b"false", 0.0), (b"-7", -7.0), (b'"11.2"', 11.2), (b'" 3e2 "', 300.0), (b'"+.5"', 0.5)],
)
def test_booleans_and_numbers_in_text_are_numbers(literal: bytes, value: float) -> None:
    assert value_of(literal) == value


@pytest.mark.parametrize(
    "literal", [b'"nan"', b'"on"', b'""', b'"1_000"', b'"0x10"', '"١٢"'.encode(), b'"inf"']
)
def test_text_that_is_no_number_is_returned_as_nan(literal: bytes) -> None:
    assert math.isnan(value_of(literal))


def test_an_integer_beyond_every_float_is_infinite() -> None:
    assert value_of(b"9" * 400) == math.inf
    assert value_of(b"-" + b"9" * 400) == -math.inf


def test_null_is_no_value_and_the_last_of_two_equal_keys_counts() -> None:
    assert [one.field for one in readings(b'{"values":{"a":null,"b":1}}')] == ["b"]
    assert value_of(b'1,"x":2') == 2.0


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"7",
        b'"text"',
        b"{",
        b'{"values":{"a":1}',
        b'{"values":{"a":1}}x',
        b'{"values":{"a":NaN}}',
        b'{"values":{"a":Infinity}}',
        b'{"values":{"a":1e999}}',
        b"\xff\xfe",
        b'{"values":{"\xff":1}}',
        b'{"values":[1]}',
        b'{"values":7}',
        b'{"value":{"a":1}}',
        b"[7]",
        b"[[]]",
        b'{"values":' + b'{"a":' * 9 + b"1" + b"}" * 10,
        b"[" * 200_000,
        b'{"values":{' + b",".join(b'"f%d":1' % one for one in range(1_001)) + b"}}",
        b"[" + b",".join([b'{"values":{"a":1}}'] * 1_001) + b"]",
    ],
)
def test_other_json_is_malformed(payload: bytes) -> None:
    error = refused(payload)
    assert error.reason == QuarantineReason.MALFORMED
    assert len(error.detail) < 400


@pytest.mark.parametrize("payload", [b"[]", b'{"values":{}}', b'{"values":{"a":null}}'])
def test_a_message_without_a_value_has_no_observation(payload: bytes) -> None:
    assert refused(payload).reason == QuarantineReason.NO_OBSERVATION


def test_a_senml_pack_on_the_same_topic_is_recognised_by_its_content() -> None:
    decoded = DECODER.decode(TOPIC, SENML, CONTEXT)
    assert decoded.device == "aq-overdie-1"
    assert "pm2_5" in {one.field for one in decoded.readings}


def test_the_error_of_any_other_array_says_what_was_expected() -> None:
    error = refused(b'[{"temperature":7}]')
    assert "'temperature'" in error.detail
    assert "'values'" in error.detail
