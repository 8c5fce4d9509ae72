"""An end-to-end run: start the system, measure it idle and under load, then check completeness."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.load.backlog import Backlog
from benchmarks.load.bench_city import BenchCity
from benchmarks.load.load_generator import (
    FLAT_OUT,
    LATE_S_MAX,
    PUBACK_TIMEOUT_S,
    LoadOptions,
    LoadResult,
    generate_load,
)
from benchmarks.load.traffic import Numbers
from benchmarks.measure.bench_system import HOST, BenchSystem
from benchmarks.measure.completeness import Completeness, SentReadings, check_completeness
from benchmarks.measure.latency import LatencySummary, summarise
from benchmarks.measure.live_events import LiveEvents
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.processes import ProcessUsage, UsageMeter, measure_usage
from benchmarks.measure.profiler import profiled
from benchmarks.measure.sse_probe import ProbeOptions, follow_stream
from benchmarks.measure.stored_rows import DatabaseSize, StoredRowsReader
from benchmarks.measure.worker_process import BenchmarkError, WorkerProcess, wait_for_count
from runtime.clock import system_clock
from twin.instant import Instant

READY_TIMEOUT_S = 150.0
READ_TIMEOUT_S = 120.0

IDLE_S = 2.0
SAMPLE_S = 0.5

SAMPLES_A_MEASUREMENT = 4
"""Samples between two measurements of memory, for which the kernel visits all pages."""

WARM_UP_US = 2_000_000

FLAT_OUT_RATE_MAX = 60_000
"""No system is expected to process more messages a second."""

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What to measure."""

    rate: int  #: messages a second; FLAT_OUT: as fast as the system processes them
    seconds: int
    connections: int
    city: BenchCity
    keep: bool
    profile: str | None = None  #: a role to record with py-spy

    @property
    def messages(self) -> int:
        """The number of messages."""
        return (self.rate or FLAT_OUT_RATE_MAX) * self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class EndToEndRun:
    """The result of a run."""

    options: RunOptions
    machine: dict[str, Any]
    balance: Completeness
    rate: float  #: messages a second, from the first sent to the last acknowledged
    delivered_rate: float  #: readings a second delivered during the load, without the first seconds
    late: LatencySummary  #: delay of the load generator
    latency: LatencySummary  #: publish → SSE
    steady: LatencySummary  #: the same without the first second, when every part warms up
    seconds: list[tuple[float, float, float]]  #: p50, p99 and max of publish → SSE, for each second
    delivered_after_s: float  #: from the last acknowledgement until all was delivered
    stored_after_s: float  #: from the last acknowledgement until all was stored
    usage: dict[str, ProcessUsage]  #: of each process, from the first message until all was stored
    usage_s: float
    idle_cores: dict[str, float]  #: used by each process before the load
    other_cores: float  #: used by all other programs
    records: dict[str, int]  #: of the log, by topic
    added: DatabaseSize  #: growth of the database
    event_bytes: int
    restarted: list[str]  #: parts whose processes were replaced during the run
    recycles: int  #: number of replacements of the embedded log during the run

    @property
    def delivered_messages_rate(self) -> float:
        """Messages a second that were delivered: `delivered_rate` counts readings."""
        return self.delivered_rate / self.options.city.pack


def measure_new_system(options: RunOptions, report: Callable[[str], None]) -> EndToEndRun:
    """Start a system and measure one run. Raises BenchmarkError when a measurement fails."""
    with BenchSystem(keep=options.keep, city=options.city.model()) as system:
        report(f"system runs, {options.messages} messages follow, {options.rate} a second")
        return measure_running_system(options, system)


def measure_running_system(options: RunOptions, system: BenchSystem) -> EndToEndRun:
    """Measure one run on a running system. Raises BenchmarkError when a measurement fails."""
    workers: list[WorkerProcess] = []
    reader = StoredRowsReader(str(system.ports["database"]))
    try:
        return _measure(options, system, reader, workers)
    finally:
        reader.close()
        for worker in workers:
            worker.end()


def _measure(
    options: RunOptions, system: BenchSystem, reader: StoredRowsReader, workers: list[WorkerProcess]
) -> EndToEndRun:
    backlog = Backlog()
    since, before = system_clock(), system.ports
    probe, load = _start_workers(options, before, backlog, workers)
    groups = {
        **system.pids,
        "supervisor": [system.supervisor],
        **{one.name: [one.pid] for one in workers},
        "reader": [reader.backend],
    }
    idle, _, idle_s = measure_usage(groups, lambda _: load.has_answer(IDLE_S))
    machine = {**describe_machine(system.data_dir), **reader.versions()}
    size, records = reader.size(), reader.records()
    load_run = EndToEndLoad(
        load, reader, backlog, since=since, seconds=options.seconds, pack=options.city.pack
    )
    pushed: list[EndToEndTimes] = []
    with profiled(options.profile, system.pids.get(options.profile or "", ())):
        usage, other_s, usage_s = measure_usage(groups, lambda meter: pushed.append(load_run.run(meter)))
    (sent, delivered_after_s, stored_after_s) = pushed[0]
    probe.send("end")
    seen: LiveEvents = probe.answer(READ_TIMEOUT_S)
    stored = reader.read(options.city, since)
    after = system.ports
    readings = SentReadings(options.city.traffic, sent)
    published, delays = _delays(readings, seen)
    start = int(published.min()) if len(published) else 0
    return EndToEndRun(
        options=options,
        machine=machine,
        balance=check_completeness(readings, sent, stored, seen),
        rate=round(int(sent.acknowledged.sum()) / sent.acknowledging_s, 1),
        delivered_rate=_told_rate(published, delays),
        late=summarise(sent.late_us),
        latency=summarise(delays),
        steady=summarise(delays[published - start >= _SECOND_US]),
        seconds=_by_second(published - start, delays),
        delivered_after_s=delivered_after_s,
        stored_after_s=stored_after_s,
        usage=usage,
        usage_s=usage_s,
        idle_cores={name: round(one.cpu_s / idle_s, 3) for name, one in idle.items()},
        other_cores=round(other_s / usage_s, 3),
        records={name: count - records.get(name, 0) for name, count in reader.records().items()},
        added=reader.size().since(size),
        event_bytes=seen.bytes,
        restarted=sorted(name for name, pids in after["pids"].items() if pids != before["pids"].get(name)),
        recycles=after["recycles"] - before["recycles"],
    )


