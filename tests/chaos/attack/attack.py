"""What every attack is: it acts for some seconds, by seeded dice, and counts what it met."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import suppress

import msgspec

LYING = 4
"""How many of the attackers' devices do not flood."""


class AttackTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What the attackers know: addresses on loopback, and the passwords of a few devices."""

    http_port: int
    kafka_port: int
    mqtt_port: int  #: broker with accounts, over TLS
    open_mqtt_port: int  #: broker of `livetwin up`, without accounts
    postgres_port: int
    metrics_ports: dict[str, int]  #: by role
    authority: str  #: file with the certificate that the broker's is checked by
    accounts: dict[str, str]  #: passwords of the devices in the hands of attackers
    others: tuple[str, ...]  #: ids of devices of others
    flood_rate: int  #: messages a second of one device

    @property
    def flooding(self) -> list[tuple[str, str]]:
        """Names and passwords of the devices that flood; an account has one connection at a time."""
        return sorted(self.accounts.items())[LYING:]

    @property
    def lying(self) -> list[tuple[str, str]]:
        """Names and passwords of the devices that connect again and again."""
        return sorted(self.accounts.items())[:LYING]


class Met(msgspec.Struct):
    """What an attack met: how often each answer, and how often something that must not happen."""

    answers: dict[str, int] = {}
    broken: dict[str, int] = {}

    def add(self, answer: str, count: int = 1) -> None:
        """Count an answer."""
        self.answers[answer] = self.answers.get(answer, 0) + count

    def must_not(self, what: str) -> None:
        """Count something that breaks a promise."""
        self.broken[what] = self.broken.get(what, 0) + 1

    def include(self, other: Met) -> None:
        """Add the counts of another time."""
        self.answers = dict(Counter(self.answers) + Counter(other.answers))
        self.broken = dict(Counter(self.broken) + Counter(other.broken))


class Attack(ABC):
    """One kind of attack."""

    name: str  #: as the table shows it

    async def attack(self, target: AttackTarget, seconds: float, dice: random.Random) -> Met:
        """Attack for some seconds; return what was met."""
        met = Met()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._act(target, dice, met)
        return met

    @abstractmethod
    async def _act(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        """Attack until cancelled."""


class RepeatedAttack(Attack):
    """An attack of many short attempts, by several attackers at one time."""

    attackers = 6

    async def _act(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.attackers):
                tasks.create_task(self._repeat(target, random.Random(dice.random()), met))

    async def _repeat(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        while True:
            try:
                await self._try(target, dice, met)
            except (OSError, TimeoutError) as error:
                met.add(f"not connected: {type(error).__name__}")
            await asyncio.sleep(REST_S)

    @abstractmethod
    async def _try(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        """Attack once. May raise OSError when there is no connection."""


LOOPBACK = "127.0.0.1"
SOURCES = tuple(f"127.0.0.{number}" for number in range(2, 10))
"""Addresses of the attackers: each counts as a client of its own, and nobody else has them."""

REST_S = 0.05
"""Pause between two attempts of one connection, so that attackers leave the processor to the system."""
