"""Maintenance windows in the city folder: read, written, and everything wrong with one at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cities.files.faults import CityError
from cities.folder_reader import read_city
from cities.folder_writer import write_city
from cities.model.maintenance_windows import WindowContext, read_window, window_document
from tests.support.cities.city_folders import write_city_folder
from twin.instant import HOUR, INSTANT_MAX, parse_instant
from twin.model.maintenance_window import COVERED_MAX, EXDATES_MAX, WINDOWS_MAX, MaintenanceWindow
from twin.model.recurrence import Recurrence

WINDOWS = """\
maintenance:
  - {sensor: air-1, from: 2026-04-07T08:30:00+02:00, until: 2026-04-07T09:30:00+02:00}
windows:
  - id: flushing
    title: Weekly flushing
    note: by the water board
    areas: [delta]
    properties: [water_level]
    start: 2026-03-03T22:00:00+01:00
    duration: PT8H
    recurrence: {rule: FREQ=WEEKLY;BYDAY=TU;UNTIL=20261231, exdates: [2026-05-05, 2026-04-28]}
  - id: renewal
    title: New sensors
    sensors: [air-1]
    entities: [delta.canal]
    start: 2026-06-01T00:00:00Z
"""
FLUSHING = MaintenanceWindow(
    id="flushing",
    title="Weekly flushing",
    note="by the water board",
    areas=("delta",),
    properties=("water_level",),
    start=parse_instant("2026-03-03T21:00:00Z"),
    end=parse_instant("2026-03-03T21:00:00Z") + 8 * HOUR,
    recurrence=Recurrence(rule="FREQ=WEEKLY;BYDAY=TU;UNTIL=20261231", exdates=("2026-04-28", "2026-05-05")),
)
RENEWAL = MaintenanceWindow(
    id="renewal",
    title="New sensors",
    sensors=("air-1",),
    entities=("delta.canal",),
    start=parse_instant("2026-06-01T00:00:00Z"),
)
CONTEXT = WindowContext(
    sensors={"air-1"}, entities={"delta", "delta.canal"}, properties={"pm2_5"}, zone="Europe/Amsterdam"
)


def document(**changes: Any) -> dict[str, Any]:
    found = {
        "id": "w",
        "title": "Work",
        "sensors": ["air-1"],
        "start": "2026-03-03T22:00:00+01:00",
        "end": "2026-03-03T23:00:00+01:00",
        **changes,
    }
    return {key: value for key, value in found.items() if value is not None}


def test_windows_are_read_and_read_back_as_they_were_written(tmp_path: Path) -> None:
    write_city_folder(tmp_path / "read", maintenance=WINDOWS)
    plan = read_city(tmp_path / "read")
    assert plan.maintenance_windows == (FLUSHING, RENEWAL)
    assert len(plan.maintenance) == 1
    write_city(plan.model(1), tmp_path / "written")
    assert read_city(tmp_path / "written").maintenance_windows == (FLUSHING, RENEWAL)
    assert read_window(window_document(FLUSHING), CONTEXT) != FLUSHING  # another city has no such property


def test_a_file_may_have_windows_alone(tmp_path: Path) -> None:
    write_city_folder(tmp_path, maintenance=f"windows:{WINDOWS.partition('windows:')[2]}")
    plan = read_city(tmp_path)
    assert (len(plan.maintenance), len(plan.maintenance_windows)) == (0, 2)
    assert plan.maintenance_windows[1].end == INSTANT_MAX


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("areas: [delta]", "areas: [delft]", "maintenance.yaml:7"),
        ("id: renewal", "id: flushing", "id is used twice: first in line 4"),
        ("windows:", "windows: []\nwindow:", "unknown key: expected 'maintenance' and 'windows'"),
        ("duration: PT8H", "length: PT8H", "length: unknown key"),
        ("2026-05-05", "2026-5-5", "expected a date such as 2026-05-05"),
    ],
)
def test_a_fault_in_a_file_has_its_line(tmp_path: Path, text: str, other: str, expected: str) -> None:
    write_city_folder(tmp_path, maintenance=WINDOWS.replace(text, other))
    with pytest.raises(CityError) as caught:
        read_city(tmp_path)
    assert expected in str(caught.value)


def test_all_faults_of_a_window_are_found_together() -> None:
    wrong = document(
        sensors=["air-9"],
        areas=["delta", "nowhere"],
        properties=["pm3"],
        end="2026-03-03T20:00:00Z",
        duration="PT1H",
        recurrence={"rule": "FREQ=HOURLY"},
    )
    found = read_window(wrong, CONTEXT)
    assert isinstance(found, tuple)
    assert {fault.pointer for fault in found} == {
        "/sensors/0",
        "/areas/1",
        "/properties/0",
        "/end",
        "/duration",
        "/recurrence/rule",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sensors": None}, "found nothing that it covers"),
        ({"end": None, "recurrence": {"rule": "FREQ=DAILY"}}, "what recurs has an end or a duration"),
        (
            {"end": "2026-03-10T23:00:00+01:00", "recurrence": {"rule": "FREQ=MONTHLY"}},
            "at most 7 days after start",
        ),
        (
            {"recurrence": {"rule": "FREQ=YEARLY;INTERVAL=4;BYDAY=TU;BYMONTH=2;BYMONTHDAY=29"}},
            "within 8 years",
        ),
        ({"recurrence": {"rule": "FREQ=DAILY;INTERVAL=999999999;COUNT=3"}}, "within 8 years"),
        ({"sensors": ["air-1"] * (COVERED_MAX + 1)}, ""),
        ({"recurrence": {"rule": "FREQ=DAILY", "exdates": ["2026-05-05"] * (EXDATES_MAX + 1)}}, ""),
        ({"recurrence": {"rule": "FREQ=DAILY" + ";INTERVAL=1" * 60}}, "expected at most 500 characters"),
    ],
)
def test_the_bounds_of_a_window(changes: dict[str, Any], expected: str) -> None:
    found = read_window(document(**changes), CONTEXT)
    assert isinstance(found, tuple)
    assert found
    assert any(expected in fault.message for fault in found)


def test_the_number_of_windows_is_bounded(tmp_path: Path) -> None:
    one = "  - {id: w%d, title: W, sensors: [air-1], start: 2026-06-01T00:00:00Z}\n"
    text = "windows:\n" + "".join(one % number for number in range(WINDOWS_MAX + 1))
    write_city_folder(tmp_path, maintenance=text)
    with pytest.raises(CityError, match=f"found {WINDOWS_MAX + 1} windows, expected at most {WINDOWS_MAX}"):
        read_city(tmp_path)
