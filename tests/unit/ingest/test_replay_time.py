"""The time of reception that a replayed recording gives a message."""

from __future__ import annotations

import pytest

from ingest.mqtt.message import REPLAY_TIME_PROPERTY, replay_time
from simulators.replay import player
from tests.support.pipelines.intake import make_intake, make_message, noise_payload
from twin.instant import HOUR, format_instant, parse_instant

NOW = parse_instant("2026-11-24T12:00:00Z")


def test_a_replayed_message_has_the_time_of_reception_of_its_recording() -> None:
    properties = [("other", "x"), (REPLAY_TIME_PROPERTY, "2017-10-29T01:45:00Z")]
    assert replay_time(properties, NOW) == parse_instant("2017-10-29T01:45:00Z")


@pytest.mark.parametrize(
    "properties",
    [
        [],
        [("other", "2017-10-29T01:45:00Z")],
        [(REPLAY_TIME_PROPERTY, "yesterday")],
        [(REPLAY_TIME_PROPERTY, "2017-10-29T01:45:00")],
        [(REPLAY_TIME_PROPERTY, format_instant(NOW + HOUR))],
    ],
)
def test_a_message_without_a_valid_time_is_received_now(properties: list[tuple[str, str]]) -> None:
    assert replay_time(properties, NOW) == NOW


def test_replay_and_ingest_use_the_same_property() -> None:
    assert player.REPLAY_TIME == REPLAY_TIME_PROPERTY


def test_an_old_recording_is_accepted_only_with_its_own_time() -> None:
    payload = noise_payload(48.5, time="2017-10-29T01:45:00Z")
    then = replay_time([(REPLAY_TIME_PROPERTY, "2017-10-29T01:45:00Z")], NOW)
    taken = make_intake().process(make_message(payload, received=then))
    assert taken.quarantined is None
    assert [one.phenomenon_time for one in taken.observations] == [then]
    refused = make_intake().process(make_message(payload, received=NOW)).quarantined
    assert refused is not None
    assert refused.reason == "time-too-old"
