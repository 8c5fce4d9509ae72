"""Observations keep their feed, their minute of reception and the record of their messages."""

from __future__ import annotations

from array import array

import pytest
from msgspec.structs import replace

from storage.historian.observation_buffer import ObservationBuffer
from tests.support.database.historian import payload_of, record_with_headers
from tests.support.payloads.observation_records import encode_observations
from twin.instant import HOUR, MINUTE
from twin.model.observation import Observation
from twin.wire.messages import OBSERVATIONS, ObservationBatch, decode_headers, decode_payloads, encode_headers

START = 10 * HOUR


def at(received: int, datastream: int = 1, time: int = 0) -> Observation:
    return Observation(datastream, time, received, float(datastream))


def decoded(record: bytes) -> ObservationBatch:
    return OBSERVATIONS.decode(record)


def test_each_observation_has_the_feed_and_the_minute_of_its_message() -> None:
    buffer = ObservationBuffer()
    observations = [at(START, 1), at(START + 1, 2), at(START + MINUTE, 3)]
    assert buffer.add(decoded(record_with_headers(observations, "run", feed="dsmr")), 0, 0) == []
    assert [buffer.feed_minutes[one] for one in buffer.first_feed_minutes] == [
        ("dsmr", START),
        ("dsmr", START),
        ("dsmr", START + MINUTE),
    ]


def test_an_observation_without_a_message_has_no_feed() -> None:
    buffer = ObservationBuffer()
    assert buffer.add(decoded(encode_observations([at(START + 5)], START)), 0, 0) == []
    assert buffer.feed_minutes == [("", START)]
    assert buffer.records == []


def test_the_second_observation_of_a_key_is_a_repeat() -> None:
    buffer = ObservationBuffer()
    first, second = at(START), at(START + MINUTE)
    buffer.add(decoded(record_with_headers([first, second], "run")), 0, 0)
    assert buffer.firsts == [first]
    assert [one.observation for one in buffer.repeats[1, 0]] == [second]
    assert buffer.count == 2


def test_a_replay_is_not_counted_as_received_again() -> None:
    buffer = ObservationBuffer()
    buffer.add(decoded(record_with_headers([at(START)], "run", -1)), 0, 0)
    assert buffer.firsts == [at(START)]
    assert not buffer.messages


def test_a_record_keeps_its_headers_unchanged() -> None:
    buffer = ObservationBuffer()
    observations = [at(START + 9, 5), at(START + 2, 6)]
    batch = decoded(record_with_headers(observations, "run"))
    buffer.add(batch, 3, 77)
    (record,) = buffer.records
    assert record[:4] == (3, 77, START + 2, START + 9)
    assert (record.headers, record.payloads) == (batch.headers, batch.payloads)
    assert array("i", record.datastreams).tolist() == [5, 6]


def test_a_record_that_spans_hours_of_reception_is_divided() -> None:
    buffer = ObservationBuffer()
    observations = [at(START, 1), at(START + 3 * HOUR, 2), at(START + 5, 3)]
    buffer.add(decoded(record_with_headers(observations, "run")), 0, 0)
    early, late = sorted(buffer.records, key=lambda one: one.first_received)
    assert (early.first_received, early.last_received) == (START, START + 5)
    assert array("i", early.datastreams).tolist() == [1, 3]
    assert [one.sequence for one in decode_headers(early.headers).messages] == [0, 2]
    assert decode_payloads(late.payloads) == (payload_of(observations[1]),)


@pytest.mark.parametrize("headers", [b"\xc1", b"wrong count", b"negative"])
def test_invalid_headers_lose_no_observation(headers: bytes) -> None:
    buffer = ObservationBuffer()
    batch = decoded(record_with_headers([at(START, 1), at(START, 2)], "run"))
    message_headers = decode_headers(batch.headers)
    if headers == b"wrong count":
        headers = encode_headers(replace(message_headers, messages=message_headers.messages[:1]))
    elif headers == b"negative":
        messages = tuple(
            replace(message, observations=count)
            for message, count in zip(message_headers.messages, (-1, 3), strict=True)
        )
        headers = encode_headers(replace(message_headers, messages=messages))
    assert len(buffer.add(replace(batch, headers=headers), 0, 0)) == 1
    assert len(buffer.firsts) == 2
    assert buffer.feed_minutes == [("", START)]
    assert not buffer.records
    assert not buffer.messages
