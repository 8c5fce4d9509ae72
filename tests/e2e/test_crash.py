"""The crash test: processes killed and connections cut at random under load; nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from cities.write import write_city
from tests.connection_cutter import cut
from tests.mqtt_publisher import publish
from tests.noise_city import as_model, noise_city, noise_message
from twin.instant import SECOND, Instant, format_instant

pytestmark = pytest.mark.embedded

SEED = 20261124
STREETS = 40
OBSERVATIONS = 20_000
CHUNK = 500
BLOWS = 12
VICTIMS = ("ingest", "stream", "historian")
SETTLE_S_MAX = 120.0
LOOK_S = 0.2
START: Instant = 1_795_000_000 * SECOND

System = Any
Truth = dict[str, tuple[str, float]]  # street → phenomenonTime and value, as the API tells them

History = set[tuple[str, Instant, float]]

ALL = """
    SELECT d.entity_id, (extract(epoch FROM o.phenomenon_time) * 1000000)::bigint, o.value
    FROM observation o JOIN datastream d ON d.id = o.datastream_id
"""


def strike(system: System, dice: random.Random) -> str:
    """Kill a process with -9, or cut one's connections to Kafka; return what was done, empty for nothing."""
    ports = system.ports
    for victim in dice.sample(VICTIMS, len(VICTIMS)):
        try:
            for pid in ports["pids"].get(victim, []):
                if dice.random() < 0.5:
                    os.kill(pid, signal.SIGKILL)
                    return f"{victim} killed"
                if count := cut(pid, ports["kafka"]):
                    return f"{count} connections of {victim} cut"
        except (ProcessLookupError, FileNotFoundError):
            continue  # it has just ended, and starts again
    return ""


async def publish_and_strike(system: System, dice: random.Random, told: list[str]) -> tuple[Truth, History]:
    """Publish every observation with QoS 1, and strike in between; return what state and history must be."""
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
    # A network delivers out of order: the state must not mind.
    for first in range(0, OBSERVATIONS, CHUNK):
        part = messages[first : first + CHUNK]
        dice.shuffle(part)
        messages[first : first + CHUNK] = part
    chunks = range(0, OBSERVATIONS, CHUNK)
    blows = set(dice.sample(chunks, BLOWS))
    for first in chunks:
        await asyncio.to_thread(publish, system.mqtt, messages[first : first + CHUNK])
        if first in blows:
            blow = await asyncio.to_thread(strike, system, dice)
            told.extend([f"after {first + CHUNK}: {blow}"] if blow else [])
    return newest, history


async def settled(system: System, newest: Truth, history: History) -> None:
    """Wait until history holds each observation once, and the state is the newest one of each street."""
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


async def state_of(client: httpx.AsyncClient, street: str) -> tuple[str, float] | None:
    """Return the measured time and value that the API tells, None while it has none."""
    answer = (await client.get(f"/v1/entities/{street}/state")).raise_for_status().json()
    level = answer["properties"].get("noise_level")
    return None if level is None else (level["phenomenonTime"], level["value"])


def last_lines(system: System) -> str:
    """Return the end of each log, for whoever reads of the failure."""
    logs = sorted(system.data_dir.glob("logs/*.log"))
    return "\n".join(f"== {log.name}\n" + "\n".join(log.read_text().splitlines()[-15:]) for log in logs)


async def test_twenty_thousand_observations_survive_random_kills(
    start_system: Callable[..., System], tmp_path: Path
) -> None:
    folder = tmp_path / "town"
    write_city(as_model(noise_city(STREETS)), folder)
    system = start_system(f"--city={folder}")
    await asyncio.to_thread(system.wait_ready)
    told: list[str] = []
    newest, history = await publish_and_strike(system, random.Random(SEED), told)
    try:
        await settled(system, newest, history)
    except AssertionError as error:
        raise AssertionError(f"{error}; {'; '.join(told)}\n{last_lines(system)}") from None
    assert len(told) >= BLOWS // 2, told
