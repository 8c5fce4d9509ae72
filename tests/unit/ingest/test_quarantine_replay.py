"""Replays of quarantined messages: the content of the answer, and why a replay may fail."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgspec
import pytest

from ingest.pipeline.intake import REPLAYED_SEQUENCE, ProcessedMessage
from ingest.pipeline.quarantine_replay import ReplayRequest, replay_message
from tests.support.cities.small_cities import meter_city, small_city
from tests.support.payloads.device_payloads import DSMR_V5, HOMEWIZARD_V1, RECEIVED
from tests.support.pipelines.intake import NOON, SESSION, make_intake, make_message, noise_payload
from twin.model.city_model import CityModel
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import QuarantinedMessage

NEW = "livetwin/town/noise-9/observations"
METER = "dsmr/gw-12/telegram"
METER_ID = b"4530303632303030303132333435363738"


def with_noise_9() -> CityModel:
    model = small_city(2)
    sensor = replace(model.sensors["noise-1"], id="noise-9", device="noise-9")
    datastream = replace(model.datastreams[1], id=9, sensor="noise-9")
    return replace(
        model, sensors={**model.sensors, "noise-9": sensor}, datastreams={**model.datastreams, 9: datastream}
    )


def quarantined(taken: ProcessedMessage) -> QuarantinedMessage:
    assert taken.quarantined is not None
    return taken.quarantined


def again(original: QuarantinedMessage, model: CityModel | None = None, number: int = 0) -> ProcessedMessage:
    return replay_message(make_intake(model), ReplayRequest(original, NOON, number))


UNKNOWN = quarantined(make_intake().process(make_message(noise_payload(61.5), NEW), 5))


def test_a_replay_for_an_added_sensor_gives_the_observations_of_a_known_one() -> None:
    taken = again(UNKNOWN, with_noise_9())
    known = make_intake(with_noise_9()).process(make_message(noise_payload(61.5), NEW), 5)
    assert (taken.partition, taken.observations) == (known.partition, known.observations)
    assert taken.payload == noise_payload(61.5)
    assert known.header is not None
    assert taken.header == msgspec.structs.replace(known.header, sequence=REPLAYED_SEQUENCE)


def test_the_answer_names_the_original_and_reports_success() -> None:
    answer = quarantined(again(UNKNOWN, with_noise_9()))
    assert answer == msgspec.structs.replace(
        UNKNOWN,
        id=answer.id,
        replay_of=UNKNOWN.id,
        reason="",
        detail="",
        observations=1,
        device="noise-9",
        payload=b"",
    )
    assert (answer.session, answer.sequence) == (SESSION, 5)


def test_every_request_has_its_own_id_and_its_repetition_the_same() -> None:
    ids = [quarantined(again(UNKNOWN, number=number)).id for number in (1, 2, 2)]
    assert len({UNKNOWN.id, *ids}) == 3


def test_a_failed_replay_is_answered_with_the_present_reason() -> None:
    taken = again(UNKNOWN)
    answer = quarantined(taken)
    assert taken.observations == []
    assert (answer.replay_of, answer.reason) == (UNKNOWN.id, "unknown-sensor")
    assert answer.detail == UNKNOWN.detail
    assert answer.id != UNKNOWN.id


def test_a_partly_successful_replay_is_answered_with_both() -> None:
    payload = b"[" + noise_payload(61.5) + b"," + noise_payload("loud") + b"]"
    answer = quarantined(again(quarantined(make_intake().process(make_message(payload), 0))))
    assert (answer.reason, answer.observations) == ("not-a-number", 1)


def test_observations_are_sorted_by_event_time() -> None:
    times = ["2026-11-23T11:59:58Z", "2026-11-23T11:00:00Z", "2026-11-23T11:30:00Z"]
    payload = b"[" + b",".join(noise_payload(60.0, time) for time in times) + b"]"
    original = quarantined(make_intake().process(make_message(payload, NEW), 0))
    observed = [one.phenomenon_time for one in again(original, with_noise_9()).observations]
    assert observed == sorted(observed)
    assert len(observed) == 3


def test_a_payload_that_was_cut_off_cannot_be_replayed_and_the_answer_says_so() -> None:
    original = quarantined(
        make_intake(quarantine_bytes_max=10).process(make_message(noise_payload(61.5), NEW), 0)
    )
    taken = again(original, with_noise_9())
    answer = quarantined(taken)
    assert (taken.observations, taken.header) == ([], None)
    assert (answer.replay_of, answer.reason) == (original.id, "unknown-sensor")
    assert answer.detail == (
        f"the payload had {len(noise_payload(61.5))} bytes, of which 10 were kept; an incomplete "
        "payload cannot be replayed. Raise LIVETWIN_QUARANTINE_BYTES_MAX to keep more in future"
    )


def test_a_replayed_redacted_telegram_keeps_its_hash_and_pseudonyms() -> None:
    original = quarantined(
        make_intake(meter_city(device="gw-0")).process(make_message(DSMR_V5, METER, RECEIVED), 0)
    )
    assert METER_ID not in original.payload
    taken = again(original, meter_city())
    assert quarantined(taken).reason == ""
    assert [one.value for one in taken.observations] == [0.244]
    assert taken.header is not None
    assert taken.header.payload_sha256 == hashlib.sha256(DSMR_V5).digest()
    assert taken.header.payload_bytes == len(DSMR_V5)
    assert taken.payload == original.payload


@pytest.mark.parametrize(
    ("feed", "topic", "payload", "reason"),
    [
        ("dsmr", METER, DSMR_V5, "malformed"),
        ("homewizard", "homewizard/gw-12/measurement", HOMEWIZARD_V1, "malformed"),
    ],
)
def test_a_redacted_payload_that_was_cut_off_fails_and_the_answer_says_why(
    feed: str, topic: str, payload: bytes, reason: str
) -> None:
    before = make_intake(meter_city(feed, "gw-0"), quarantine_bytes_max=300)
    original = quarantined(before.process(make_message(payload, topic, RECEIVED), 0))
    taken = again(original, meter_city(feed))
    answer = quarantined(taken)
    assert taken.observations == []
    assert answer.reason == reason
    assert f"redacted and has {len(original.payload)} of {len(payload)} bytes" in answer.detail


def test_a_replay_keeps_no_payload_where_none_are_kept() -> None:
    original = quarantined(
        make_intake(meter_city(device="gw-0")).process(make_message(DSMR_V5, METER, RECEIVED), 0)
    )
    for message, model in ((original, meter_city()), (UNKNOWN, with_noise_9())):
        taken = replay_message(make_intake(model, keep_payloads=False), ReplayRequest(message, NOON, 0))
        assert taken.header is not None
        assert taken.payload == b""


def test_a_record_of_the_log_cannot_be_replayed() -> None:
    payload = b"\x93\x09"
    original = QuarantinedMessage(
        version=LAYOUT_VERSION,
        id="abc",
        feed="",
        topic="log:observations/0",
        received_time=NOON,
        reason="decoder-failed",
        detail="record at offset 7",
        payload=payload,
        payload_bytes=len(payload),
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        session="",
        sequence=0,
        observations=0,
    )
    answer = quarantined(again(original))
    assert (answer.replay_of, answer.reason) == ("abc", "decoder-failed")
    assert "not a message of a device" in answer.detail


def test_a_replay_keeps_the_rank_of_the_message() -> None:
    taken = again(msgspec.structs.replace(UNKNOWN, rank=7), with_noise_9())
    assert [one.rank for one in taken.observations] == [7]
