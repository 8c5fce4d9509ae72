"""The time of reception that a replayed message brings along."""

from __future__ import annotations

import pytest

from ingest.mqtt.message import REPLAY_TIME_PROPERTY, replay_time
from simulators.replay import player
from tests.support.pipelines.intake import make_intake, make_message, noise_payload
from twin.instant import HOUR, format_instant, parse_instant

NOW = parse_instant("2026-11-24T12:00:00Z")


def test_a_replayed_message_is_received_when_its_recording_says() -> None:
    told = [("other", "x"), (REPLAY_TIME_PROPERTY, "2017-10-29T01:45:00Z")]
    assert replay_time(told, NOW) == parse_instant("2017-10-29T01:45:00Z")


@pytest.mark.parametrize(
    "told",
    [
        [],
        [("other", "2017-10-29T01:45:00Z")],
        [(REPLAY_TIME_PROPERTY, "yesterday")],
        [(REPLAY_TIME_PROPERTY, "2017-10-29T01:45:00")],
        [(REPLAY_TIME_PROPERTY, format_instant(NOW + HOUR))],
    ],
)
def test_a_message_that_brings_no_time_that_can_be_is_received_now(told: list[tuple[str, str]]) -> None:
    assert replay_time(told, NOW) == NOW


def test_replay_and_ingest_mean_the_same_property() -> None:
    assert player.REPLAY_TIME == REPLAY_TIME_PROPERTY


def test_a_recording_of_years_ago_passes_where_its_time_is_believed_and_nowhere_else() -> None:
    payload = noise_payload(48.5, time="2017-10-29T01:45:00Z")
    then = replay_time([(REPLAY_TIME_PROPERTY, "2017-10-29T01:45:00Z")], NOW)
    taken = make_intake().process(make_message(payload, received=then))
    assert taken.quarantined is None
    assert [one.phenomenon_time for one in taken.observations] == [then]
    refused = make_intake().process(make_message(payload, received=NOW)).quarantined
    assert refused is not None
    assert refused.reason == "time-too-old"
