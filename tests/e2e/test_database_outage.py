"""The database is unavailable for a while: the live path continues, and history catches up without loss."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from cities.folder_writer import write_city
from tests.support.brokers.mqtt_publisher import publish
from tests.support.cities.noise_city import noise_city, noise_message
from tests.support.waiting import wait_until
from twin.instant import SECOND, Instant, format_instant

pytestmark = pytest.mark.embedded

STREETS = 8
BEFORE, DURING = 200, 1_000
START: Instant = 1_795_000_000 * SECOND
CATCH_UP_S_MAX = 60.0

System = Any


def observation(number: int) -> tuple[str, bytes]:
    return noise_message(f"town.street-{number % STREETS}", START + number * SECOND, 40 + number / 100)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Freeze a process and its children for the block: connections stay open and nothing answers."""
    processes = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def stored(system: System) -> int:
    with psycopg.connect(system.postgres) as connection:
        row = connection.execute("SELECT count(*) FROM observation").fetchone()
        assert row is not None
        return int(row[0])


def health(system: System) -> tuple[int, str]:
    answer = httpx.get(f"{system.http}/v1/health/ready", timeout=10)
    return answer.status_code, answer.json()["status"]


def newest(system: System, street: str) -> str | None:
    answer = httpx.get(f"{system.http}/v1/entities/{street}/state").raise_for_status().json()
    time: str | None = answer["properties"].get("noise_level", {}).get("phenomenonTime")
    return time


def test_the_live_path_does_not_wait_for_the_database(
    start_system: Callable[..., System], tmp_path: Path
) -> None:
    folder = tmp_path / "town"
    write_city(noise_city(STREETS).model(1), folder)
    system = start_system(f"--city={folder}")
    system.wait_ready()
    publish(system.mqtt, [observation(number) for number in range(BEFORE)])
    wait_until(lambda: stored(system) == BEFORE, lambda: stored(system))
    wait_until(lambda: all(newest(system, f"town.street-{n}") for n in range(STREETS)), lambda: "no state")
    last = BEFORE + DURING - 1
    street, expected = f"town.street-{last % STREETS}", format_instant(START + last * SECOND)
    with frozen(system.ports["pids"]["postgres"][0]):
        publish(system.mqtt, [observation(number) for number in range(BEFORE, BEFORE + DURING)])
        wait_until(lambda: newest(system, street) == expected, lambda: newest(system, street))
        entities = httpx.get(f"{system.http}/v1/entities", timeout=10).raise_for_status().json()
        assert len(entities["items"]) == STREETS
        wait_until(lambda: health(system) == (200, "degraded"), lambda: health(system))
        refused = httpx.get(
            f"{system.http}/v1/entities/{street}/history", params={"property": "noise_level"}, timeout=30
        )
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
    wait_until(lambda: stored(system) == BEFORE + DURING, lambda: stored(system), CATCH_UP_S_MAX)
