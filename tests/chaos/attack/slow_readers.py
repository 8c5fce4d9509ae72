"""Clients that ask for much and do not read: of pages, of the live stream, and in long pipelines."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.attack.attack import REST_S, SOURCES, Attack, AttackTarget, Met
from tests.chaos.attack.http_attacker import HttpAttacker, http_attacker, request

BUFFER_BYTES = 4_096
_LARGE = (
    "/v1/quarantine?limit=1000",
    "/v1/entities?limit=1000",
    "/v1/datastreams?limit=1000",
    "/v1/openapi.json",
)
_PIPELINED = 20
_PIPELINED_MAX = 5_000
_AGAIN_S = 1.0


class SlowReaders(Attack):
    """Each connection asks for large answers again and again, and reads nothing."""

    name = "slow readers"
    connections = 60

    async def _act(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.connections):
                source = SOURCES[number % len(SOURCES)]
                tasks.create_task(self._hold(target, source, random.Random(dice.random()), met))

    async def _hold(self, target: AttackTarget, source: str, dice: random.Random, met: Met) -> None:
        while True:
            try:
                async with http_attacker(target.http_port, source, buffer_bytes=BUFFER_BYTES) as attacker:
                    attacker.stop_reading()
                    met.add("connections")
                    sending = asyncio.ensure_future(self._ask(attacker, dice))
                    try:
                        await attacker.until_closed()
                        met.add("cut off")
                    finally:
                        sending.cancel()
            except (OSError, TimeoutError) as error:
                met.add(f"not connected: {type(error).__name__}")
            await asyncio.sleep(REST_S)

    async def _ask(self, attacker: HttpAttacker, dice: random.Random) -> None:
        while True:
            await attacker.send(b"".join(request(dice.choice(_LARGE)) for _ in range(_PIPELINED)))
            await asyncio.sleep(_AGAIN_S)


class SlowSubscribers(SlowReaders):
    """Each connection subscribes to everything, and reads nothing."""

    name = "slow subscribers"
    connections = 100

    async def _ask(self, attacker: HttpAttacker, dice: random.Random) -> None:
        await attacker.send(request("/v1/live", "Accept: text/event-stream"))
        await asyncio.Event().wait()


class PipelinedRequests(SlowReaders):
    """Each connection sends small requests without end, which have no limit of rate, and reads nothing."""

    name = "pipelined requests"
    connections = 40

    async def _ask(self, attacker: HttpAttacker, dice: random.Random) -> None:
        while True:
            await attacker.send(request("/v1/health/live") * dice.randint(1, _PIPELINED_MAX))
            await asyncio.sleep(REST_S)
