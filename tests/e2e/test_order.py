"""Hourly values of stations arrive in several orders, and are stored as the same history.

One system serves four copies of a town. `python -m benchmarks order` plays a whole year, an order a system.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from benchmarks.cases.order import publish_part, whole_span
from benchmarks.load.arrival_orders import ORDERS, interrupted
from benchmarks.load.year_city import CITY, YearCity
from benchmarks.measure.settled import wait_settled
from benchmarks.measure.stored_history import History, differences, read_history, renamed
from cities.folder_writer import write_city
from runtime.clock import system_clock
from tests.support.processes.running_system import RunningSystem
from twin.instant import DAY, HOUR

pytestmark = pytest.mark.embedded

COPIES = ("max", "halves", "backlogs", "restarts")
DAYS = 10
STATIONS = 6
SEED = 2
SETTLE_S_MAX = 180.0


def test_the_order_of_arrival_changes_nothing_that_is_stored(
    start_system: Callable[..., RunningSystem], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETWIN_CHECKPOINT_INTERVAL_S", "1")
    start = (system_clock() - 6 * HOUR) // HOUR * HOUR - DAYS * DAY
    city = YearCity(start=start, days=DAYS, stations=STATIONS, seed=SEED, copies=COPIES)
    write_city(city.model(), tmp_path / "city")
    messages, dice = city.messages(), Random(SEED)
    system = start_system(f"--city={tmp_path / 'city'}")
    system.wait_ready()
    for copy, order in ORDERS.items():
        for part in order(messages, dice):
            publish_part(system.mqtt, city, copy, part)
    for number, part in enumerate(interrupted(1)(messages, dice)):
        if number:
            assert system.stop() == 0, system.output
            system = start_system(f"--city={tmp_path / 'city'}")
            system.wait_ready()
        publish_part(system.mqtt, city, "restarts", part)
    asyncio.run(wait_settled(system.kafka, system.postgres, SETTLE_S_MAX))
    stored = asyncio.run(read_history(system.postgres, CITY, whole_span(city)))
    truth = of_copy(stored, "max")
    assert all(truth[table] for table in truth), {table: len(rows) for table, rows in truth.items()}
    for copy in COPIES[1:]:
        different = differences(of_copy(stored, copy), truth)
        found = {table: lines[:5] for table, lines in different.items() if lines}
        assert not found, f"{copy}: {found}"


def of_copy(stored: History, copy: str) -> History:
    """Return the rows of a copy of the town under names that all copies share."""

    def shared(id: str) -> str | None:
        words = id.replace(f"{CITY}.{copy}", "town").replace(f"{copy}-", "station-")
        return words if words != id else None

    return renamed(stored, shared)
