"""An attack for an hour, or as long as asked, while the devices of others send; then the balance."""

from __future__ import annotations

import asyncio
import random
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from runtime.clock import system_clock
from tests.chaos.attack.__main__ import Orders
from tests.chaos.attack.attack import AttackTarget
from tests.chaos.attack.attackers import Turn
from tests.chaos.attack.bystanders import Bystanders
from tests.chaos.attack.figures import ResourceFigures
from tests.chaos.attack.report import AttackResult, broken_promises, report_lines
from tests.chaos.attack.secured_broker import SecuredBroker, secured_broker
from tests.chaos.balance import compute_balance
from tests.chaos.fleet import DeviceFleet
from tests.chaos.message_plan import MessagePlan
from tests.chaos.recovery import RecoveryProbe
from tests.chaos.system_under_test import LOAD_STREETS, SystemUnderTest, microphone_id
from twin.instant import SECOND

ATTACKERS = 12
"""Devices of which the attackers have the passwords."""

CALM_S = 15.0
"""Load without attack, before and after it."""

_HEAD_START = 5 * SECOND
_STARTS_S = 600
_LINE_BYTES_MAX = 1 << 20
_ERROR = re.compile(r"never retrieved|MemoryError|Exception in (callback|ASGI application)|Fatal error")
_ERRORS_SHOWN = 5

# Smaller than the defaults, so that a short attack fills quarantine, too.
QUARANTINE_LIMITS = {"DEVICE": 4 << 20, "FEED": 32 << 20, "TOTAL": 20 << 20}


@dataclass(frozen=True, kw_only=True)
class AttackOptions:
    """The options of an attack."""

    seconds: float
    seed: int
    rate: int  #: messages of others, a second
    flood_rate: int  #: messages of one device of the attackers, a second
    acknowledge: str


def attack_system(options: AttackOptions, say: Callable[[str], None], *, keep: bool) -> list[str]:
    """Run a system and attack it; return the broken promises."""
    limits = {f"LIVETWIN_QUARANTINE_{name}_BYTES_MAX": str(size) for name, size in QUARANTINE_LIMITS.items()}
    with SystemUnderTest(
        f"--acknowledge={options.acknowledge}",
        "--metrics-port=0",
        keep=keep,
        streets=LOAD_STREETS + 1 + ATTACKERS,
        environment=limits,
    ) as town:
        return asyncio.run(_run(town, options, say))


async def _run(town: SystemUnderTest, options: AttackOptions, say: Callable[[str], None]) -> list[str]:
    valid = timedelta(seconds=options.seconds + _STARTS_S)
    result = AttackResult(quarantine_bytes_max=QUARANTINE_LIMITS["TOTAL"])
    async with secured_broker(town, acknowledge=options.acknowledge, valid=valid) as broker:
        begin = system_clock() - _HEAD_START
        messages = int(options.rate * (options.seconds + 2 * CALM_S))
        plan = MessagePlan(messages, options.seed, begin - begin % 1_000, SECOND // options.rate)
        devices = broker.accounts(range(LOAD_STREETS + 1))
        fleet = DeviceFleet(
            plan, ("127.0.0.1", broker.mosquitto.port), rate=options.rate, connections=0, accounts=devices
        )
        groups = {
            **town.pids,
            "mosquitto of devices": broker.mosquitto.pids,
            "ingest of devices": [broker.ingest.pid],
        }
        figures = ResourceFigures(groups, town.folder)
        probe = RecoveryProbe(town, fleet, system_clock)
        others = Bystanders(town, probe, system_clock)
        await fleet.connect()
        try:
            async with _running(others.watch(), figures.watch(), fleet.send()) as sending:
                await asyncio.sleep(CALM_S)
                async for turn in _attackers(_target(town, broker, options), options, result):
                    result.turns.append(turn)
                    say(f"{fleet.sent:>9} sent: {turn.attack} is over")
                await sending
            recovery = await probe.measure(asyncio.get_running_loop().time())
            others.delays.end(system_clock())
            say(f"{fleet.sent:>9} sent, {fleet.retransmissions} of them again; after all, {recovery}")
            result.balance = await compute_balance(town, fleet, None, frozenset(_attacker_names()))
        finally:
            await fleet.close()
        await _ask_ledger(town, result)
        figures.end()
        now = {**town.pids, "mosquitto of devices": broker.mosquitto.pids}
        result.replaced = [name for name, pids in now.items() if list(pids) != list(groups[name])]
        result.replaced += [] if broker.ingest.running else ["ingest of devices"]
        result.errors = unexpected_errors(town.folder)
    for line in report_lines(result, others, figures):
        say(line)
    broken = broken_promises(result, others, figures)
    say(f"broken promises: {len(broken)}")
    for line in broken:
        say(f"BROKEN: {line}")
    return broken


def _attacker_names() -> list[str]:
    return [microphone_id(LOAD_STREETS + 1 + number) for number in range(ATTACKERS)]


def _target(town: SystemUnderTest, broker: SecuredBroker, options: AttackOptions) -> AttackTarget:
    ports = town.ports
    dice = random.Random(options.seed)
    return AttackTarget(
        http_port=ports["http"],
        kafka_port=ports["kafka"],
        mqtt_port=broker.mosquitto.port,
        open_mqtt_port=town.mqtt[1],
        postgres_port=ports["postgres"],
        metrics_ports={**ports["metrics"], "ingest of devices": broker.metrics_port},
        authority=broker.authority,
        accounts={name: broker.mosquitto.passwords[name] for name in _attacker_names()},
        others=tuple(microphone_id(number) for number in dice.sample(range(LOAD_STREETS), 50)),
        flood_rate=options.flood_rate,
    )


@asynccontextmanager
async def _running(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run coroutines for the block, and yield the task of the last one; a failure of one ends the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in coroutines]
        yield tasks[-1]
        for task in tasks:
            task.cancel()


async def _attackers(
    target: AttackTarget, options: AttackOptions, result: AttackResult
) -> AsyncIterator[Turn]:
    """Run the attackers as a process of their own; yield their turns."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.attack"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES_MAX,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(Orders(target, options.seconds, options.seed)))
        process.stdin.close()
        async for line in process.stdout:
            yield msgspec.json.decode(line, type=Turn)
        if code := await process.wait():
            result.failures.append(f"the attackers ended early, with exit code {code}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _ask_ledger(town: SystemUnderTest, result: AttackResult) -> None:
    async with httpx.AsyncClient(base_url=town.http, timeout=60) as client:
        ledger = (await client.get("/v1/ledger")).raise_for_status().json()
    result.quarantine = ledger["quarantine"]
    result.interruptions = ledger["interruptions"]


def unexpected_errors(folder: Path) -> list[str]:
    """Return the first lines of logs that tell of an error that nothing handled."""
    found: list[str] = []
    logs: Sequence[Path] = sorted([*folder.glob("logs/*.log"), *folder.glob("*/logs/*.log")])
    for path in logs:
        lines = [line for line in path.read_text(errors="replace").splitlines() if _ERROR.search(line)]
        found += [f"{path.name}: {line[:200]}" for line in lines[:_ERRORS_SHOWN]]
    return found
