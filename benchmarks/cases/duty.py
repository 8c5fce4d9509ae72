"""The case `duty`: the delay from a sensor's message to the notification on duty, under load.

A worker receives the notifications over a webhook, and records when each arrived. After the load, expected
and received notifications are compared.
"""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, NamedTuple, cast

import click
import httptools
import psycopg

from alerting.delivery.webhook_channel import IDEMPOTENCY_HEADER
from benchmarks.load.duty_city import RULES, SITES, TRAFFIC, duty_city, expected_incidents, notification_id
from benchmarks.load.load_generator import (
    LATE_S_MAX,
    PUBACK_TIMEOUT_S,
    LoadOptions,
    LoadResult,
    generate_load,
)
from benchmarks.measure.bench_system import HOST, BenchSystem
from benchmarks.measure.latency import LatencySummary, summarise
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.processes import ProcessUsage, UsageMeter, measure_usage
from benchmarks.measure.worker_process import BenchmarkError, WorkerChannel, WorkerProcess, wait_for_count
from benchmarks.report.results import write_results
from benchmarks.report.run_report import machine_text
from runtime.clock import system_clock
from twin.instant import from_datetime

RATE = 500
SECONDS = 60
QUICK_SECONDS = 10
MESSAGES_MAX = 1_000_000

SCHEMA = 1

CONNECTIONS = 4
READY_TIMEOUT_S = 60.0
SAMPLE_S = 0.5

_TIMES = """
SELECT notification_id, due_time, time FROM notification_event
WHERE kind = 'alarm' AND outcome = 'sending' AND attempt = 1
"""
_AGAIN = "SELECT count(*) FROM notification_event WHERE outcome = 'sending' AND attempt > 1"

_HEADER = IDEMPOTENCY_HEADER.lower().encode()
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

_MIB = 1 << 20


@click.command()
@click.option(
    "--rate", type=click.IntRange(1, 50_000), default=RATE, show_default=True, help="Messages a second."
)
@click.option(
    "--seconds", type=click.IntRange(1, 3600), default=SECONDS, show_default=True, help="How long to send."
)
@click.option("--quick", is_flag=True, help=f"Send for {QUICK_SECONDS} s only.")
@click.option("--keep", "keeps", is_flag=True, help="Leave the data and the logs where they are.")
def duty(*, rate: int, seconds: int, quick: bool, keeps: bool) -> None:
    """Raise alarms under load, each an incident, and notify over a webhook; print the delays."""
    options = DutyOptions(rate=rate, seconds=QUICK_SECONDS if quick else seconds, keep=keeps)
    if options.messages > MESSAGES_MAX:
        raise click.UsageError(f"{options.messages} messages requested, at most {MESSAGES_MAX} are measured")
    print(f"{SITES} sites with a sensor each, {RULES} rules, one person on duty")
    run = measure_duty(options, partial(print, flush=True))
    for line in lines(run):
        print(line)
    write_results("duty", document(run))
    if run.balance.faults:
        sys.exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyOptions:
    """The options of a run."""

    rate: int
    seconds: int
    keep: bool

    @property
    def messages(self) -> int:
        """The number of messages."""
        return self.rate * self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationTally:
    """Expected and received notifications."""

    raised: int  #: alarms that the acknowledged messages raise
    lost: int  #: of these, alarms without a notification
    duplicates: int  #: notifications received again, of any kind
    unasked: int  #: notifications of unexpected alarms
    recoveries: int  #: notifications that an alarm has cleared
    again: int  #: repeated attempts after a failed one

    @property
    def faults(self) -> list[str]:
        """Descriptions of all faults; empty when nothing is wrong."""
        counts = {
            "alarms without a notification": self.lost,
            "notifications received twice": self.duplicates,
            "unexpected notifications": self.unasked,
        }
        return [f"{count} {what}" for what, count in counts.items() if count]


class NotificationTimes(NamedTuple):
    """Times of the duty loop for one notification."""

    decided: int
    sending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRun:
    """The result of a run."""

    options: DutyOptions
    machine: dict[str, Any]
    rate: float  #: messages a second, from the first sent to the last acknowledged
    late: LatencySummary  #: delay of the load generator
    balance: NotificationTally
    latency: LatencySummary  #: publish → receiver
    decided: LatencySummary  #: publish → the duty loop's decision
    sending: LatencySummary  #: publish → `sending` on `notifications`
    slowest: list[tuple[float, str]]  #: milliseconds and ids of the slowest notifications
    usage: dict[str, ProcessUsage]  #: of each process, from the first message to the last notification
    usage_s: float
    other_cores: float  #: used by all other programs
    restarted: list[str] = field(default_factory=list)  #: parts whose processes were replaced during the run


