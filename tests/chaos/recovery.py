"""Measures recovery: the time from a fault until a canary sent after it is live, and stored.

Live means that the API answers it as the state; stored means that it is in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import psycopg

from runtime.clock import Clock
from tests.chaos.fleet import DeviceFleet
from tests.chaos.system_under_test import LOAD_STREETS, PROPERTY, SystemUnderTest, microphone_id, street_id
from twin.instant import Instant, format_instant, to_datetime

RECOVERY_S_MAX = 180.0
_LOOK_S = 0.05
_ANSWER_S_MAX = 5.0

_STORED = """
SELECT EXISTS (
    SELECT FROM observation o JOIN datastream d ON d.id = o.datastream_id
    WHERE d.sensor_id = %s AND o.phenomenon_time = %s
)
"""


class NotRecoveredError(AssertionError):
    """The system did not recover in time."""


@dataclass(frozen=True)
class Recovery:
    """Recovery times, in seconds since the fault."""

    live: float  #: until the canary is the state of its street
    stored: float  #: until it is in the database

    def __str__(self) -> str:
        return f"live after {self.live:.1f} s, stored after {self.stored:.1f} s"


class RecoveryProbe:
    """Measures the system from outside, through its API and its database."""

    def __init__(self, town: SystemUnderTest, fleet: DeviceFleet, clock: Clock) -> None:
        self._town = town
        self._fleet = fleet
        self._clock = clock

    async def measure(self, since: float) -> Recovery:
        """Send a canary; return how long after `since` (loop time) it was live and stored."""
        instant = self.send_canary()
        async with asyncio.TaskGroup() as tasks:
            live = tasks.create_task(self.until_live(instant, since))
            stored = tasks.create_task(self.until_stored(instant, since))
        return Recovery(live.result(), stored.result())

    def send_canary(self) -> Instant:
        """Send a canary; return its instant."""
        instant = self._clock()
        self._fleet.send_canary(instant)
        return instant

    async def until_live(self, instant: Instant, since: float) -> float:
        """Return how long after `since` a canary, or a later one, was live."""
        return await _until(lambda: self._is_live(instant), since, "live")

    async def until_stored(self, instant: Instant, since: float) -> float:
        """Return how long after `since` a canary was stored."""
        return await _until(lambda: self._is_stored(instant), since, "stored")

    async def until_database_answers(self, since: float) -> float:
        """Return how long after `since` the API answers from the database."""
        return await _until(self._answers, since, "answered from the database")

    async def until_restarted(self, name: str, gone: int) -> None:
        """Return when a new process has replaced the killed one."""
        async with asyncio.timeout(RECOVERY_S_MAX):
            while set(self._town.pids.get(name, ())) <= {gone}:  # noqa: ASYNC110 - the supervisor ends it
                await asyncio.sleep(_LOOK_S)

    async def _is_live(self, instant: Instant) -> bool:
        try:
            async with httpx.AsyncClient(base_url=self._town.http, timeout=_ANSWER_S_MAX) as client:
                answer = (
                    (await client.get(f"/v1/entities/{street_id(LOAD_STREETS)}/state"))
                    .raise_for_status()
                    .json()
                )
        except (httpx.HTTPError, FileNotFoundError):
            return False
        time = answer["properties"].get(PROPERTY, {}).get("phenomenonTime", "")
        return bool(time >= format_instant(instant))

    async def _answers(self) -> bool:
        try:
            async with httpx.AsyncClient(base_url=self._town.http, timeout=_ANSWER_S_MAX) as client:
                return (await client.get("/v1/ledger")).is_success
        except (httpx.HTTPError, FileNotFoundError):
            return False

    async def _is_stored(self, instant: Instant) -> bool:
        try:
            async with (
                asyncio.timeout(_ANSWER_S_MAX),
                await psycopg.AsyncConnection.connect(self._town.database) as connection,
            ):
                found = await connection.execute(_STORED, (microphone_id(LOAD_STREETS), to_datetime(instant)))
                row = await found.fetchone()
        except (psycopg.Error, TimeoutError, FileNotFoundError):
            return False
        return row is not None and bool(row[0])


async def _until(holds: Callable[[], Awaitable[bool]], since: float, what: str) -> float:
    loop = asyncio.get_running_loop()
    while not await holds():
        if loop.time() - since > RECOVERY_S_MAX:
            raise NotRecoveredError(f"a canary is not {what} {RECOVERY_S_MAX:.0f} s after the fault")
        await asyncio.sleep(_LOOK_S)
    return loop.time() - since
