"""The time of reception that a replayed recording gives a message."""

from __future__ import annotations

import pytest

from ingest.mqtt.message import (
    REPLAY_ANY_AGE_PROPERTY,
    REPLAY_RANK_PROPERTY,
    REPLAY_TIME_PROPERTY,
    ReceptionTimes,
    ReplayedReception,
    replayed_reception,
)
from simulators.replay import player
from simulators.replay.player import Playing
from tests.support.pipelines.intake import make_intake, make_message, noise_payload
from twin.instant import DAY, HOUR, SECOND, format_instant, parse_instant

NOW = parse_instant("2026-11-24T12:00:00Z")


def test_a_replayed_message_has_the_time_of_reception_of_its_recording() -> None:
    properties = [("other", "x"), (REPLAY_TIME_PROPERTY, "2017-10-29T01:45:00Z")]
    assert replayed_reception(properties, NOW).time == parse_instant("2017-10-29T01:45:00Z")


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
    assert replayed_reception(properties, NOW).time == NOW


def test_replay_and_ingest_use_the_same_properties() -> None:
    assert player.REPLAY_TIME == REPLAY_TIME_PROPERTY
    assert player.REPLAY_RANK == REPLAY_RANK_PROPERTY
    assert player.REPLAY_ANY_AGE == REPLAY_ANY_AGE_PROPERTY


def test_a_play_of_history_ranks_its_messages() -> None:
    properties = Playing(started=NOW - HOUR).user_properties(NOW - DAY, 3)
    assert replayed_reception(properties, NOW) == ReplayedReception(NOW - DAY, NOW - HOUR + 3)


def test_a_correction_is_received_now_without_a_rank() -> None:
    plain = Playing(started=NOW - HOUR, correction=True)
    old = Playing(started=NOW - HOUR, correction=True, any_age=True)
    assert replayed_reception(plain.user_properties(NOW - DAY, 3), NOW) == ReplayedReception(NOW)
    assert replayed_reception(old.user_properties(NOW - DAY, 3), NOW) == ReplayedReception(NOW, 0, True)


@pytest.mark.parametrize("rank", ["", "-1", "x", "1e3", "1" * 30, format_instant(NOW), str(NOW + HOUR)])
def test_a_message_without_a_valid_rank_has_that_of_its_arrival(rank: str) -> None:
    properties = [(REPLAY_TIME_PROPERTY, format_instant(NOW - DAY)), (REPLAY_RANK_PROPERTY, rank)]
    assert replayed_reception(properties, NOW) == ReplayedReception(NOW - DAY, NOW)


def test_each_message_has_a_time_of_reception_of_its_own() -> None:
    times = ReceptionTimes()
    assert times.first_of(1, NOW) == NOW
    assert times.first_of(3, NOW) == NOW + 1, "NOW is taken"
    assert times.first_of(2, NOW + SECOND) == NOW + SECOND - 1, "the last message of a batch arrives now"
    assert times.first_of(1, NOW + SECOND // 2) == NOW + SECOND + 1, "the clock steps back a little"
    assert times.first_of(1, NOW - HOUR) == NOW - HOUR, "the clock was set back"


def test_an_old_recording_is_accepted_only_with_its_own_time() -> None:
    payload = noise_payload(48.5, time="2017-10-29T01:45:00Z")
    then = replayed_reception([(REPLAY_TIME_PROPERTY, "2017-10-29T01:45:00Z")], NOW).time
    taken = make_intake().process(make_message(payload, received=then))
    assert taken.quarantined is None
    assert [one.phenomenon_time for one in taken.observations] == [then]
    refused = make_intake().process(make_message(payload, received=NOW)).quarantined
    assert refused is not None
    assert refused.reason == "time-too-old"
