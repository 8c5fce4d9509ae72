"""A flood of requests by anonymous clients over many connections."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.attack.attack import REST_S, SOURCES, Attack, AttackTarget, Met
from tests.chaos.attack.http_attacker import HttpAttacker, http_attacker, request

CONNECTIONS = 40
_PIPELINED = 8

PATHS = (
    "/v1/entities?limit=1000",
    "/v1/entities/town.street-1/state",
    "/v1/entities/town.street-1/history?property=noise_level&start=2026-01-01T00:00:00Z&interval=PT1H",
    "/v1/quarantine?limit=1000",
    "/v1/alarms?limit=1000",
    "/v1/ledger",
    "/v1/datastreams?limit=1000",
    "/v1/unassigned-devices?limit=500",
    "/v1/openapi.json",
    "/v1/insights/correlations?x=town.street-1:noise_level&y=town.street-2:noise_level",
    "/",
)


def note_status(status: str, met: Met) -> None:
    """Count a status; a server error other than "try again later" breaks a promise."""
    met.add(status)
    if status.startswith("5") and status not in ("503", "501", "505"):
        met.must_not(f"the api answered {status}")


class RequestFlood(Attack):
    """Connections from several addresses send requests as fast as they are answered, in pipelines."""

    name = "request flood"

    async def _act(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(CONNECTIONS):
                source = SOURCES[number % len(SOURCES)]
                tasks.create_task(self._send(target, source, random.Random(dice.random()), met))

    async def _send(self, target: AttackTarget, source: str, dice: random.Random, met: Met) -> None:
        while True:
            try:
                async with http_attacker(target.http_port, source) as attacker:
                    while await self._answered(attacker, dice, met):
                        pass
            except (OSError, TimeoutError) as error:
                met.add(f"not connected: {type(error).__name__}")
            await asyncio.sleep(REST_S)

    async def _answered(self, attacker: HttpAttacker, dice: random.Random, met: Met) -> bool:
        await attacker.send(b"".join(request(dice.choice(PATHS)) for _ in range(_PIPELINED)))
        for _ in range(_PIPELINED):
            status = await attacker.status()
            note_status(status, met)
            if not status.isdecimal():
                return False
        return True
