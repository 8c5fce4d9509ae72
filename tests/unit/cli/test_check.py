"""`livetwin check` warns of gaps in rosters, and accepts the city of Alkmaar."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from cities import default_city
from cli.commands.check import command, roster_warnings
from tests.support.cities.city_folders import write_duty_folder
from tests.support.cities.rosters import WEEKS, ZONE, at, calendar_text, duty_override, plan_with_calendar

NOW = at("2026-03-20T12:00:00Z")
SKIPPED = calendar_text((*WEEKS[0], f"EXDATE;{ZONE}:20260330T080000"), WEEKS[1])


def test_a_gap_in_the_next_four_weeks_is_a_warning() -> None:
    assert list(roster_warnings(plan_with_calendar(SKIPPED), NOW)) == [
        "nobody of team operations is on call from 2026-03-30T06:00:00Z until 2026-04-06T06:00:00Z"
    ]


def test_a_roster_without_gaps_or_with_an_override_gives_no_warning() -> None:
    filled = plan_with_calendar(
        SKIPPED, duty_override("lead", "2026-03-30T06:00:00Z", "2026-04-06T06:00:00Z")
    )
    for plan in (plan_with_calendar(calendar_text(*WEEKS)), plan_with_calendar(""), filled):
        assert list(roster_warnings(plan, NOW)) == []


def test_a_folder_with_a_gap_is_valid_with_a_warning(tmp_path: Path) -> None:
    ended = calendar_text(("UID:1", "DTSTART:20200101T000000Z", "DTEND:20200102T000000Z", "SUMMARY:water"))
    result = CliRunner().invoke(command, [str(write_duty_folder(tmp_path, roster=ended))])
    assert result.exit_code == 0
    assert "warning: nobody of team operations is on call from" in result.stderr
    assert "Delta is valid" in result.stdout


def test_alkmaar_has_somebody_on_call_at_all_times() -> None:
    result = CliRunner().invoke(command, [str(default_city())])
    assert (result.exit_code, result.stderr) == (0, "")
