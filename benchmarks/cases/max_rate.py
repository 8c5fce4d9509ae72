"""The case `reach`: highest rate, delays and cost of the system, beside the raw limits of the machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import click

from benchmarks.cases import history as history_case
from benchmarks.cases.history import HistoryTimings, queries_by_span
from benchmarks.load.bench_city import PROPERTIES, BenchCity
from benchmarks.measure.bench_system import BenchSystem
from benchmarks.measure.end_to_end import EndToEndRun, RunOptions
from benchmarks.measure.latency import LatencySummary
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.max_rate_search import MaxRate, RatesWithRules, measure_max_rate, measure_with_rules
from benchmarks.measure.raw_limits import RawLimit, copy_limit, generator_limit, subscriber_limit
from benchmarks.measure.recovery import PARTS, Recovery, measure_recovery
from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.report.figures import Figure, as_json, comparison_lines
from benchmarks.report.results import reference_figures, write_reference, write_results
from benchmarks.report.run_report import MEASURING_PROCESSES, process_order
from benchmarks.report.run_report import document as run_document

SCHEMA = 1

SECONDS = 20
QUICK_SECONDS = 8
CONNECTIONS = 4
RAW_MESSAGES = 300_000
HISTORY_ROUNDS = 40
QUICK_HISTORY_ROUNDS = 8

report = partial(print, flush=True)


@click.command()
@click.option("--quick", is_flag=True, help=f"Loads of {QUICK_SECONDS} s instead of {SECONDS}.")
@click.option("--datastreams", type=click.IntRange(20, 100_000), default=10_000, show_default=True)
@click.option("--each", type=click.IntRange(1, len(PROPERTIES)), default=10, show_default=True)
@click.option("--packs", is_flag=True, help="One sensor an entity, which sends SenML packs of all readings.")
@click.option(
    "--rules",
    type=click.IntRange(10, 1000),
    default=100,
    show_default=True,
    help="Rules of the city in which delays with rules are measured.",
)
@click.option("--keep", "keeps", is_flag=True, help="Leave the data and the logs where they are.")
@click.option("--last", "is_last", is_flag=True, help="Keep the figures as the reference for the next runs.")
def reach(
    *, quick: bool, datastreams: int, each: int, packs: bool, rules: int, keeps: bool, is_last: bool
) -> None:
    """Find the highest rate without loss, and its cost; print a table that compares it with the last run."""
    city = BenchCity(datastreams=datastreams, each=each, packs=packs)
    if datastreams % each or city.sensors % CONNECTIONS:
        raise click.UsageError(
            f"{datastreams} datastreams, {each} an entity, from {city.sensors} sensors over {CONNECTIONS} "
            "connections: expected numbers that divide"
        )
    options = RunOptions(
        rate=0, seconds=QUICK_SECONDS if quick else SECONDS, connections=CONNECTIONS, city=city, keep=keeps
    )
    bench = _Bench(options, rules, QUICK_HISTORY_ROUNDS if quick else HISTORY_ROUNDS)
    measured, machine = bench.measure()
    found = list(max_rate_figures(measured))
    document = _document(measured, found, machine, bench.durations)
    print()
    for line in comparison_lines(found, reference_figures(machine)):
        print(line)
    print(f"\nminutes: {', '.join(f'{name} {s / 60:.1f}' for name, s in bench.durations.items())}")
    write_results("reach", document)
    if is_last:
        write_reference(document)
    for fault in measured.faults:
        print(f"LOST: {fault}")
    for problem in bench.problems:
        print(f"NOT MEASURED: {problem}")
    if measured.faults or bench.problems:
        sys.exit(1)


class _Bench:
    """Measures the parts in order, with their durations; a later part that fails spoils no earlier one."""

    def __init__(self, options: RunOptions, rules: int, rounds: int) -> None:
        self.durations: dict[str, float] = {}  #: seconds
        self.problems: list[str] = []
        self._options = options
        self._rules = rules
        self._rounds = rounds

    def measure(self) -> tuple[MaxRateMeasurements, dict[str, Any]]:
        """Return the measurements and the machine."""
        city = self._options.city
        with self._part("raw limits"):
            generator = generator_limit(city, RAW_MESSAGES)
            subscriber = subscriber_limit(city, RAW_MESSAGES)
            copy = copy_limit(city, RAW_MESSAGES)
        recovered: dict[str, Recovery] = {}
        history: list[HistoryTimings] = []
        starts = {}
        with BenchSystem(keep=self._options.keep, city=city.model()) as system:
            starts["an empty folder"] = system.started_in_s
            machine = describe_machine(system.data_dir)
            with self._part("rates and delays"):
                found = measure_max_rate(self._options, system, report)
            with self._part("start on its data"), self._collect_problems():
                system.restart()
                starts["the data of the runs"] = system.started_in_s
            with self._part("recovery"):
                for part in PARTS:
                    with self._collect_problems():
                        recovered[part] = measure_recovery(system, city, part)
        with self._part("with rules"):
            with_rules = self._with_rules()
        with self._part("history"), self._collect_problems():
            history, _ = history_case.measure_history(self._rounds, keeps=False, queries=queries_by_span)
        measured = MaxRateMeasurements(
            generator=generator,
            subscriber=subscriber,
            copy=copy,
            reach=found,
            with_rules=with_rules,
            starts_s=starts,
            recoveries=recovered,
            history=history,
        )
        return measured, machine

    def _with_rules(self) -> RatesWithRules:
        options = replace(self._options, city=replace(self._options.city, rules=self._rules))
        with BenchSystem(keep=options.keep, city=options.city.model()) as system:
            return measure_with_rules(options, system, report)

    @contextmanager
    def _part(self, what: str) -> Iterator[None]:
        report(f"-- {what}")
        began = time.monotonic()
        yield
        self.durations[what] = round(time.monotonic() - began, 1)

    @contextmanager
    def _collect_problems(self) -> Iterator[None]:
        try:
            yield
        except BenchmarkError as error:
            self.problems.append(str(error))


def _document(
    measured: MaxRateMeasurements, found: list[Figure], machine: dict[str, Any], durations: dict[str, float]
) -> dict[str, Any]:
    """Return all measurements as a JSON value."""
    return {
        "schema": SCHEMA,
        "machine": machine,
        "city": asdict(measured.reach.highest.options.city),
        "durationsS": durations,
        "figures": as_json(found),
        "raw": {
            "generator": asdict(measured.generator),
            "subscriber": asdict(measured.subscriber),
            "copy": asdict(measured.copy),
        },
        "runs": [run_document(one) for one in (*measured.reach.runs, *measured.with_rules.runs)],
        "recoveries": {name: asdict(one) for name, one in measured.recoveries.items()},
    }


_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxRateMeasurements:
    """All measurements."""

    generator: RawLimit
    subscriber: RawLimit
    copy: RawLimit
    reach: MaxRate
    with_rules: RatesWithRules
    starts_s: Mapping[str, float]  #: by what was there before
    recoveries: Mapping[str, Recovery]
    history: Sequence[HistoryTimings]

    @property
    def faults(self) -> list[str]:
        """Descriptions of faults at rates that the system should sustain."""
        runs = [self.reach.highest, *self.reach.below.values(), *self.with_rules.at.values()]
        return [f"{fault} at {run.options.rate}/s" for run in runs for fault in run.balance.faults]


def max_rate_figures(measured: MaxRateMeasurements) -> Iterator[Figure]:
    """Yield all figures, in the order of the table."""
    yield from _rates(measured)
    for share, run in measured.reach.below.items():
        yield from _delays(f"publish to SSE at {share:.0%}", run.latency)
    rules = measured.with_rules.flat_out.options.city.rules
    for rate, run in measured.with_rules.at.items():
        yield from _delays(f"publish to SSE at {rate}/s with {rules} rules", run.latency)
    yield Figure(
        f"flat out with {rules} rules, one of which evaluates each reading",
        measured.with_rules.flat_out.delivered_messages_rate,
        "messages/s",
        "more",
    )
    yield from _costs(measured.reach.highest)
    yield from _memory(list(measured.reach.runs))
    yield from _disk(measured.reach.highest)
    for times in measured.history:
        days = (times.query.end - times.query.start) // 86_400_000_000
        name = f"history of {days} d in {times.query.interval}, {times.query.aggregate}"
        yield Figure(f"{name}: p50", times.p50_ms, "ms", "less")
        yield Figure(f"{name}: p95", times.p95_ms, "ms", "less")
    for name, seconds in measured.starts_s.items():
        yield Figure(f"start on {name}", seconds, "s", "less")
    for name, recovery in measured.recoveries.items():
        yield Figure(f"works again after {name} was killed", recovery.all_s, "s", "less")


def _rates(measured: MaxRateMeasurements) -> Iterator[Figure]:
    highest, subscriber, copy = measured.reach.highest, measured.subscriber, measured.copy
    readings = highest.rate * highest.options.city.pack
    yield Figure("sustained, nothing lost", highest.rate, "messages/s", "more")
    yield Figure("sustained readings", readings, "readings/s", "more")
    yield Figure(
        "flat out, at most 5,000 undelivered",
        measured.reach.flat_out.delivered_messages_rate,
        "messages/s",
        "more",
    )
    yield Figure("raw: the generator alone", measured.generator.rate, "messages/s", "more")
    yield Figure("raw: mosquitto_sub receives", subscriber.rate, "messages/s", "more")
    yield Figure("raw: binary COPY", copy.rate, "rows/s", "more")
    yield Figure(
        "sustained, of what mosquitto_sub receives", highest.rate / subscriber.rate * 100, "%", "more"
    )
    yield Figure("sustained, of binary COPY", readings / copy.rate * 100, "%", "more")


def _delays(name: str, summary: LatencySummary) -> Iterator[Figure]:
    for rank, value in (("p50", summary.p50), ("p99", summary.p99), ("p99.9", summary.p999)):
        yield Figure(f"{name}: {rank}", value, "ms", "less")


def _costs(run: EndToEndRun) -> Iterator[Figure]:
    """Yield processor seconds for 1,000 messages at the highest rate."""
    each = {
        name: run.usage[name].cpu_s * 1000 / max(1, run.balance.acknowledged)
        for name in process_order(run.usage)
    }
    system = sum(cost for name, cost in each.items() if name not in MEASURING_PROCESSES)
    yield Figure("processor for 1,000 messages: the system", system, "CPU-s", "less")
    for name, cost in each.items():
        yield Figure(f"processor for 1,000 messages: {name}", cost, "CPU-s", "less")


def _memory(runs: Sequence[EndToEndRun]) -> Iterator[Figure]:
    peaks = {
        name: max(run.usage[name].memory_bytes_max for run in runs if name in run.usage) / _MIB
        for name in process_order(runs[0].usage)
    }
    yield Figure(
        "peak memory: the system",
        sum(peak for name, peak in peaks.items() if name not in MEASURING_PROCESSES),
        "MiB",
        "less",
    )
    for name, peak in peaks.items():
        yield Figure(f"peak memory: {name}", peak, "MiB", "less")


def _disk(run: EndToEndRun) -> Iterator[Figure]:
    count = max(1, run.balance.stored.count)
    yield Figure(
        "disk for an observation: row and index",
        (run.added.table + run.added.indexes) / count,
        "bytes",
        "less",
    )
    yield Figure("disk for an observation: everything", run.added.database / count, "bytes", "less")
