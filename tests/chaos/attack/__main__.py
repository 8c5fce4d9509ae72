"""The attackers as a process of their own: orders come on stdin, each turn goes to stdout as JSON."""

from __future__ import annotations

import asyncio
import os
import random
import sys

import msgspec

from runtime.clock import system_clock
from tests.chaos.attack.attack import AttackTarget
from tests.chaos.attack.attackers import AttackRounds, all_attacks

NICENESS = 10
"""Attackers have machines of their own: here they get the processor that the system leaves."""


class Orders(msgspec.Struct):
    """What to attack, how long, and by which seed."""

    target: AttackTarget
    seconds: float
    seed: int


async def _attack(orders: Orders) -> None:
    rounds = AttackRounds(all_attacks(), orders.seconds, random.Random(orders.seed), system_clock)
    async for turn in rounds.turns(orders.target):
        sys.stdout.buffer.write(msgspec.json.encode(turn) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    os.nice(NICENESS)
    asyncio.run(_attack(msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)))
