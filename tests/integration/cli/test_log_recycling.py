"""The embedded log is recycled above its memory limit, and no observation is lost."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from tests.support.waiting import wait_until

DEADLINE_S = 90
TOPIC = "livetwin/alkmaar/traffic-a9-1/observations"
FIRST = datetime(2026, 11, 1, tzinfo=UTC)

# The broker holds about 17 MiB when it is empty.
LOG_MIB_MAX = 40
GARBAGE_BYTES = 200_000
GARBAGE_MESSAGES = 150
OBSERVATIONS = 200


def observations(start: int) -> list[tuple[str, bytes]]:
    return [
        (
            TOPIC,
            json.dumps(
                {
                    "time": (FIRST + timedelta(minutes=number)).isoformat(),
                    "values": {"vehicle_count": number},
                }
            ).encode(),
        )
        for number in range(start, start + OBSERVATIONS)
    ]


def stored(system: Any) -> tuple[list[float], int]:
    """Return the vehicle counts by time, and the number of quarantined messages."""
    with psycopg.connect(system.postgres) as connection:
        rows = connection.execute(
            "SELECT value FROM observation JOIN datastream ON datastream.id = datastream_id "
            "WHERE sensor_id = 'traffic-a9-1' AND property = 'vehicle_count' ORDER BY phenomenon_time"
        ).fetchall()
        (quarantined,) = connection.execute("SELECT count(*) FROM quarantine").fetchone() or (0,)
    return [row[0] for row in rows], quarantined


def count_of(system: Any) -> tuple[float, int]:
    """Return the vehicle count in the API, and its revision."""
    with urllib.request.urlopen(f"{system.http}/v1/entities/alkmaar.a9/state") as answer:
        found = json.load(answer)["properties"]["vehicle_count"]
    return found["value"], found["revision"]


def test_a_log_that_is_too_long_is_recycled_and_nothing_is_lost(start_system: Callable[..., Any]) -> None:
    system = start_system(f"--log-mib-max={LOG_MIB_MAX}")
    system.wait_ready()
    before = system.ports["pids"]
    system.publish_all(observations(0))
    wait_until(
        lambda: stored(system)[0] == list(range(OBSERVATIONS)),
        "the first observations are stored",
        DEADLINE_S,
    )
    wait_until(lambda: count_of(system)[0] == OBSERVATIONS - 1, "the state follows", DEADLINE_S)
    _, revision = count_of(system)

    system.publish_all([(TOPIC, os.urandom(GARBAGE_BYTES)) for _ in range(GARBAGE_MESSAGES)])
    # Published while the log is drained and replaced: these wait in Mosquitto.
    system.publish_all(observations(OBSERVATIONS))
    wait_until(lambda: system.ports["recycles"] >= 1, "the log is recycled", DEADLINE_S)

    everything = list(range(2 * OBSERVATIONS))
    wait_until(
        lambda: stored(system) == (everything, GARBAGE_MESSAGES),
        "all is stored, and once",
        DEADLINE_S,
    )
    wait_until(lambda: count_of(system)[0] == 2 * OBSERVATIONS - 1, "the state goes on", DEADLINE_S)
    assert count_of(system)[1] > revision

    after = system.ports["pids"]
    assert after["api"] == before["api"]
    assert after["kafka"] != before["kafka"]
