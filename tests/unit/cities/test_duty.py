"""A duty plan is read from routes.yaml and its rosters, and written back as it was."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree, ignore_patterns

import msgspec

from alerting.policy.roster import on_call
from cities import default_city
from cities.duty.routes_file import routes_document
from cities.folder_reader import read_city
from cities.folder_writer import write_city
from tests.support.cities.city_folders import ROSTER, ROUTES, write_city_folder, write_duty_folder
from tests.support.cities.rosters import at
from tests.support.repository import ROOT
from twin.alarms.rules.schedule import WeeklyInterval
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND
from twin.model.duty import (
    NO_DUTY_PLAN,
    DutyPlan,
    EscalationStep,
    IncidentRoute,
    NotificationChannel,
    StormLimit,
    encode_duty_plan,
)


def test_a_plan_is_read_with_its_roster(tmp_path: Path) -> None:
    plan = read_city(write_duty_folder(tmp_path)).duty
    assert plan.channels[0] == NotificationChannel(id="log", url="livetwin://log")
    assert plan.contacts[0].addresses == {"mail": "${WATER_MAIL}"}
    assert [one.language for one in plan.contacts] == ["nl", "en", "nl"]
    assert (plan.teams[0].members, plan.teams[0].calendar) == (("water", "roads"), ROSTER)
    assert plan.teams[1].calendar == ""
    urgent, calm = plan.policies
    assert urgent.steps[0] == EscalationStep(notify="on-call", channels=("mail", "log"), wait=5 * MINUTE)
    assert urgent.steps[1] == EscalationStep(
        notify="contact", channels=("log",), wait=10 * MINUTE, contact="lead"
    )
    assert (urgent.group_wait, urgent.group_interval, urgent.repeat) == (10 * SECOND, 5 * MINUTE, 2)
    assert (urgent.remind, calm.remind) == (4 * HOUR, 0)
    assert plan.routes[0] == IncidentRoute(
        severities=(Severity.MAJOR, Severity.CRITICAL),
        themes=("water",),
        within=("delta.quay",),
        team="operations",
        policy="urgent",
    )
    assert plan.routes[2] == IncidentRoute(team="leads", policy="calm")
    assert plan.watchdog == ("mail", "${WATCHDOG_MAIL}")


def test_a_plan_has_a_storm_limit_without_naming_one(tmp_path: Path) -> None:
    assert read_city(write_duty_folder(tmp_path)).duty.storm == StormLimit()


def test_a_storm_limit_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    routes = ROUTES + "storm: {messages: 3, within: PT15M, digest: PT30S, group: all}\n"
    plan = read_city(write_duty_folder(tmp_path, routes)).duty
    assert plan.storm == StormLimit(messages=3, within=15 * MINUTE, digest=30 * SECOND, group="all")
    assert routes_document(plan)["storm"] == {
        "messages": 3,
        "within": "PT15M",
        "digest": "PT30S",
        "group": "all",
    }


def test_a_hand_over_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    routes = ROUTES.replace(
        "roster: roster-operations.ics", "roster: roster-operations.ics, handOver: {channels: [mail, log]}"
    )
    plan = read_city(write_duty_folder(tmp_path, routes)).duty
    assert [team.hand_over for team in plan.teams] == [("mail", "log"), ()]
    with_key, without = routes_document(plan)["teams"]
    assert with_key["handOver"] == {"channels": ["mail", "log"]}
    assert "handOver" not in without


def test_a_template_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    template = {
        "url": "https://api.provider.example/${ACCOUNT}",
        "method": "POST",
        "headers": {"Authorization": "Bearer ${SMS_TOKEN}"},
        "body": {"to": ["{address}"], "Text": "{text}", "options": {"maxParts": 2, "flash": False}},
        "text": "sms",
        "characters": 320,
        "replies": True,
    }
    channels = f"channels:\n  - {json.dumps({'id': 'sms', 'webhook': template})}\n"
    plan = read_city(write_duty_folder(tmp_path, ROUTES.replace("channels:\n", channels, 1))).duty
    channel = plan.channels[0]
    assert channel.webhook is not None
    assert (channel.url, channel.webhook.characters, channel.webhook.format) == ("", 320, "json")
    assert channel.webhook.body == template["body"]
    assert msgspec.json.decode(encode_duty_plan(plan), type=DutyPlan) == plan
    assert routes_document(plan)["channels"][0] == {"id": "sms", "webhook": template}


def test_the_url_of_a_roster_is_read_and_written_as_it_was_beside_a_file_or_alone(tmp_path: Path) -> None:
    routes = ROUTES.replace(
        "roster: roster-operations.ics", 'roster: roster-operations.ics, rosterUrl: "${WATER_ROSTER}"'
    ).replace("members: [lead]", "members: [lead], rosterUrl: https://calendar.example.org/leads.ics")
    plan = read_city(write_duty_folder(tmp_path, routes)).duty
    urls = ["${WATER_ROSTER}", "https://calendar.example.org/leads.ics"]
    assert [(team.calendar_url, team.calendar) for team in plan.teams] == [(urls[0], ROSTER), (urls[1], "")]
    assert [team["rosterUrl"] for team in routes_document(plan)["teams"]] == urls


def test_a_night_of_quiet_hours_is_two_intervals(tmp_path: Path) -> None:
    (quiet,) = read_city(write_duty_folder(tmp_path)).duty.quiet_hours
    assert quiet.up_to is Severity.WARNING
    assert quiet.intervals == (
        WeeklyInterval((4, 6), 22 * 60 + 30, 24 * 60),
        WeeklyInterval((0, 5), 0, 7 * 60),
        WeeklyInterval((5,), 0, 24 * 60),
    )


def test_a_folder_without_routes_has_no_plan(tmp_path: Path) -> None:
    assert read_city(write_city_folder(tmp_path)).duty == NO_DUTY_PLAN


def test_a_plan_is_written_as_it_was_read(tmp_path: Path) -> None:
    plan = read_city(write_duty_folder(tmp_path / "in"))
    written = write_city(plan.model(1), tmp_path / "out")
    assert {"routes.yaml", "roster-operations.ics"} <= {path.name for path in written}
    assert read_city(tmp_path / "out").duty == plan.duty
    assert (tmp_path / "out" / "roster-operations.ics").read_bytes() == ROSTER.encode()


def test_writing_a_city_removes_its_former_rosters(tmp_path: Path) -> None:
    model = read_city(write_city_folder(tmp_path / "in")).model(1)
    write_duty_folder(tmp_path / "out")
    write_city(model, tmp_path / "out")
    assert not list((tmp_path / "out").glob("ro*"))


def test_the_duty_officers_of_alkmaar_alternate_weekly() -> None:
    plan = read_city(default_city()).duty
    before, after = at("2026-10-26T07:59:59+01:00"), at("2026-10-26T08:00:00+01:00")
    assert [on_call(plan, "water", time) for time in (before, after)] == ["water-second", "water"]
    assert on_call(plan, "water", at("2026-12-25T12:00:00+01:00")) == "lead"
    assert on_call(plan, "roads", at("2026-12-25T12:00:00+01:00")) == "roads"


def test_the_example_sends_nothing_outside_the_machine() -> None:
    assert {one.url for one in read_city(default_city()).duty.channels} == {"livetwin://log"}


def test_the_example_in_the_documentation_is_a_plan(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "duty.md").read_text()
    plan = page.partition("```yaml\n")[2].partition("```")[0]
    event = page[page.index("BEGIN:VEVENT") :].partition("```")[0]
    folder = tmp_path / "alkmaar"
    copytree(default_city(), folder, ignore=ignore_patterns("roster*"))
    (folder / "routes.yaml").write_text(plan)
    (folder / "roster-water.ics").write_text(f"BEGIN:VCALENDAR\nVERSION:2.0\n{event}END:VCALENDAR\n")
    duty = read_city(folder).duty
    assert on_call(duty, "water", at("2026-01-06T00:00:00Z")) == "water"
    assert on_call(duty, "water", at("2026-01-13T00:00:00Z")) is None
