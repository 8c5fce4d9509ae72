"""What an order of a year ended in is stored, and read again, as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.load.year_city import YearCity
from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.report.stored_plays import Play, StoredPlays
from twin.instant import DAY, HOUR

START = 20_000 * DAY
CITY = YearCity(start=START, days=2, stations=3)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLAY = Play(
    name="halves",
    messages=144,
    sending_s=0.5,
    stored_s=2.0,
    settled_s=3.0,
    history={
        "windows": {("town-001", "no2", NOON): (1, 0, None, 20.5)},
        "alarm episodes": {("dust~year.town", START): (START + HOUR, 3)},
        "verdicts": {},
    },
)


def test_a_stored_order_is_read_as_it_was(tmp_path: Path) -> None:
    StoredPlays(tmp_path, CITY).write(PLAY)
    again = StoredPlays(tmp_path, CITY)
    assert again.read("halves") == PLAY
    assert again.read("max") is None


def test_a_later_run_plays_the_year_of_the_first_one(tmp_path: Path) -> None:
    StoredPlays(tmp_path, CITY)
    assert StoredPlays(tmp_path, replace(CITY, start=START + 5 * HOUR)).city == CITY


def test_orders_of_another_year_are_not_compared(tmp_path: Path) -> None:
    StoredPlays(tmp_path, CITY)
    with pytest.raises(BenchmarkError, match="another year"):
        StoredPlays(tmp_path, replace(CITY, stations=4))
