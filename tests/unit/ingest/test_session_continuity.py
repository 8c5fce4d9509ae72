"""Interruptions of the session are counted, reported at intervals, and noticed after a restart of ingest."""

from __future__ import annotations

from pathlib import Path

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from ingest.mqtt.continuity import REPORT_INTERVAL, SessionContinuity
from ingest.pipeline.interruptions import interruption_record
from twin.instant import SECOND, Instant

TAKEN_OVER = ReasonCode(PacketTypes.DISCONNECT, "Session taken over")
SHUTTING_DOWN = ReasonCode(PacketTypes.DISCONNECT, "Server shutting down")
NOW = 1_800_000_000 * SECOND


class StandingClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> Instant:
        return self.now


def test_a_session_is_lost_only_if_there_was_one(tmp_path: Path) -> None:
    file = tmp_path / "state" / "session"
    first = SessionContinuity(StandingClock(), file)
    assert not first.on_connected(session_present=False)
    assert not first.on_connected(session_present=True)
    after_restart = SessionContinuity(StandingClock(), file)
    assert after_restart.on_connected(session_present=False)
    assert [one.reason for one in after_restart.due_reports()] == ["session-lost"]
    after_restart.on_ended()
    assert not SessionContinuity(StandingClock(), file).on_connected(session_present=False)


def test_repeated_interruptions_are_reported_once_a_minute_with_their_number() -> None:
    clock = StandingClock()
    session = SessionContinuity(clock)
    assert not session.on_disconnected(SHUTTING_DOWN)
    assert session.due_reports() == []
    for _ in range(13):
        assert session.on_disconnected(TAKEN_OVER)
        clock.now += SECOND
    [first] = session.due_reports()
    assert (first.reason, first.times) == ("session-taken-over", 13)
    assert session.on_disconnected(TAKEN_OVER)
    assert session.due_reports() == []
    clock.now += REPORT_INTERVAL
    [second] = session.due_reports()
    assert second.times == 1
    records = [interruption_record(one).quarantined for one in (first, second)]
    assert all(one is not None and not one.session and one.sequence < 0 for one in records)
    details = [one.detail for one in records if one is not None]
    assert "13 times, from 2027-01-15T08:00:00Z to 2027-01-15T08:00:12Z" in details[0]
    assert "once, at 2027-01-15T08:00:13Z" in details[1]
