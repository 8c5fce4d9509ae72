"""One run: the system is started, seen idle, and loaded; when all is through, the balance is struck."""

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
from benchmarks.measure.worker_process import BenchmarkError, WorkerProcess
from runtime.clock import system_clock
from twin.instant import Instant

READY_TIMEOUT_S = 150.0
READ_TIMEOUT_S = 120.0

IDLE_S = 2.0
WARM_UP_US = 2_000_000

FLAT_OUT_RATE_MAX = 60_000
"""More messages a second are not expected of any system."""

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What to measure."""

    rate: int  #: messages a second; FLAT_OUT: as fast as the system takes them
    seconds: int
    connections: int
    city: BenchCity
    keep: bool
    profile: str | None = None  #: a role to record with py-spy

    @property
    def messages(self) -> int:
        """How many messages are sent."""
        return (self.rate or FLAT_OUT_RATE_MAX) * self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class EndToEndRun:
    """What a run found."""

    options: RunOptions
    machine: dict[str, Any]
    balance: Completeness
    rate: float  #: messages a second, from the first sent to the last acknowledged
    delivered_rate: (
        float  #: readings a second that were told while messages were sent, without the first seconds
    )
    late: LatencySummary  #: how much later than due the generator sent
    latency: LatencySummary  #: publish → SSE
    steady: LatencySummary  #: the same without the first second, in which every part meets its first message
    seconds: list[tuple[float, float, float]]  #: of each second of the run: p50, p99 and max of publish → SSE
    delivered_after_s: float  #: from the last acknowledgement until all was told
    stored_after_s: float  #: from the last acknowledgement until all was stored
    usage: dict[str, ProcessUsage]  #: of each process, from the first message until all was through
    usage_s: float
    idle_cores: dict[str, float]  #: cores that each process used before the load
    other_cores: float  #: that all other programs used meanwhile
    records: dict[str, int]  #: of the log, by topic: a record holds a batch of observations or updates
    added: DatabaseSize  #: to the database
    event_bytes: int
    restarted: list[str]  #: parts whose processes changed during the run
    recycles: int  #: how often the embedded log was replaced during the run

    @property
    def delivered_messages_rate(self) -> float:
        """Messages a second that were told, as `delivered_rate` has readings."""
        return self.delivered_rate / self.options.city.pack


def measure_new_system(options: RunOptions, tell: Callable[[str], None]) -> EndToEndRun:
    """Start a system and do one run. Raises BenchmarkError when something cannot be measured."""
    with BenchSystem(keep=options.keep, city=options.city.model()) as system:
        tell(f"system runs, {options.messages} messages follow, {options.rate} a second")
        return measure_running_system(options, system)


def measure_running_system(options: RunOptions, system: BenchSystem) -> EndToEndRun:
    """Do one run on a system that runs. Raises BenchmarkError when something cannot be measured."""
    companions: list[WorkerProcess] = []
    archive = StoredRowsReader(str(system.ports["database"]))
    try:
        return _measure(options, system, archive, companions)
    finally:
        archive.close()
        for companion in companions:
            companion.end()


def _measure(
    options: RunOptions, system: BenchSystem, archive: StoredRowsReader, companions: list[WorkerProcess]
) -> EndToEndRun:
    backlog = Backlog()
    since, before = system_clock(), system.ports
    probe, load = _companions(options, before, backlog, companions)
    groups = {
        **system.pids,
        "supervisor": [system.supervisor],
        **{one.name: [one.pid] for one in companions},
        "reader": [archive.backend],
    }
    idle, _, idle_s = measure_usage(groups, lambda _: load.has_answer(IDLE_S))
    machine = {**describe_machine(system.data_dir), **archive.versions()}
    size, records = archive.size(), archive.records()
    through = EndToEndLoad(
        load, archive, backlog, since=since, seconds=options.seconds, pack=options.city.pack
    )
    pushed: list[EndToEndTimes] = []
    with profiled(options.profile, system.pids.get(options.profile or "", ())):
        usage, other_s, usage_s = measure_usage(groups, lambda meter: pushed.append(through.run(meter)))
    (sent, told_after_s, stored_after_s) = pushed[0]
    probe.send("end")
    seen: LiveEvents = probe.answer(READ_TIMEOUT_S)
    stored = archive.read(options.city, since)
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
        delivered_after_s=told_after_s,
        stored_after_s=stored_after_s,
        usage=usage,
        usage_s=usage_s,
        idle_cores={name: round(one.cpu_s / idle_s, 3) for name, one in idle.items()},
        other_cores=round(other_s / usage_s, 3),
        records={name: count - records.get(name, 0) for name, count in archive.records().items()},
        added=archive.size().since(size),
        event_bytes=seen.bytes,
        restarted=sorted(name for name, pids in after["pids"].items() if pids != before["pids"].get(name)),
        recycles=after["recycles"] - before["recycles"],
    )


def _companions(
    options: RunOptions, ports: dict[str, Any], backlog: Backlog, started: list[WorkerProcess]
) -> tuple[WorkerProcess, WorkerProcess]:
    """Start the probe and the load generator; both are in `started` as soon as they run."""
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
    for companion in started:
        companion.answer(READY_TIMEOUT_S)
    return probe, load


def _delays(readings: SentReadings, seen: LiveEvents) -> tuple[Numbers, Numbers]:
    """Return when each reading that was told was published, and how long its first event took."""
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


# A load is put on the system, and what it does is waited for.

SAMPLE_S = 0.5
SAMPLES_A_MEASUREMENT = 4
"""Memory is looked at less often: the kernel walks all pages for it."""

_DRAIN_LOOK_S = 0.1

# The rest is given up for lost when nothing more has come for so long.
DRAIN_STILL_S = 10.0


class EndToEndTimes(NamedTuple):
    """How it went."""

    sent: LoadResult
    delivered_after_s: float  #: from the last acknowledgement until all was told
    stored_after_s: float  #: from the last acknowledgement until all was stored


class EndToEndLoad:
    """Puts the load on the system and waits until it is through."""

    def __init__(
        self,
        load: WorkerProcess,
        archive: StoredRowsReader,
        backlog: Backlog,
        *,
        since: Instant,
        seconds: float,
        pack: int,
    ) -> None:
        self._load = load
        self._archive = archive
        self._backlog = backlog
        self._since = since
        self._seconds = seconds
        self._pack = pack
        self._stored_before = archive.inserted()

    def run(self, meter: UsageMeter) -> EndToEndTimes:
        """Send everything; return when it was told and stored, or nothing more comes."""
        sent = self._send(meter)
        acknowledged = time.monotonic()
        wanted = int(sent.acknowledged.sum()) * self._pack
        self._drain(lambda: int(self._backlog.delivered.value), wanted)
        told = time.monotonic()
        meter.sample()
        self._drain(lambda: self._archive.count(self._since), wanted)
        return EndToEndTimes(sent, round(told - acknowledged, 2), round(time.monotonic() - acknowledged, 2))

    def _send(self, meter: UsageMeter) -> LoadResult:
        deadline = time.monotonic() + self._seconds + LATE_S_MAX + PUBACK_TIMEOUT_S
        self._load.send("go")
        number = 0
        while not self._load.has_answer(SAMPLE_S):
            number += 1
            if number % SAMPLES_A_MEASUREMENT == 0:
                meter.sample()
            self._backlog.stored.value = self._archive.inserted() - self._stored_before
            if time.monotonic() > deadline:
                raise BenchmarkError("the load generator does not end")
        sent: LoadResult = self._load.answer(0)
        return sent

    def _drain(self, count: Callable[[], int], wanted: int) -> None:
        known, since = -1, time.monotonic()
        while (now := count()) < wanted:
            if now > known:
                known, since = now, time.monotonic()
            elif time.monotonic() - since > DRAIN_STILL_S:
                return
            self._load.has_answer(_DRAIN_LOOK_S)  # it says nothing more: this waits
