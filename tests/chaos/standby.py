"""Two alertings on two hosts: the one that works is killed or cut off during incidents, again and again.

`python -m tests.chaos standby` runs this module as a process in a network namespace of its own: hosts are
namespaces around it, with cables. Services (the embedded log, a mail server, a webhook) run in the centre.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
from aiokafka.errors import KafkaError
from msgspec.structs import replace

from cli.embedded.broker.request_handlers import RequestHandlers
from cli.embedded.broker.server import serve
from runtime.clock import system_clock
from tests.chaos.network_hosts import CENTRE, HostProcess, hosts, prepare_centre
from tests.support.brokers.alarm_topics import notifications_until, publish_alarms
from tests.support.payloads.alarm_events import acknowledged_event
from tests.support.pipelines.duty_loop import SWIFT_POLICY, duty_alarm, duty_plan
from tests.support.receivers.mail_server import MailServer, NotificationWebhook
from tests.support.services.service_folder import make_service_folder
from twin.errors import ServiceError
from twin.instant import SECOND, Instant
from twin.model.duty import DutyPlan, NotificationChannel, StormLimit, encode_duty_plan
from twin.wire.duty_messages import NotificationEvent

KAFKA_PORT = 9092
STEPS = 3
TAKEOVER_S_MAX = 10.0
SETTLE_S_MAX = 120.0
ANSWER_S_MAX = 0.4
"""Receivers answer within this time, so that faults also hit messages that are being handed over."""

_LOOK_S = 0.02
_WORKS, _STANDS_BY = "this alerting works now", "this alerting is the standby"


@dataclass
class Receipts:
    """What arrived, with times; calls `on_message` in the thread of the receiver."""

    dice: random.Random
    first: dict[str, Instant] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    on_message: Callable[[], None] = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, notification: str) -> None:
        """Note a message that has arrived, and let its sender wait for the answer."""
        with self.lock:
            self.first.setdefault(notification, system_clock())
            self.counts[notification] += 1
            pause_s = self.dice.uniform(0, ANSWER_S_MAX)
        self.on_message()
        threading.Event().wait(pause_s)


class Pair:
    """The two processes, and the faults of the one that works."""

    def __init__(self, processes: list[HostProcess], dice: random.Random) -> None:
        self.processes = processes
        self._dice = dice
        self._turns = {one.host.name: 0 for one in processes}
        self.worker: HostProcess | None = None

    def find_worker(self) -> HostProcess | None:
        """Return the process that began to work last; None if none has begun since the last call."""
        for process in self.processes:
            turns = process.count(_WORKS)
            if turns > self._turns[process.host.name]:
                self._turns[process.host.name] = turns
                self.worker = process
                return process
        return None

    async def until_worker(self, deadline_s: float = 60.0) -> HostProcess:
        """Return the process that begins to work."""
        async with asyncio.timeout(deadline_s):
            while (found := self.find_worker()) is None:  # noqa: ASYNC110 - the process makes it true
                await asyncio.sleep(_LOOK_S)
        return found

    def strike(self, fault: str, victim: HostProcess) -> None:
        """Inject a fault, from any thread."""
        match fault:
            case "killed":
                victim.send_signal(signal.SIGKILL)
            case "frozen":
                victim.send_signal(signal.SIGSTOP)
            case "cut off":
                victim.host.pull_cable()
            case "cut off from the log":
                victim.host.drop(KAFKA_PORT, requests=True)
            case "without answers of the log":
                victim.host.drop(KAFKA_PORT, requests=False)

    async def recover(self, fault: str, victim: HostProcess) -> None:
        """End a fault; return when the victim is the standby."""
        stood = victim.count(_STANDS_BY)
        if fault == "killed":
            await victim.wait()
            await victim.start()
        elif fault == "frozen":
            victim.send_signal(signal.SIGCONT)
        else:
            victim.host.heal()
        async with asyncio.timeout(SETTLE_S_MAX):
            while victim.count(_STANDS_BY) == stood:  # noqa: ASYNC110 - the process makes it true
                await asyncio.sleep(_LOOK_S)


FAULTS = ("killed", "cut off", "cut off from the log", "without answers of the log", "frozen")


@dataclass
class Result:
    """The measurements of a run."""

    takeovers: list[tuple[float, str]] = field(default_factory=list)
    raised: dict[str, Instant] = field(default_factory=dict)  #: when each incident was published, by cause
    events: list[NotificationEvent] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


async def _incident(number: int, pair: Pair, receipts: Receipts, dice: random.Random, result: Result) -> None:
    """Raise an incident, strike the process that works meanwhile, and wait until everybody was told."""
    fault = FAULTS[number % len(FAULTS)]
    victim = pair.worker
    assert victim is not None
    alarm = duty_alarm("canal", rule=f"rule-{number}")
    struck = asyncio.Event()
    loop = asyncio.get_running_loop()
    arrivals = dice.choice((0, 0, 1, 2, 3))  # strike while this message is being handed over; 0: at any time
    begun = 0.0

    def strike() -> None:
        nonlocal begun, arrivals
        arrivals = 0
        begun = loop.time()
        pair.strike(fault, victim)
        loop.call_soon_threadsafe(struck.set)

    def count_down() -> None:
        nonlocal arrivals
        if arrivals > 0:
            arrivals -= 1
            if arrivals == 0:
                strike()

    receipts.on_message = count_down
    result.raised[alarm.cause] = system_clock()
    await publish_alarms(f"{CENTRE}:{KAFKA_PORT}", alarm)
    if arrivals == 0:
        await asyncio.sleep(dice.uniform(0, 4.0))
        strike()
    await struck.wait()
    await pair.until_worker()
    result.takeovers.append((loop.time() - begun, fault))
    await asyncio.sleep(dice.uniform(0, 2.0))
    await pair.recover(fault, victim)

    def is_over(events: list[NotificationEvent]) -> bool:
        mine = [one for one in events if one.incident.startswith(f"{alarm.cause}~")]
        is_settled = all(one.outcome not in ("sending", "failed") for one in mine)
        return is_settled and {one.step for one in mine} >= set(range(STEPS))

    result.events = await _events_until(is_over, result)
    await publish_alarms(f"{CENTRE}:{KAFKA_PORT}", acknowledged_event(alarm), revision=2)


async def _events_until(
    condition: Callable[[list[NotificationEvent]], bool], result: Result
) -> list[NotificationEvent]:
    seen: list[NotificationEvent] = []

    def look(events: list[NotificationEvent]) -> bool:
        seen[:] = events
        return condition(events)

    try:
        return await notifications_until(f"{CENTRE}:{KAFKA_PORT}", look, SETTLE_S_MAX)
    except (TimeoutError, KafkaError, ServiceError) as error:
        result.faults.append(f"after {len(result.takeovers)} faults an incident is not settled: {error!r}")
        return seen


def judge(result: Result, receipts: Receipts, incidents: int) -> list[str]:
    """Return what breaks a promise: told twice, forgotten, or a takeover that took too long."""
    broken = list(result.faults)
    broken += [f"told {count} times: {id}" for id, count in receipts.counts.items() if count > 1]
    sent = {one.notification for one in result.events if one.outcome == "sent"}
    broken += [f"published as sent, and never received: {id}" for id in sorted(sent - receipts.counts.keys())]
    for number in range(incidents):
        cause = f"rule-{number}~"
        for step in range(STEPS):
            mine = [one for one in result.events if one.incident.startswith(cause) and one.step == step]
            if not mine:
                broken.append(f"forgotten: step {step} of incident {number}")
        if not any(one.notification in sent for one in result.events if one.incident.startswith(cause)):
            broken.append(f"incident {number} reached nobody for certain")
    broken += [
        f"{seconds:.1f} s until the other one worked ({fault})"
        for seconds, fault in result.takeovers
        if seconds > TAKEOVER_S_MAX
    ]
    return broken


def step_delays(result: Result, receipts: Receipts) -> Iterator[float]:
    """Yield the delay of the first message of each step that arrived, seconds.

    The first step is due after the incident was published, each other one after the step before it.
    """
    for cause, raised in result.raised.items():
        due = raised + SWIFT_POLICY.group_wait
        for step in range(STEPS):
            mine = [one for one in result.events if one.incident.startswith(f"{cause}~") and one.step == step]
            arrived = [receipts.first[one.notification] for one in mine if one.notification in receipts.first]
            if arrived:
                yield max(0.0, (min(arrived) - due) / SECOND)
            if mine:
                due = min(arrived or [one.time for one in mine]) + SWIFT_POLICY.steps[step].wait


def report(result: Result, receipts: Receipts) -> list[str]:
    """Return the figures of a run."""
    doubtful = [one for one in result.events if one.outcome == "given-up"]
    arrived = sum(one.notification in receipts.counts for one in doubtful)
    delays = sorted(step_delays(result, receipts))
    takeovers = sorted(seconds for seconds, _ in result.takeovers)
    kinds = Counter(fault for _, fault in result.takeovers)
    return [
        "faults of the one that worked: " + ", ".join(f"{kind} {count}" for kind, count in kinds.items()),
        f"the other one worked after {takeovers[len(takeovers) // 2]:.1f} s (median), "
        f"at most {takeovers[-1]:.1f} s",
        f"{len(receipts.counts)} messages arrived, {max(receipts.counts.values())} time each at most; "
        f"{len(doubtful)} were being sent when it was struck: {arrived} of them arrived",
        f"{len(delays)} steps told of {STEPS * len(result.raised)}; the longest delay after a step was due: "
        f"{delays[-1]:.1f} s (median {delays[len(delays) // 2]:.2f} s)",
    ]


def _plan(mails: MailServer, hook: NotificationWebhook) -> DutyPlan:
    channels = (
        NotificationChannel(id="mail", url=mails.url),
        NotificationChannel(id="hook", url=hook.url),
    )
    plan = duty_plan(SWIFT_POLICY, channels=channels, storm=StormLimit(messages=0, group="incident"))
    contacts = tuple(
        replace(one, addresses={"mail": f"{one.id}@town.example", "hook": one.id}) for one in plan.contacts
    )
    return replace(plan, contacts=contacts)


@asynccontextmanager
async def _pair(folder: Path, receipts: Receipts, dice: random.Random) -> AsyncIterator[Pair]:
    """Run the services, and an alerting on each of two hosts."""
    mails = MailServer(receipts.add, host=CENTRE)
    hook = NotificationWebhook(received=receipts.add, host=CENTRE)
    mails.start()
    hook.start()
    address = f"{CENTRE}:{KAFKA_PORT}"
    broker = await serve(RequestHandlers("chaos", address), CENTRE, KAFKA_PORT)
    plan = folder / "plan.json"
    plan.write_bytes(encode_duty_plan(_plan(mails, hook)))
    with hosts("east", "west") as pair:
        processes = []
        for host in pair:
            state = folder / host.name
            state.mkdir()
            settings = {"CITY": "town", "KAFKA": address, "STATE_DIR": str(state), "STANDBY": "true"}
            environment = {**os.environ, **{f"LIVETWIN_{key}": value for key, value in settings.items()}}
            command = ("-m", "tests.support.processes.alerting_process", str(plan))
            processes.append(HostProcess(host, command, environment, folder / f"{host.name}.log"))
        try:
            for process in processes:
                await process.start()
            yield Pair(processes, dice)
        finally:
            for process in processes:
                if process.is_running:
                    process.send_signal(signal.SIGKILL)
                await process.wait()
            broker.close()
            mails.stop()
            hook.stop()


async def run_experiment(count: int, seed: int, folder: Path) -> list[str]:
    """Strike the process that works `count` times; return the broken promises."""
    dice = random.Random(seed)
    receipts = Receipts(random.Random(seed + 1))
    result = Result()
    prepare_centre()
    async with _pair(folder, receipts, dice) as pair:
        await pair.until_worker()
        for number in range(count):
            await _incident(number, pair, receipts, dice, result)
            seconds, fault = result.takeovers[-1]
            print(f"   {number + 1:>3}: {fault}; the other one worked after {seconds:.1f} s", flush=True)
    for line in report(result, receipts):
        print(f"   {line}")
    broken = judge(result, receipts, count)
    print(f"   broken promises: {len(broken)}")
    for line in broken:
        print(f"   BROKEN: {line}")
    return broken


@click.command()
@click.option("--blows", type=click.IntRange(1), default=50, show_default=True)
@click.option("--seed", type=int, default=20261126, show_default=True)
@click.option("--keep", is_flag=True, help="Keep data and logs.")
def main(blows: int, seed: int, keep: bool) -> None:
    """Strike the alerting that works, in a network namespace of this process's own."""
    # SIGTERM acts like Ctrl-C, so that the started programs are stopped, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = make_service_folder()
    try:
        broken = asyncio.run(run_experiment(blows, seed, folder))
    finally:
        if keep:
            print(f"data and logs stay in {folder}")
        else:
            with suppress(OSError):
                shutil.rmtree(folder)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
