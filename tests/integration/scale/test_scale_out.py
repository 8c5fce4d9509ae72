"""Two processes of each role; they join, leave and are killed in turn, under load: all is as with one."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from runtime.clock import system_clock
from storage.database import connect
from storage.model.model_store import apply_plan
from tests.chaos.balance import compute_balance
from tests.chaos.fleet import DeviceFleet
from tests.chaos.message_plan import MessagePlan, value_of
from tests.chaos.system_under_test import LOAD_STREETS, street_id
from tests.integration.scale.live_client import FailoverClient, SeenState, live_snapshot
from tests.integration.scale.replicas import REPLICATED, Replicas, ServiceAddresses, running_replicas
from tests.support.cities.noise_city import noise_city
from tests.support.processes.role_process import RoleProcess
from twin.instant import SECOND, format_instant

MESSAGES = 4_000
RATE = 400
CONNECTIONS = 6
SEED = 20261127
HEAD_START = 5 * SECOND
DEADLINE_S = 120.0
LOOK_S = 0.02

WAYS = (signal.SIGTERM, signal.SIGKILL)


def blows(replicas: Replicas, dice: random.Random) -> Iterator[tuple[RoleProcess, signal.Signals]]:
    """Yield each process once, in any order, with how it ends: of each role one leaves, one is killed."""
    chosen = [
        (process, way)
        for role in REPLICATED
        for process, way in zip(dice.sample(replicas.roles[role], 2), WAYS, strict=True)
    ]
    dice.shuffle(chosen)
    yield from chosen


async def disturb(replicas: Replicas, fleet: DeviceFleet, dice: random.Random) -> None:
    """End each process while messages come in, and start it again while more do."""
    share = MESSAGES // (2 * len(REPLICATED) + 1)
    for number, (process, way) in enumerate(blows(replicas, dice), 1):
        fleet.pause_at = number * share
        while fleet.sent < fleet.pause_at - share // 2:  # noqa: ASYNC110 - the fleet makes it true
            await asyncio.sleep(LOOK_S)
        await process.stop(way)
        fleet.pause_at += share // 2
        await process.start()
    fleet.pause_at = MESSAGES


def truth(plan: MessagePlan) -> dict[str, tuple[str, float]]:
    """Return the newest time and value of each street."""
    return {
        street_id(street): (format_instant(plan.instant(number)), value_of(number))
        for street, number in plan.newest().items()
    }


async def until_shown(
    wanted: dict[str, tuple[str, float]], wanderer: FailoverClient, replicas: Replicas
) -> None:
    """Return when the client has received the newest value of each street, else fail with the logs."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while any(  # noqa: ASYNC110 - the replicas make it true
                not wanderer.states[street] or wanderer.states[street][-1][2:] != newest
                for street, newest in wanted.items()
            ):
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise AssertionError(replicas.log_tails()) from None


async def test_nothing_is_lost_doubled_or_out_of_order_while_replicas_come_and_go(
    database: str, kafka: str, mqtt: tuple[str, int], service_folder: Path
) -> None:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, noise_city(LOAD_STREETS + 1))
    begin = system_clock() - HEAD_START
    plan = MessagePlan(MESSAGES, SEED, begin - begin % 1_000, SECOND // RATE)
    fleet = DeviceFleet(plan, mqtt, rate=RATE, connections=CONNECTIONS)
    async with running_replicas(ServiceAddresses(kafka, database, mqtt), service_folder) as replicas:
        wanderer = FailoverClient(replicas.addresses)
        following = asyncio.create_task(wanderer.follow())
        await wanderer.joined.wait()
        begun = replicas.beginnings()
        await fleet.connect()
        fleet.pause_at = 0
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fleet.send())
                tasks.create_task(disturb(replicas, fleet, random.Random(SEED)))
            await until_shown(truth(plan), wanderer, replicas)
            balance = await compute_balance(replicas, fleet, None)
            shown = [await live_snapshot(address) for address in replicas.addresses]
            begun_again = replicas.beginnings() - begun
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await fleet.close()
    assert balance.faults == []
    assert not begun_again
    assert (balance.acknowledged, balance.stored) == (MESSAGES, MESSAGES)
    assert wanderer.other_events == []
    last = {one: states[-1] for one, states in wanderer.states.items()}
    for replica in shown:
        assert {one: state[2:] for one, state in replica.items()} == truth(plan)
        assert {one: state.revision for one, state in replica.items()} == {
            one: state.revision for one, state in last.items()
        }
    for states in wanderer.states.values():
        assert_in_order(states)


def assert_in_order(states: list[SeenState]) -> None:
    """Assert that each revision was received, once at each age, and in the order of measurement."""
    for earlier, other in pairwise([SeenState(0, 0, "", 0.0), *states]):
        if earlier.revision == other.revision:
            assert earlier.age < other.age
            assert earlier[2:] == other[2:]
        else:
            assert other.revision == earlier.revision + 1
            assert other.phenomenon_time > earlier.phenomenon_time
