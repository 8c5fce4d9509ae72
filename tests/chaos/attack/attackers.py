"""All attacks, and the rounds in which they attack."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import msgspec

from runtime.clock import Clock
from tests.chaos.attack.attack import Attack, AttackTarget, Met
from tests.chaos.attack.false_identity import FalseIdentity
from tests.chaos.attack.malformed_http import MalformedHttp, MalformedMetricsRequests
from tests.chaos.attack.malformed_kafka import MalformedKafka
from tests.chaos.attack.malformed_mqtt import MalformedMqtt
from tests.chaos.attack.publish_floods import PublishFlood, QuarantineFlood
from tests.chaos.attack.random_bytes import RandomBytes
from tests.chaos.attack.request_flood import RequestFlood
from tests.chaos.attack.slow_readers import PipelinedRequests, SlowReaders, SlowSubscribers
from tests.chaos.attack.takeover import SessionTakeover
from twin.instant import Instant

TURN_S_MAX = 40.0
"""How long one attack lasts: longer than the api waits for slow readers."""

ALL_AT_ONCE = "all at once"
_ROUNDING = 1e-6


def all_attacks() -> list[Attack]:
    """Return each attack once."""
    return [
        SessionTakeover(),
        FalseIdentity(),
        PublishFlood(),
        QuarantineFlood(),
        RequestFlood(),
        SlowReaders(),
        SlowSubscribers(),
        PipelinedRequests(),
        MalformedMqtt(),
        MalformedHttp(),
        MalformedMetricsRequests(),
        MalformedKafka(),
        RandomBytes(),
    ]


class Turn(msgspec.Struct):
    """One attack, or all at once, for a while."""

    attack: str
    begin: Instant
    end: Instant
    met: Met


class AttackRounds:
    """Rounds until the time is over: each attack alone, in an order by the dice, and then all at once."""

    def __init__(self, attacks: list[Attack], seconds: float, dice: random.Random, clock: Clock) -> None:
        self._attacks = attacks
        self._seconds = seconds
        self._dice = dice
        self._clock = clock

    @property
    def turn_s(self) -> float:
        """The length of a turn: a whole round fits into the time."""
        return min(TURN_S_MAX, self._seconds / (len(self._attacks) + 1))

    async def turns(self, target: AttackTarget) -> AsyncIterator[Turn]:
        """Attack; yield each turn after its end."""
        count = len(self._attacks) + 1
        for _ in range(max(1, int(self._seconds / self.turn_s / count + _ROUNDING))):
            for attack in self._dice.sample(self._attacks, len(self._attacks)):
                yield await self._turn(attack.name, [attack], target)
            yield await self._turn(ALL_AT_ONCE, self._attacks, target)

    async def _turn(self, name: str, attacks: list[Attack], target: AttackTarget) -> Turn:
        begin = self._clock()
        met = Met()
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(one.attack(target, self.turn_s, random.Random(self._dice.random())))
                for one in attacks
            ]
        for task in running:
            met.include(task.result())
        return Turn(name, begin, self._clock(), met)
