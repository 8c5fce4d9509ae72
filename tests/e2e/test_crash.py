"""The crash test: random kills and cut connections under load lose no acknowledged message."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from cities.folder_writer import write_city
from storage.database import connect
from storage.stores.ledger import read_balance
from tests.support.brokers.mqtt_publisher import publish
from tests.support.cities.noise_city import noise_city, noise_message
from tests.support.processes.crash_faults import all_running, inject_fault, log_tails
from tests.support.waiting import wait_until
from twin.instant import SECOND, Instant, format_instant

pytestmark = pytest.mark.embedded

SEED = 20261124
STREETS = 40
OBSERVATIONS = 20_000
CHUNK = 500
FAULTS = 16
SETTLE_S_MAX = 120.0
LOOK_S = 0.2
START: Instant = 1_795_000_000 * SECOND

System = Any
Truth = dict[str, tuple[str, float]]  # street → phenomenonTime and value, as in the API

History = set[tuple[str, Instant, float]]

ALL = """
    SELECT d.entity_id, (extract(epoch FROM o.phenomenon_time) * 1000000)::bigint, o.value
    FROM observation o JOIN datastream d ON d.id = o.datastream_id
"""

WRONG_WINDOWS = """
    WITH stored AS (
        SELECT '1 minute'::interval AS size, * FROM aggregate_minute
        UNION ALL SELECT '10 minutes', * FROM aggregate_ten_minutes
        UNION ALL SELECT '1 hour', * FROM aggregate_hour
    ), expected AS (
        SELECT size, datastream_id, time_bucket(size, phenomenon_time) AS start, count(*) AS count,
            min(value) AS minimum, max(value) AS maximum, sum(value) AS sum,
            first(value, phenomenon_time) AS first, last(value, phenomenon_time) AS last
        FROM observation
        CROSS JOIN unnest('{1 minute, 10 minutes, 1 hour}'::interval[]) AS one (size)
        GROUP BY 1, 2, 3
    )
    SELECT size, start, stored.count, expected.count
    FROM stored FULL JOIN expected USING (size, datastream_id, start)
    WHERE (stored.count, stored.suspect, stored.minimum, stored.maximum, stored.first, stored.last)
        IS DISTINCT FROM
            (expected.count, 0, expected.minimum, expected.maximum, expected.first, expected.last)
        OR abs(stored.mean * stored.count - expected.sum) > 1e-6
"""


async def publish_with_faults(
    system: System, dice: random.Random, injected: list[str]
) -> tuple[Truth, History]:
    """Publish every observation with QoS 1 and inject faults in between; return the expected states and
    history.
    """
    streets = [entity.id for entity in noise_city(STREETS).entities]
    newest: Truth = {}
    history: History = set()
    messages = []
    for number in range(OBSERVATIONS):
        street = streets[number % STREETS]
        time, level = START + number * SECOND, dice.randrange(300, 900) / 10
        newest[street] = (format_instant(time), level)
        history.add((street, time, level))
        messages.append(noise_message(street, time, level))
    # A network delivers out of order; the state must not depend on it.
    for first in range(0, OBSERVATIONS, CHUNK):
        part = messages[first : first + CHUNK]
        dice.shuffle(part)
        messages[first : first + CHUNK] = part
    chunks = range(0, OBSERVATIONS, CHUNK)
    fault_chunks = set(dice.sample(chunks, FAULTS))
    for first in chunks:
        await asyncio.to_thread(publish, system.mqtt, messages[first : first + CHUNK])
        if first in fault_chunks:
            fault = await asyncio.to_thread(inject_fault, system, dice)
            injected.extend([f"after {first + CHUNK}: {fault}"] if fault else [])
    return newest, history


async def settled(system: System, newest: Truth, history: History) -> None:
    """Wait until history has each observation once, and each street's state is its newest observation."""
    async with (
        await psycopg.AsyncConnection.connect(system.postgres, autocommit=True) as connection,
        httpx.AsyncClient(base_url=system.http) as client,
    ):
        deadline = asyncio.get_running_loop().time() + SETTLE_S_MAX
        while True:
            stored = await (await connection.execute(ALL)).fetchall()
            right = [await state_of(client, street) == newest[street] for street in newest]
            if len(stored) >= OBSERVATIONS and all(right):
                break
            assert asyncio.get_running_loop().time() < deadline, (
                f"{len(stored)} of {OBSERVATIONS} stored, {right.count(False)} of {STREETS} states wrong"
            )
            await asyncio.sleep(LOOK_S)
    assert len(stored) == OBSERVATIONS
    assert set(stored) == history


async def windows_settled(system: System) -> None:
    """Wait until every stored window, repaired ones included, equals the aggregate of its observations."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S_MAX
    async with await psycopg.AsyncConnection.connect(system.postgres, autocommit=True) as connection:
        while wrong := await (await connection.execute(WRONG_WINDOWS)).fetchall():
            assert asyncio.get_running_loop().time() < deadline, f"{len(wrong)} windows wrong: {wrong[:5]}"
            await asyncio.sleep(LOOK_S)


async def state_of(client: httpx.AsyncClient, street: str) -> tuple[str, float] | None:
    """Return phenomenon time and value of the state in the API; None before the first."""
    answer = (await client.get(f"/v1/entities/{street}/state")).raise_for_status().json()
    level = answer["properties"].get("noise_level")
    return None if level is None else (level["phenomenonTime"], level["value"])


async def test_twenty_thousand_observations_survive_random_kills(
    start_system: Callable[..., System], tmp_path: Path
) -> None:
    folder = tmp_path / "town"
    write_city(noise_city(STREETS).model(1), folder)
    system = start_system(f"--city={folder}")
    await asyncio.to_thread(system.wait_ready)
    injected: list[str] = []
    newest, history = await publish_with_faults(system, random.Random(SEED), injected)
    try:
        await settled(system, newest, history)
        await windows_settled(system)
    except AssertionError as error:
        raise AssertionError(f"{error}; {'; '.join(injected)}\n{log_tails(system)}") from None
    assert len(injected) >= FAULTS // 2, injected
    await asyncio.to_thread(wait_until, lambda: all_running(system), lambda: log_tails(system))
    await check_ledger(system)


async def check_ledger(system: System) -> None:
    """Assert that the ledger balances and that its counts are those of what was sent."""
    async with await connect(system.postgres, role="test") as connection:
        ledger = await read_balance(connection)
    counts = ledger.counts
    assert ledger.balances, ledger
    # Messages without acknowledgement before a fault are received again. A record that ingest wrote twice,
    # without a confirmation of the first, has messages received once; its observations are duplicates.
    assert counts.observations >= counts.received == counts.accepted >= OBSERVATIONS, ledger
    assert counts.new == ledger.stored == OBSERVATIONS, ledger
    assert counts.duplicate == counts.observations - OBSERVATIONS, ledger
    assert (counts.quarantined, counts.corrected, counts.superseded, ledger.removed) == (0, 0, 0, 0), ledger
