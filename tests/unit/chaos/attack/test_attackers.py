"""The rounds of the attackers: everybody in turn, then all at once, by the dice."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.chaos.attack.attack import Attack, AttackTarget, Met
from tests.chaos.attack.attackers import ALL_AT_ONCE, TURN_S_MAX, AttackRounds, Turn, all_attacks

TARGET = AttackTarget(
    http_port=1,
    kafka_port=2,
    mqtt_port=3,
    open_mqtt_port=4,
    postgres_port=5,
    metrics_ports={"api": 6},
    authority="none",
    accounts={f"device-{number}": "secret" for number in range(6)},
    others=("device-100",),
    flood_rate=100,
)


class Knock(Attack):
    """Knocks once with a number of its dice."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def _act(self, target: AttackTarget, dice: random.Random, met: Met) -> None:
        met.add(f"{self.name}: {dice.randrange(1_000_000)}")
        met.must_not("be heard")
        await asyncio.Event().wait()


def rounds(seed: int, seconds: float = 0.03) -> AttackRounds:
    instants = iter(range(1_000))
    return AttackRounds([Knock("a"), Knock("b")], seconds, random.Random(seed), lambda: next(instants))


async def turns(seed: int) -> list[Turn]:
    return [turn async for turn in rounds(seed).turns(TARGET)]


async def test_a_round_has_each_attack_alone_and_then_all_at_once() -> None:
    found = await turns(1)
    assert sorted(turn.attack for turn in found[:2]) == ["a", "b"]
    assert [turn.attack for turn in found[2:]] == [ALL_AT_ONCE]
    assert [len(turn.met.answers) for turn in found] == [1, 1, 2]
    assert [turn.met.broken for turn in found] == [{"be heard": 1}, {"be heard": 1}, {"be heard": 2}]
    assert [(turn.begin, turn.end) for turn in found] == [(0, 1), (2, 3), (4, 5)]


async def test_a_seed_gives_one_attack_and_another_seed_another() -> None:
    assert await turns(1) == await turns(1)
    assert [turn.met for turn in await turns(1)] != [turn.met for turn in await turns(2)]


@pytest.mark.parametrize("seconds", [30.0, 120.0, 3_600.0])
def test_a_turn_is_short_enough_for_one_whole_round(seconds: float) -> None:
    turn_s = AttackRounds(all_attacks(), seconds, random.Random(1), lambda: 0).turn_s
    assert 0 < turn_s <= TURN_S_MAX
    assert turn_s * (len(all_attacks()) + 1) <= seconds + 1e-6


def test_each_attack_has_a_name_of_its_own() -> None:
    names = [attack.name for attack in all_attacks()]
    assert len(set(names)) == len(names)
    assert ALL_AT_ONCE not in names


def test_devices_that_flood_do_not_end_their_own_connections_elsewhere() -> None:
    assert not {name for name, _ in TARGET.flooding} & {name for name, _ in TARGET.lying}
    assert len(TARGET.flooding) + len(TARGET.lying) == len(TARGET.accounts)