def measure_duty(options: DutyOptions, report: Callable[[str], None]) -> DutyRun:
    """Measure one run. Raises BenchmarkError when a measurement fails."""
    workers = [WorkerProcess("receiver", receive_webhooks, HOST)]
    try:
        port = workers[0].answer(READY_TIMEOUT_S)
        with BenchSystem(keep=options.keep, city=duty_city(port)) as system:
            report(f"system runs, {options.messages} messages follow, {options.rate} a second")
            return _measure(options, system, workers)
    finally:
        for worker in workers:
            worker.end()


def _measure(options: DutyOptions, system: BenchSystem, workers: list[WorkerProcess]) -> DutyRun:
    ports = system.ports
    machine = describe_machine(system.data_dir)
    target = LoadOptions(
        traffic=TRAFFIC,
        host=HOST,
        port=ports["mqtt"],
        rate=options.rate,
        messages=options.messages,
        connections=CONNECTIONS,
    )
    workers.append(WorkerProcess("load generator", generate_load, target))
    receiver, load = workers
    load.answer(READY_TIMEOUT_S)
    groups = {**system.pids, "supervisor": [system.supervisor], **{one.name: [one.pid] for one in workers}}
    duty_load = _DutyLoad(options, load, receiver)
    usage, other_s, usage_s = measure_usage(groups, duty_load.run)
    times, again = _notification_times(str(ports["database"]), len(duty_load.published), load)
    receiver.send("end")
    received: ReceivedNotifications = receiver.answer(READY_TIMEOUT_S)
    published, sent = duty_load.published, duty_load.result
    arrived = dict(zip(reversed(received.notifications), reversed(received.arrived), strict=True))
    delays = {id: arrived[id] - at for id, at in published.items() if id in arrived}
    after = system.pids
    return DutyRun(
        options=options,
        machine=machine,
        rate=round(int(sent.acknowledged.sum()) / sent.acknowledging_s, 1),
        late=summarise(sent.late_us),
        balance=_tally(published, received.notifications, again),
        latency=summarise(delays.values()),
        decided=summarise(times[id].decided - at for id, at in published.items() if id in times),
        sending=summarise(times[id].sending - at for id, at in published.items() if id in times),
        slowest=sorted(((round(us / 1000, 1), id) for id, us in delays.items()), reverse=True)[:5],
        usage=usage,
        usage_s=usage_s,
        other_cores=round(other_s / usage_s, 3),
        restarted=sorted(name for name, pids in after.items() if pids != ports["pids"].get(name)),
    )


class _DutyLoad:
    """Puts the load on the system and waits for all notifications."""

    result: LoadResult
    published: dict[str, int]  #: notification → publish time of the message that causes it

    def __init__(self, options: DutyOptions, load: WorkerProcess, receiver: WorkerProcess) -> None:
        self._options = options
        self._load = load
        self._receiver = receiver

    def run(self, meter: UsageMeter) -> None:
        """Send all messages; return when all notifications, or no more, arrive."""
        deadline = time.monotonic() + self._options.seconds + LATE_S_MAX + PUBACK_TIMEOUT_S
        self._load.send("go")
        while not self._load.has_answer(SAMPLE_S):
            meter.sample()
            if time.monotonic() > deadline:
                raise BenchmarkError("the load generator does not end")
        self.result = sent = self._load.answer(0)
        self.published = {
            notification_id(area): int(sent.published[number])
            for area, number in expected_incidents(self._options.messages).items()
            if sent.acknowledged[number]
        }
        wait_for_count(self._count, len(self.published), self._load)

    def _count(self) -> int:
        self._receiver.send("count")
        return int(self._receiver.answer(READY_TIMEOUT_S))


def _notification_times(
    dsn: str, expected: int, load: WorkerProcess
) -> tuple[dict[str, NotificationTimes], int]:
    """Return the times of each notification, and the number of repeated attempts."""
    with psycopg.connect(dsn, autocommit=True, application_name="livetwin-benchmark") as database:

        def read() -> dict[str, NotificationTimes]:
            rows = database.execute(_TIMES).fetchall()
            return {id: NotificationTimes(from_datetime(due), from_datetime(at)) for id, due, at in rows}

        wait_for_count(lambda: len(read()), expected, load)
        again = database.execute(_AGAIN).fetchone()
        assert again is not None
        return read(), int(again[0])