def _start_workers(
    options: RunOptions, ports: dict[str, Any], backlog: Backlog, started: list[WorkerProcess]
) -> tuple[WorkerProcess, WorkerProcess]:
    """Start the probe and the load generator; add each to `started` once it runs."""
    follows = ProbeOptions(
        host=HOST, port=ports["http"], key=ports["operatorKey"], city=options.city, backlog=backlog
    )
    probe = WorkerProcess("probe", follow_stream, follows)
    started.append(probe)
    load = WorkerProcess(
        "load generator",
        generate_load,
        LoadOptions(
            traffic=options.city.traffic,
            host=HOST,
            port=ports["mqtt"],
            rate=options.rate,
            messages=options.messages,
            connections=options.connections,
            seconds_max=options.seconds if options.rate == FLAT_OUT else float("inf"),
            backlog=backlog if options.rate == FLAT_OUT else None,
        ),
    )
    started.append(load)
    for worker in started:
        worker.answer(READY_TIMEOUT_S)
    return probe, load


def _delays(readings: SentReadings, seen: LiveEvents) -> tuple[Numbers, Numbers]:
    """Return the publish time of each delivered reading, and the delay of its first event."""
    places = readings.find(seen.datastreams, seen.phenomenon)
    known = np.flatnonzero(places >= 0)
    first = known[np.unique(places[known], return_index=True)[1]]
    published = readings.published[places[first]]
    return published, seen.arrived[first] - published


def _told_rate(published: Numbers, delays: Numbers) -> float:
    if not len(published):
        return 0.0
    begin, end = int(published.min()) + WARM_UP_US, int(published.max())
    arrived = published + delays
    count = int(np.count_nonzero((arrived >= begin) & (arrived < end)))
    return round(count / ((end - begin) / _SECOND_US), 1) if end > begin else 0.0


def _by_second(since_start: Numbers, delays: Numbers) -> list[tuple[float, float, float]]:
    """Return p50, p99 and max of each second."""
    seconds = since_start // _SECOND_US
    summaries = [summarise(delays[seconds == second]) for second in np.unique(seconds)]
    return [(one.p50, one.p99, one.max) for one in summaries]


class EndToEndTimes(NamedTuple):
    """The result of the load."""

    sent: LoadResult
    delivered_after_s: float  #: from the last acknowledgement until all was delivered
    stored_after_s: float  #: from the last acknowledgement until all was stored


class EndToEndLoad:
    """Puts the load on the system and waits until it is processed."""

    def __init__(
        self,
        load: WorkerProcess,
        reader: StoredRowsReader,
        backlog: Backlog,
        *,
        since: Instant,
        seconds: float,
        pack: int,
    ) -> None:
        self._load = load
        self._reader = reader
        self._backlog = backlog
        self._since = since
        self._seconds = seconds
        self._pack = pack
        self._stored_before = reader.inserted()

    def run(self, meter: UsageMeter) -> EndToEndTimes:
        """Send all messages; return when all are delivered and stored, or no more arrive."""
        sent = self._send(meter)
        acknowledged = time.monotonic()
        expected = int(sent.acknowledged.sum()) * self._pack
        wait_for_count(lambda: int(self._backlog.delivered.value), expected, self._load)
        delivered = time.monotonic()
        meter.sample()
        wait_for_count(lambda: self._reader.count(self._since), expected, self._load)
        return EndToEndTimes(
            sent, round(delivered - acknowledged, 2), round(time.monotonic() - acknowledged, 2)
        )

    def _send(self, meter: UsageMeter) -> LoadResult:
        deadline = time.monotonic() + self._seconds + LATE_S_MAX + PUBACK_TIMEOUT_S
        self._load.send("go")
        number = 0
        while not self._load.has_answer(SAMPLE_S):
            number += 1
            if number % SAMPLES_A_MEASUREMENT == 0:
                meter.sample()
            self._backlog.stored.value = self._reader.inserted() - self._stored_before
            if time.monotonic() > deadline:
                raise BenchmarkError("the load generator does not end")
        sent: LoadResult = self._load.answer(0)
        return sent
