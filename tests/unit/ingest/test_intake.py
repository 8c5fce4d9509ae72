"""What the intake returns beside observations: headers, quarantined messages, payloads and probes."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgspec
import pytest

from ingest.decoders import registry
from ingest.pipeline.intake import DEVICE_CHARACTERS_MAX, MESSAGE_OBSERVATIONS_MAX, REPLAYED_SEQUENCE
from ingest.pipeline.quarantine_replay import ReplayRequest, replay_message
from storage.stores.quarantine_usage import QuarantineLimits, limit_messages
from tests.support.cities.small_cities import meter_city, small_city
from tests.support.payloads.device_payloads import DSMR_V5, RECEIVED
from tests.support.pipelines.intake import (
    NOISE_TOPIC,
    NOON,
    SESSION,
    make_intake,
    make_message,
    noise_payload,
)
from twin.instant import DAY, SECOND, Duration, format_instant
from twin.model.city_model import CityFeed, CityModel
from twin.wire.messages import MessageHeader
from twin.wire.probe import Probe, probe_topic

METER = "dsmr/gw-12/telegram"
METER_ID = b"4530303632303030303132333435363738"


def test_a_header_describes_the_message_of_the_observations() -> None:
    payload = noise_payload(61.5)
    taken = make_intake().process(make_message(payload), 7)
    assert taken.header == MessageHeader(
        sequence=7,
        received_time=NOON,
        topic=NOISE_TOPIC,
        feed="native",
        device="noise-1",
        decoder="native",
        decoder_version=registry()["native"].version,
        observations=1,
        payload_bytes=len(payload),
        payload_sha256=hashlib.sha256(payload).digest(),
    )
    assert taken.payload == payload
    assert taken.quarantined is None


def test_a_message_that_is_not_wholly_usable_has_one_number_in_both_places() -> None:
    payload = b"[" + noise_payload(61.5) + b"," + noise_payload("loud") + b"]"
    taken = make_intake().process(make_message(payload), 3)
    assert taken.header is not None
    assert taken.quarantined is not None
    assert taken.header.observations == taken.quarantined.observations == len(taken.observations) == 1
    assert taken.header.sequence == taken.quarantined.sequence == 3
    assert taken.quarantined.session == SESSION
    assert taken.quarantined.reason == "not-a-number"


@pytest.mark.parametrize(
    ("topic", "payload", "reason", "device", "decoder"),
    [
        (NOISE_TOPIC, b"{", "malformed", "noise-1", "native"),
        ("livetwin/town/Nobody-9/observations", noise_payload(1), "unknown-sensor", "Nobody-9", "native"),
        ("no/feed", b"", "unknown-topic", "", ""),
        (NOISE_TOPIC, b'{"values":{"other":1}}', "no-observation", "noise-1", "native"),
        (NOISE_TOPIC, noise_payload("loud"), "not-a-number", "noise-1", "native"),
    ],
)
def test_a_rejected_message_has_its_number_and_its_device_if_known(
    topic: str, payload: bytes, reason: str, device: str, decoder: str
) -> None:
    taken = make_intake().process(make_message(payload, topic), 11)
    assert (taken.observations, taken.header, taken.payload) == ([], None, b"")
    found = taken.quarantined
    assert found is not None
    assert (found.reason, found.device, found.decoder) == (reason, device, decoder)
    assert found.decoder_version == (registry()[decoder].version if decoder else 0)
    assert found.feed == ("native" if decoder else "")
    assert (found.session, found.sequence, found.observations) == (SESSION, 11, 0)
    assert found.payload == payload


@pytest.mark.parametrize(
    ("topic", "device"),
    [
        ("livetwin/town/hostile-1/observations", "hostile-1"),
        ("v3/town@ttn/devices/eui-70b3d57ed0001234/up", "eui-70b3d57ed0001234"),
        ("application/7/device/70b3d57ed0001234/event/up", "70b3d57ed0001234"),
        ("dsmr/gw-12/telegram", "gw-12"),
        ("homewizard/p1-12/measurement", "p1-12"),
        ("airrohr/esp8266-12", "esp8266-12"),
        ("buoys/b-1/json", "b-1"),
        ("pumps/p-1/motor/speed", "p-1"),
        ("pumps", ""),
        ("weir", ""),
        (f"livetwin/town/{'x' * 400}/observations", "x" * DEVICE_CHARACTERS_MAX),
    ],
)
def test_an_unreadable_payload_is_attributed_to_the_device_that_its_topic_names(
    topic: str, device: str
) -> None:
    # Quarantine has a bound for each device: those of a feed must not share it.
    feeds = (
        CityFeed(id="buoys", filter="buoys/+/json", decoder="json_fields", device_level=1),
        CityFeed(id="pumps", filter="pumps/#", decoder="json_fields"),
        CityFeed(id="weir", filter="weir", decoder="json_fields"),
    )
    intake = make_intake(replace(small_city(), feeds=feeds))
    for payload in (b"{", b"x" * 5_000):
        found = intake.process(make_message(payload, topic), 1).quarantined
        assert found is not None
        assert found.device == device


def test_unreadable_payloads_of_one_device_leave_room_for_those_of_others() -> None:
    intake = make_intake()
    hostile = make_message(b"x" * 4_000, "livetwin/town/hostile-1/observations")
    processed = [intake.process(hostile, number) for number in range(20)]
    processed.append(intake.process(make_message(b"{", NOISE_TOPIC), 20))
    quarantined = [one.quarantined for one in processed if one.quarantined is not None]
    limited = limit_messages(quarantined, {}, QuarantineLimits(device=16_384))
    assert limited.heads + limited.counted > 10
    assert limited.stored[-1].payload == b"{"


def test_the_long_name_of_an_unknown_device_is_cut_off() -> None:
    taken = make_intake().process(
        make_message(noise_payload(1), f"livetwin/town/{'x' * 400}/observations"), 0
    )
    assert taken.quarantined is not None
    assert taken.quarantined.device == "x" * DEVICE_CHARACTERS_MAX


def test_two_receptions_of_one_payload_at_one_time_are_two_quarantined_messages() -> None:
    intake = make_intake()
    first, second, again = (intake.process(make_message(b"{"), number).quarantined for number in (0, 1, 1))
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert second == again


def test_a_replayed_message_has_no_number() -> None:
    header = make_intake().process(make_message(noise_payload(1))).header
    assert header is not None
    assert header.sequence == REPLAYED_SEQUENCE


def test_personal_payloads_are_kept_with_pseudonyms_and_the_hash_of_the_original() -> None:
    taken = make_intake(meter_city()).process(make_message(DSMR_V5, METER, RECEIVED), 0)
    assert taken.header is not None
    assert taken.header.payload_sha256 == hashlib.sha256(DSMR_V5).digest()
    assert taken.header.payload_bytes == len(DSMR_V5)
    assert METER_ID in DSMR_V5
    assert METER_ID not in taken.payload
    assert b"1-0:1.7.0(00.244*kW)" in taken.payload


def test_payloads_may_be_left_out_while_their_hashes_stay() -> None:
    taken = make_intake(keep_payloads=False).process(make_message(noise_payload(1)), 0)
    assert taken.payload == b""
    assert taken.header is not None
    assert taken.header.payload_sha256 == hashlib.sha256(noise_payload(1)).digest()


def test_quarantine_keeps_the_beginning_of_a_payload_redacted_and_within_its_bound() -> None:
    taken = make_intake(meter_city(), quarantine_bytes_max=200).process(
        make_message(DSMR_V5[:-3], METER, RECEIVED), 0
    )
    assert taken.quarantined is not None
    assert taken.quarantined.payload_bytes == len(DSMR_V5) - 3
    assert len(taken.quarantined.payload) <= 200
    assert METER_ID not in taken.quarantined.payload


def crowded(targets: int) -> CityModel:
    """Return the small city with so many datastreams behind one field of one sensor."""
    model = small_city()
    first = model.datastreams[1]
    return replace(model, datastreams={number: replace(first, id=number) for number in range(1, targets + 1)})


def test_a_message_with_too_many_observations_is_rejected_as_a_whole() -> None:
    targets = 1_000
    count = MESSAGE_OBSERVATIONS_MAX // targets
    payload = b"[" + b",".join([noise_payload(61.5)] * count) + b"]"
    intake = make_intake(crowded(targets))
    assert len(intake.process(make_message(payload), 0).observations) == MESSAGE_OBSERVATIONS_MAX
    taken = intake.process(make_message(payload[:-1] + b"," + noise_payload(61.5) + b"]"), 1)
    assert taken.observations == []
    assert taken.header is None
    assert taken.quarantined is not None
    assert taken.quarantined.reason == "too-large"
    assert taken.quarantined.detail == (
        "the message holds 11000 observations, at most 10000 are accepted; send them in several messages"
    )


def uplink(device: str) -> bytes:
    return (
        b'{"end_device_ids":{"device_id":"%s"},"uplink_message":{"decoded_payload":{"noise_level":55}}}'
        % device.encode()
    )


def test_devices_that_share_a_topic_are_distinguished_by_their_payloads() -> None:
    model = small_city()
    sensors = {one.id: replace(one, feed="lora") for one in model.sensors.values()}
    feed = CityFeed(id="lora", filter="lora/up", decoder="ttn")
    intake = make_intake(replace(model, sensors=sensors, feeds=(feed,)))
    names = ["noise-1", "noise-2", "noise-1", "noise-9", "noise-2"]
    taken = [
        intake.process(make_message(uplink(name), "lora/up"), number) for number, name in enumerate(names)
    ]
    assert [one.header.device if one.header else None for one in taken] == [*names[:3], None, names[4]]
    assert taken[0].observations == taken[2].observations != taken[1].observations


def test_probes_are_separated_from_messages_and_have_no_number() -> None:
    probe = b'{"time":"2026-11-23T11:59:59Z","values":{"beat":1}}'
    topic = probe_topic("town")
    messages = [
        make_message(noise_payload(60.0)),
        make_message(probe, topic),
        make_message(b"{", topic),
        make_message(noise_payload(61.0)),
    ]
    batch = make_intake().process_batch(messages, 7)
    assert batch.probes == [Probe(NOON - SECOND)]
    assert batch.received == [messages[0], *messages[2:]]
    assert [result.header.sequence if result.header else None for result in batch.processed] == [7, None, 9]
    refused = batch.processed[1].quarantined
    assert refused is not None
    assert (refused.reason, refused.sequence) == ("malformed", 8)


def test_topics_beyond_the_cache_are_processed_like_others() -> None:
    intake = make_intake(topics_cached_max=2)
    topics = [f"livetwin/town/noise-{number}/observations" for number in (1, 2, 3, 1, 3)]
    found = [intake.process(make_message(noise_payload(50.0), topic)).header for topic in topics]
    assert [header.topic if header else None for header in found] == topics


def test_the_last_of_several_values_of_one_key_becomes_known_last() -> None:
    at = '"n":"noise_level","u":"dB[A]"'
    payload = f'[{{{at},"v":50,"t":{NOON // 1_000_000}}},{{{at},"v":40}},{{{at},"v":45,"t":1}}]'.replace(
        '"t":1}', f'"t":{NOON // 1_000_000 - 60}}}'
    )
    payload = payload.replace('"v":40', f'"v":40,"t":{NOON // 1_000_000}')
    taken = make_intake().process(make_message(payload.encode()))
    assert [(one.value, one.rank) for one in taken.observations] == [(50.0, 0), (40.0, 1), (45.0, 0)]


def test_the_rank_of_a_message_is_that_of_its_observations_header_and_quarantined_copy() -> None:
    ranked = msgspec.structs.replace(make_message(noise_payload(48.5)), rank=7)
    taken = make_intake().process(ranked)
    assert taken.header is not None
    assert ([one.rank for one in taken.observations], taken.header.rank) == ([7], 7)
    refused = make_intake().process(msgspec.structs.replace(ranked, payload=b"{")).quarantined
    assert refused is not None
    assert refused.rank == 7


def with_age_limit(age_max: Duration | None) -> CityModel:
    model = small_city()
    noise = replace(model.properties["noise_level"], age_max=age_max)
    return replace(model, properties={**model.properties, "noise_level": noise})


@pytest.mark.parametrize(
    ("age_max", "age", "refused"),
    [
        (None, 366 * DAY, False),
        (None, 366 * DAY + SECOND, True),
        (3650 * DAY, 3650 * DAY, False),
        (3650 * DAY, 3650 * DAY + SECOND, True),
        (DAY, DAY, False),
        (DAY, DAY + SECOND, True),
    ],
)
def test_the_limit_of_age_is_that_of_the_property(
    age_max: Duration | None, age: Duration, refused: bool
) -> None:
    message = make_message(noise_payload(48.5, format_instant(NOON - age)))
    taken = make_intake(with_age_limit(age_max)).process(message)
    assert len(taken.observations) == (not refused)
    if refused:
        assert taken.quarantined is not None
        assert taken.quarantined.reason == "time-too-old"
        days = (366 * DAY if age_max is None else age_max) // DAY
        assert f"at most {days} days are allowed: raise ageMax" in taken.quarantined.detail


def test_an_operator_may_correct_values_of_any_age() -> None:
    old = make_message(noise_payload(48.5, "1998-10-28T12:00:00Z"))
    taken = make_intake().process(msgspec.structs.replace(old, any_age=True))
    assert [one.value for one in taken.observations] == [48.5]
    wrong = make_message(noise_payload(-500, "1998-10-28T12:00:00Z"))
    refused = make_intake().process(msgspec.structs.replace(wrong, any_age=True)).quarantined
    assert refused is not None
    assert refused.reason == "out-of-range"


@pytest.mark.parametrize(
    ("payload", "is_used"),
    [
        (b'{"time":"2026-11-23T11:59:00Z","values":{"noise_level":61.5}}', True),
        (b'{"values":{"noise_level":61.5}}', False),
        (b'[{"n":"noise_level","v":61.5,"t":-60}]', False),
        (b'[{"n":"noise_level","v":61.5,"t":1795435140}]', True),
        (b"{", False),
    ],
    ids=["own time", "no time", "time since reception", "absolute time", "malformed"],
)
def test_a_retained_message_counts_only_with_a_time_of_its_own(payload: bytes, is_used: bool) -> None:
    message = msgspec.structs.replace(make_message(payload), retained=True)
    taken = make_intake().process(message, 0)
    assert bool(taken.observations) == is_used
    if not is_used:
        assert taken.quarantined is not None
        assert taken.quarantined.reason == "retained"
        # A replay knows it: the time of its reception is still not that of its measurement.
        request = ReplayRequest(taken.quarantined, NOON + DAY, 0)
        assert replay_message(make_intake(), request).observations == []


def test_a_retained_message_of_an_unknown_device_is_not_used_once_the_device_is_known() -> None:
    message = make_message(b'{"values":{"noise_level":61.5}}', "livetwin/town/Nobody-9/observations")
    taken = make_intake().process(msgspec.structs.replace(message, retained=True), 0)
    assert taken.quarantined is not None
    assert taken.quarantined.reason == "retained"
