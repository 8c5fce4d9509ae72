"""Invented topics, devices, names and units do not fill a cache."""

from __future__ import annotations

import sys

import pytest

from ingest.decoders import registry
from ingest.decoders.senml import _known_last_part
from ingest.mqtt.message import MESSAGE_OVERHEAD_BYTES, MqttMessage, memory_bytes
from ingest.pipeline.intake import TOPIC_CACHED_CHARACTERS_MAX, TOPIC_CHARACTERS_MAX
from ingest.pipeline.mapping import DeviceMap
from tests.support.cities.small_cities import meter_city, small_city
from tests.support.payloads.device_payloads import DSMR_V5
from tests.support.pipelines.intake import NOISE_TOPIC, NOON, make_intake, make_message, noise_payload
from twin.errors import UnitError


def test_a_topic_that_is_too_long_is_rejected() -> None:
    topic = f"livetwin/town/{'a' * TOPIC_CHARACTERS_MAX}/observations"
    taken = make_intake().process(make_message(b'{"values":{"noise_level":50}}', topic), 0)
    assert taken.quarantined is not None
    assert taken.quarantined.reason == "too-large"
    assert f"at most {TOPIC_CHARACTERS_MAX}" in taken.quarantined.detail


def test_a_payload_on_a_topic_that_is_too_long_is_still_redacted() -> None:
    topic = f"dsmr/{'a' * TOPIC_CHARACTERS_MAX}/telegram"
    taken = make_intake(meter_city()).process(make_message(DSMR_V5, topic), 0)
    assert taken.quarantined is not None
    assert b"4530303632" not in taken.quarantined.payload


def test_long_topics_are_processed_and_not_cached() -> None:
    intake = make_intake()
    long = f"livetwin/town/{'a' * TOPIC_CACHED_CHARACTERS_MAX}/observations"
    for topic in (long, NOISE_TOPIC):
        intake.process(make_message(noise_payload(50.0), topic), 0)
    assert list(intake._topic_contexts) == [NOISE_TOPIC]


def test_invented_units_are_rejected_and_not_cached() -> None:
    devices = DeviceMap(small_city(), registry(), 4)
    device = devices.find(("native",), "level-1")
    assert device is not None
    [target] = device.targets["water_level"]
    for number in range(100):
        with pytest.raises(UnitError, match="is unknown") as refused:
            devices.conversion(target, "u" * 10_000 + str(number))
        assert len(str(refused.value)) < 100
    assert devices.conversion(target, "cm").scale == 0.01
    assert len(devices._unit_conversions) == 1


def test_long_names_in_a_pack_are_not_cached() -> None:
    before = _known_last_part.cache_info().currsize
    pack = b'[{"n":"%s","v":1}]' % (b"a" * 100_000)
    assert make_intake(payload_bytes_max=200_000).process(make_message(pack), 0).observations == []
    assert _known_last_part.cache_info().currsize == before


def test_empty_messages_count_in_the_buffer() -> None:
    empty = MqttMessage("t" * 60_000, b"", NOON, 0, 0, 1)
    assert memory_bytes([empty] * 3) == 3 * (60_000 + MESSAGE_OVERHEAD_BYTES)
    assert sys.getsizeof(empty) + sys.getsizeof("") + sys.getsizeof(b"") <= MESSAGE_OVERHEAD_BYTES