def _tally(published: Mapping[str, int], received: Iterable[str], again: int) -> NotificationTally:
    counts = Counter(received)
    recoveries = {id for id in counts if id not in published and "~recovery-" in id}
    return NotificationTally(
        raised=len(published),
        lost=sum(id not in counts for id in published),
        duplicates=sum(count - 1 for count in counts.values()),
        unasked=sum(id not in published and id not in recoveries for id in counts),
        recoveries=len(recoveries),
        again=again,
    )


def lines(run: DutyRun) -> Iterator[str]:
    """Yield the report, line by line."""
    machine, balance = run.machine, run.balance
    yield ""
    yield (
        f"{machine_text(machine)}; load {machine['loadBefore']} before, "
        f"other programs used {run.other_cores:.2f} cores"
    )
    yield ""
    for name, value in (
        ("rate", f"{run.rate}/s of {run.options.rate}/s for {run.options.seconds} s"),
        ("alarms raised", balance.raised),
        ("lost", balance.lost),
        ("duplicates", balance.duplicates),
        ("unexpected", balance.unasked),
        ("recoveries notified", balance.recoveries),
        ("attempts repeated", balance.again),
    ):
        yield f"{name:<22}{value}"
    yield ""
    yield f"{'milliseconds':<22}{'count':>7}{'p50':>9}{'p90':>9}{'p99':>9}{'max':>9}"
    for name, delays in (
        ("publish to decision", run.decided),
        ("publish to sending", run.sending),
        ("publish to receiver", run.latency),
        ("sent later than due", run.late),
    ):
        yield f"{name:<22}{delays.count:>7}{delays.p50:>9}{delays.p90:>9}{delays.p99:>9}{delays.max:>9}"
    yield "slowest: " + ", ".join(f"{id} {ms:g}" for ms, id in run.slowest)
    yield ""
    yield f"{'process':<22}{'cores':>8}{'peak MiB':>10}"
    for name, used in run.usage.items():
        yield f"{name:<22}{used.cpu_s / run.usage_s:>8.2f}{used.memory_bytes_max / _MIB:>10.0f}"
    yield ""
    if run.rate < 0.99 * run.options.rate:
        yield "WARNING: the requested rate was not reached."
    if run.restarted:
        yield f"WARNING: restarted during the run: {', '.join(run.restarted)}."
    yield (
        f"WRONG: {'; '.join(balance.faults)}."
        if balance.faults
        else "Every alarm has exactly one notification."
    )


def document(run: DutyRun) -> dict[str, Any]:
    """Return the run as a JSON value."""
    return {
        "schema": SCHEMA,
        "machine": run.machine,
        "asked": {"rate": run.options.rate, "seconds": run.options.seconds},
        "rate": run.rate,
        "balance": asdict(run.balance),
        "faults": run.balance.faults,
        "latencyMs": asdict(run.latency),
        "decidedMs": asdict(run.decided),
        "sendingMs": asdict(run.sending),
        "lateMs": asdict(run.late),
        "slowestMs": run.slowest,
        "processes": {
            name: {
                "cpuS": round(usage.cpu_s, 2),
                "cores": round(usage.cpu_s / run.usage_s, 3),
                "memoryBytesMax": usage.memory_bytes_max,
            }
            for name, usage in run.usage.items()
        },
        "otherCores": run.other_cores,
        "restarted": run.restarted,
    }


@dataclass(slots=True)
class ReceivedNotifications:
    """The received notifications. Element n of both belongs to request n."""

    notifications: list[str] = field(default_factory=list)
    arrived: array[int] = field(default_factory=lambda: array("q"))  #: instants of the last byte


class _Request(asyncio.Protocol):
    """A connection to the webhook; it may carry several requests."""

    def __init__(self, received: ReceivedNotifications) -> None:
        self._received = received
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._notification = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == _HEADER:
            self._notification = value.decode()

    def on_message_complete(self) -> None:
        self._received.arrived.append(system_clock())
        self._received.notifications.append(self._notification)
        assert self._transport is not None
        self._transport.write(_ANSWER)


async def receive_webhooks(channel: WorkerChannel, host: str) -> None:
    """Listen and send the port; at "count" send the number of notifications, at "end" all of them."""
    received = ReceivedNotifications()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Request(received), host, 0)
    channel.send(server.sockets[0].getsockname()[1])
    while await channel.receive() == "count":
        channel.send(len(received.notifications))
    channel.send(received)
    await channel.receive()
