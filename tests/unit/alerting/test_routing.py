"""Which route an incident takes, and when quiet hours delay its messages."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.pipelines.duty_loop import NOON, DutyLoop, duty_alarm, duty_plan, kinds_and_contacts
from twin.alarms.rules.schedule import WeeklyInterval
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE
from twin.model.duty import DutyTeam, IncidentRoute, QuietHours

NIGHT = QuietHours(
    up_to=Severity.MINOR,
    intervals=(WeeklyInterval(tuple(range(7)), 22 * 60), WeeklyInterval(tuple(range(7)), 0, 7 * 60)),
)


@pytest.mark.parametrize(
    ("severity", "minute"),
    [
        (Severity.WARNING, 19 * 60),  # 07:00 on the next day
        (Severity.MINOR, 19 * 60),
        (Severity.MAJOR, 11 * 60 + 5 / 60),
    ],
)
def test_quiet_hours_delay_low_severities(severity: Severity, minute: float) -> None:
    run = DutyLoop(duty_plan(quiet_hours=(NIGHT,)), start=NOON + 11 * HOUR)
    run.on_alarms(duty_alarm(severity=severity))
    run.advance(12 * HOUR)
    assert run.sent[0].minute == minute


def test_the_first_route_that_matches_severity_theme_area_and_cause_counts() -> None:
    roads = DutyTeam(id="roads", name="Roads", members=("third",))
    plan = duty_plan()
    table = [
        (IncidentRoute(severities=(Severity.CRITICAL,), team="roads", policy="usual"), "first"),
        (IncidentRoute(severities=(Severity.MAJOR,), team="roads", policy="usual"), "third"),
        (IncidentRoute(themes=("traffic",), team="roads", policy="usual"), "first"),
        (IncidentRoute(themes=("water",), team="roads", policy="usual"), "third"),
        (IncidentRoute(within=("polder",), team="roads", policy="usual"), "first"),
        (IncidentRoute(within=("canal",), team="roads", policy="usual"), "third"),
        (IncidentRoute(within=("town",), team="roads", policy="usual"), "third"),
        (IncidentRoute(causes=("flood",), team="roads", policy="usual"), "first"),
        (IncidentRoute(causes=("high-water",), team="roads", policy="usual"), "third"),
        (IncidentRoute(team="nobody", policy="usual"), "first"),
    ]
    for route, contact in table:
        run = DutyLoop(replace(plan, teams=(*plan.teams, roads), routes=(route, *plan.routes)))
        run.on_alarms(duty_alarm())
        run.advance(MINUTE)
        assert run.sent[0].contact == contact, route


def test_without_a_route_nobody_is_notified_until_the_plan_has_one() -> None:
    run = DutyLoop(duty_plan(routes=()))
    run.on_alarms(duty_alarm())
    run.advance(HOUR)
    assert run.events == []
    run.replace_plan(duty_plan())
    run.advance(MINUTE)
    assert kinds_and_contacts(run.sent) == [("alarm", "first")] * 2
