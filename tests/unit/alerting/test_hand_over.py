"""Whoever comes on call is told so, once, with what is open: at a shift, an override, another plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from alerting.delivery.acknowledge_links import occurrence_digest
from alerting.incidents.incident_state import Recipient
from alerting.messages.hand_over_text import fit_hand_over
from alerting.messages.outgoing_message import AttemptResult, MessageState, OutgoingMessage
from tests.support.cities.rosters import ZONE, at, calendar_text
from tests.support.payloads.alarm_events import acknowledged_event, incident_event, returned_event
from tests.support.pipelines.duty_loop import (
    INCIDENT,
    NOON,
    POLICY,
    DutyLoop,
    SentMessage,
    duty_alarm,
    duty_plan,
)
from twin.alarms.messages import AlarmBatch
from twin.alarms.rules.schedule import WeeklyInterval
from twin.alarms.severity import Severity
from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration
from twin.model.duty import DutyOverride, DutyPlan, DutyTeam, QuietHours, StormLimit
from twin.wire.codec import LAYOUT_VERSION

MEMBERS = ("first", "second", "third")


def shift(contact: str, start: str, end: str, rule: str = "") -> tuple[str, ...]:
    """Return the event of a shift; times are local, such as 20261123T080000."""
    times = (f"DTSTART;{ZONE}:{start}", f"DTEND;{ZONE}:{end}")
    return (f"UID:{contact}-{start}", *times, f"SUMMARY:{contact}", *((f"RRULE:{rule}",) if rule else ()))


def plan_of(*events: tuple[str, ...], **changes: Any) -> DutyPlan:
    """Return a plan whose team hands over by mail; without events the first member is always on call."""
    calendar = calendar_text(*events) if events else ""
    team = DutyTeam(id="water", name="Duty water", members=MEMBERS, calendar=calendar, hand_over=("mail",))
    return duty_plan(**{"teams": (team,), **changes})


# The first until 13:00 local time, then the second until 16:00, then the first again.
AFTERNOON = plan_of(
    shift("first", "20261123T080000", "20261123T130000"),
    shift("second", "20261123T130000", "20261123T160000"),
    shift("first", "20261123T160000", "20261124T080000"),
)


def override(contact: str, start: Duration, end: Duration) -> DutyOverride:
    return DutyOverride(id=contact, team="water", contact=contact, start=NOON + start, end=NOON + end)


def hand_overs(run: DutyLoop) -> list[tuple[float, str]]:
    """Return minute and contact of the hand-overs that were sent."""
    return [(one.minute, one.contact) for one in run.sent if one.kind == "hand-over"]


def last_hand_over(run: DutyLoop) -> OutgoingMessage:
    return [one for one in run.messages.values() if one.hand_over is not None][-1]


# -- when -----------------------------------------------------------------------------------------------


def test_each_one_who_comes_on_call_is_told_when_the_shift_begins() -> None:
    run = DutyLoop(AFTERNOON)
    run.advance(6 * HOUR)
    assert hand_overs(run) == [(60.0, "second"), (240.0, "first")]
    text = last_hand_over(run).text
    assert text.title == "ON CALL · Duty water: you are on call until 24-11-2026 08:00"
    assert text.body == "before you: Duty officer second\nNo incident is open."
    assert text.answer_label == ""


def test_the_message_is_in_the_language_of_its_contact() -> None:
    run = DutyLoop(AFTERNOON)
    run.advance(HOUR)
    text = last_hand_over(run).text
    assert text.title == "DIENST · Duty water: u hebt dienst tot 23-11-2026 16:00"
    assert text.body == "voor u: Duty officer first\nEr staat geen incident open."


def test_nobody_is_told_without_the_key() -> None:
    [team] = AFTERNOON.teams
    run = DutyLoop(replace(AFTERNOON, teams=(replace(team, hand_over=()),)))
    run.advance(DAY)
    assert run.events == []
    assert run.memory.turns == {}


def test_a_shift_that_follows_one_of_the_same_contact_is_no_hand_over() -> None:
    run = DutyLoop(plan_of(shift("first", "20261101T080000", "20261102T080000", "FREQ=DAILY")))
    run.advance(40 * DAY)
    assert hand_overs(run) == []


def test_after_a_gap_whoever_comes_on_call_is_told_also_the_one_before_it() -> None:
    hours = "FREQ=DAILY;COUNT=3"
    run = DutyLoop(plan_of(shift("first", "20261123T080000", "20261123T170000", hours)))
    run.advance(2 * DAY)
    # 08:00 local time is 20 and 44 hours after noon; nobody is told that the gap begins.
    assert hand_overs(run) == [(20 * 60, "first"), (44 * 60, "first")]
    assert last_hand_over(run).text.body.startswith("before you: Duty officer first\n")


def test_an_override_hands_over_and_back() -> None:
    run = DutyLoop(plan_of(overrides=(override("third", 10 * MINUTE, 30 * MINUTE),)))
    run.advance(HOUR)
    assert hand_overs(run) == [(10.0, "third"), (30.0, "first")]


def test_an_override_to_oneself_is_no_hand_over() -> None:
    run = DutyLoop(plan_of(overrides=(override("first", 10 * MINUTE, 30 * MINUTE),)))
    run.advance(HOUR)
    assert hand_overs(run) == []


def test_an_override_that_begins_now_and_one_that_is_withdrawn_hand_over_at_once() -> None:
    run = DutyLoop(plan_of())
    run.advance(MINUTE)
    run.replace_plan(plan_of(overrides=(override("second", 0, HOUR),)))
    run.advance(MINUTE)
    run.replace_plan(plan_of(), version=3)
    assert hand_overs(run) == [(1.0, "second"), (2.0, "first")]


def test_a_team_that_is_new_or_begins_to_tell_hands_nothing_over() -> None:
    run = DutyLoop(duty_plan())
    run.replace_plan(AFTERNOON)
    run.advance(30 * MINUTE)
    assert hand_overs(run) == []
    run.replace_plan(duty_plan(), version=3)
    assert run.memory.turns == {}
    run.replace_plan(plan_of(overrides=(override("third", 0, HOUR),)), version=4)
    assert hand_overs(run) == []


@pytest.mark.parametrize(
    ("start", "changes"),
    [
        # The clock is put forward from 02:00 to 03:00, and the shift of 02:30 begins when 02:30 would be.
        ("2026-03-28T12:00:00Z", ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]),
        # The clock is put back from 03:00 to 02:00: of the two times 02:30 it is the first.
        ("2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
    ],
)
def test_a_hand_over_in_a_night_of_a_clock_change_happens_once(start: str, changes: list[str]) -> None:
    plan = plan_of(
        shift("first", "20260101T023000", "20260102T023000", "FREQ=DAILY;INTERVAL=2"),
        shift("second", "20260102T023000", "20260103T023000", "FREQ=DAILY;INTERVAL=2"),
    )
    run = DutyLoop(plan, start=at(start))
    run.advance(40 * HOUR)
    assert [one.time for one in run.events if one.outcome == "sent"] == list(map(at, changes))


def test_quiet_hours_do_not_delay_a_hand_over_and_a_storm_does_not_either() -> None:
    day = tuple(range(7))
    quiet = QuietHours(up_to=Severity.CRITICAL, intervals=(WeeklyInterval(day, 0, 24 * 60),))
    storm = StormLimit(messages=1, group="all")
    two = replace(AFTERNOON.teams[0], id="roads", name="Duty roads")
    run = DutyLoop(replace(AFTERNOON, quiet_hours=(quiet,), storm=storm, teams=(*AFTERNOON.teams, two)))
    run.advance(HOUR)
    assert hand_overs(run) == [(60.0, "second")] * 2
    assert {one.digest for one in run.events} == {""}, "each alone"


# -- once -----------------------------------------------------------------------------------------------


def test_a_hand_over_while_the_process_was_down_is_told_once_when_it_is_back(tmp_path: Path) -> None:
    run = DutyLoop(AFTERNOON, journal=tmp_path / "journal.sqlite")
    run.restart()
    run.now += 2 * HOUR
    for _ in range(3):
        run.advance(SECOND)
        run.restart()
    assert hand_overs(run) == [(120.0, "second")]
    run.close()


def test_a_hand_over_that_was_decided_is_sent_after_a_kill_and_a_doubtful_one_is_not_repeated(
    tmp_path: Path,
) -> None:
    run = DutyLoop(AFTERNOON, delivers=lambda _: None, journal=tmp_path / "journal.sqlite")
    run.now += HOUR
    run.manager.advance_to(run.now)
    run._keep(run.manager.take_change())  # killed before the attempt
    run.restart()
    run.advance(SECOND)  # killed during the attempt
    assert last_hand_over(run).state is MessageState.SENDING
    run.restart()
    run.delivers = lambda _: True
    run.manager.resolve_doubtful(run.now)
    run.advance(HOUR)
    told = [(one.outcome, one.contact) for one in run.events if one.kind == "hand-over"]
    assert told == [("sending", "second"), ("given-up", "second")]
    run.close()


def test_a_clock_that_is_set_back_hands_nothing_back(tmp_path: Path) -> None:
    run = DutyLoop(AFTERNOON, journal=tmp_path / "journal.sqlite")
    run.advance(HOUR)
    run.now -= 2 * SECOND
    run.restart()  # as the standby with a clock that is behind
    run.advance(10 * SECOND)
    assert hand_overs(run) == [(60.0, "second")]
    run.close()


def test_who_is_not_on_call_any_more_gets_no_message_that_waited() -> None:
    run = DutyLoop(plan_of(overrides=(override("third", 0, 3 * MINUTE),)), delivers=lambda _: False)
    run.replace_plan(plan_of(overrides=(override("second", MINUTE, 2 * MINUTE),)))
    run.advance(90 * SECOND)
    run.delivers = lambda _: True
    run.advance(HOUR)
    outcomes = [(one.contact, one.outcome) for one in run.events if one.outcome != "sending"]
    assert outcomes[-2:] == [("second", "withdrawn"), ("first", "sent")]


def test_a_contact_without_an_address_for_it_is_not_told() -> None:
    [team] = AFTERNOON.teams
    run = DutyLoop(replace(AFTERNOON, teams=(replace(team, hand_over=("sms",)),)))
    run.advance(6 * HOUR)
    assert hand_overs(run) == [(240.0, "first")]


# -- what is open ---------------------------------------------------------------------------------------


def test_it_tells_what_is_open_and_who_handles_it_the_worst_first() -> None:
    run = DutyLoop(AFTERNOON)
    run.on_alarms(duty_alarm(severity=Severity.MINOR))
    flood = duty_alarm("canal", rule="flood", cause="flood", severity=Severity.CRITICAL)
    other = incident_event(flood, incident="flood~town.east~1")
    run.on_batch(AlarmBatch(LAYOUT_VERSION, run.now, (flood,), (other,)))
    run.command("assign", text="third")
    run.command("comment", id="2", text="The pump\nis on its way.", actor="anna")
    acknowledged = acknowledged_event(flood, actor="anna")
    run.advance(30 * MINUTE)
    answered = incident_event(acknowledged, incident="flood~town.east~1", revision=2)
    run.on_batch(AlarmBatch(LAYOUT_VERSION, run.now, (acknowledged,), (answered,)))
    run.advance(HOUR)
    message = last_hand_over(run)
    head, opened, first, second = message.text.body.split("\n")
    assert (head, opened) == ("voor u: Duty officer first", "2 incidenten staan open, 1 niet bevestigd:")
    assert first.startswith("– KRITIEK · flood, Canal")
    assert first.endswith("; bevestigd door anna")
    assert second.startswith("– KLEIN · Hoog water, Canal, -0,25 m, sinds 23-11-2026 13:00; niet bevestigd; ")
    assert second.endswith("toegewezen aan Duty officer third; Opmerking van anna: The pump is on its way.")
    assert message.text.severity is Severity.CRITICAL
    # The link acknowledges what the message tells and nobody has acknowledged.
    assert message.text.answer_label == "Bevestigen"
    assert message.occurrences == {occurrence_digest(run.memory.alarms[duty_alarm().alarm])}


def test_incidents_of_other_teams_and_those_that_are_over_are_not_part_of_it() -> None:
    roads = replace(AFTERNOON.teams[0], id="roads", name="Duty roads")
    run = DutyLoop(replace(AFTERNOON, teams=(*AFTERNOON.teams, roads)))
    run.on_alarms(duty_alarm())
    run.advance(59 * MINUTE)
    assert run.incident_state().open_members
    run.advance(MINUTE)
    bodies = [one.text.body for one in run.messages.values() if one.hand_over is not None]
    assert ["1 incident staat open" in body for body in bodies] == [True, False]
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    run.advance(4 * HOUR)
    assert "No incident is open." in last_hand_over(run).text.body


def test_whoever_took_over_is_told_of_changes_and_that_it_is_over() -> None:
    run = DutyLoop(replace(AFTERNOON, policies=(replace(POLICY, steps=POLICY.steps[:1], repeat=0),)))
    run.on_alarms(duty_alarm())
    run.advance(61 * MINUTE)
    assert Recipient("second", "mail") in run.incident_state().notified
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    run.advance(10 * MINUTE)
    recoveries = {(one.contact, one.channel) for one in run.sent if one.kind == "recovery"}
    assert recoveries == {("first", "mail"), ("first", "sms"), ("second", "mail")}


def test_who_was_not_reached_by_the_hand_over_is_not_told_that_something_is_over() -> None:
    run = DutyLoop(
        replace(AFTERNOON, policies=(replace(POLICY, steps=POLICY.steps[:1], repeat=0),)),
        delivers=lambda message: message.request.kind != "hand-over",
    )
    run.on_alarms(duty_alarm())
    run.advance(70 * MINUTE)
    assert Recipient("second", "mail") not in run.incident_state().notified


def test_what_was_over_before_the_hand_over_arrived_is_told_as_over() -> None:
    run = DutyLoop(AFTERNOON)
    run.on_alarms(duty_alarm())
    run.advance(59 * MINUTE)
    sending: list[OutgoingMessage] = []
    run.delivers = lambda message: sending.append(message) if message.hand_over is not None else True
    run.advance(MINUTE)
    run.on_alarms(returned_event(duty_alarm()), revision=2)
    run.advance(10 * MINUTE)
    before = len(run.sent)
    [message] = sending
    run.manager.end_attempt(AttemptResult(message.id, True), run.now)
    run.advance(MINUTE)
    assert [(one.kind, one.contact) for one in run.sent[before:]] == [
        ("hand-over", "second"),
        ("recovery", "second"),
    ]


def test_a_channel_with_little_room_gets_the_lines_that_fit_and_a_link_for_these() -> None:
    run = DutyLoop(AFTERNOON)
    for number in range(120):
        alarm = duty_alarm("canal", rule=f"rule-{number}", cause=f"cause-{number}")
        incident = incident_event(alarm, incident=f"cause-{number}~town.east~1")
        run.on_batch(AlarmBatch(LAYOUT_VERSION, run.now, (alarm,), (incident,)))
    run.advance(HOUR)
    message = last_hand_over(run)
    whole = fit_hand_over(message, 1_000_000)
    assert whole.text.body.count("\n– ") == 100
    assert whole.text.body.endswith("… en nog 20 incidenten, waarvoor hier geen plaats is: zie de pagina")
    assert len(whole.occurrences) == 100
    fitted = fit_hand_over(message, 1_000)
    assert len(fitted.text.body) <= 1_000
    listed = fitted.text.body.count("\n– ")
    assert 1 <= listed == len(fitted.occurrences) < 20
    assert len(fit_hand_over(message, 160).occurrences) == 1
    assert len(message.text.short) <= 160


def test_a_hand_over_is_an_event_without_an_incident() -> None:
    run = DutyLoop(AFTERNOON)
    run.advance(HOUR)
    [_, sent] = run.events
    assert (sent.kind, sent.incident, sent.outcome) == ("hand-over", "", "sent")
    assert sent.notification == f"hand-over~water~{NOON + HOUR}~second~mail"
    assert run.sent == [SentMessage(60.0, "hand-over", "second", "mail")]
    assert INCIDENT not in run.memory.incidents
