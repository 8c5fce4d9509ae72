"""The case `reach`: how fast, how late, for how much; and beside it what the machine can do at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import click

from benchmarks.cases import history as history_case
from benchmarks.cases.history import HistoryTimings, queries_by_span
from benchmarks.last import reference_figures, write_reference
from benchmarks.load.bench_city import PROPERTIES, BenchCity
from benchmarks.measure.bench_system import BenchSystem
from benchmarks.measure.end_to_end import RunOptions
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.max_rate_search import RatesWithRules, measure_max_rate, measure_with_rules
from benchmarks.measure.raw_limits import copy_limit, generator_limit, subscriber_limit
from benchmarks.measure.recovery import PARTS, Recovery, measure_recovery
from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.reach_figures import MaxRateMeasurements, max_rate_figures
from benchmarks.report.figures import Figure, as_json, comparison_lines
from benchmarks.report.results import write_results
from benchmarks.report.run_report import document as run_document

SCHEMA = 1

SECONDS = 20
QUICK_SECONDS = 8
CONNECTIONS = 4
RAW_MESSAGES = 300_000
HISTORY_ROUNDS = 40
QUICK_HISTORY_ROUNDS = 8

tell = partial(print, flush=True)


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
@click.option("--last", "is_last", is_flag=True, help="Keep the figures as those to compare with next time.")
def reach(
    *, quick: bool, datastreams: int, each: int, packs: bool, rules: int, keeps: bool, is_last: bool
) -> None:
    """Find the highest rate without loss, and what it costs; print a table, compare it with the last one."""
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
    """Measures one thing after the other, and notes how long each took; what fails late spoils nothing."""

    def __init__(self, options: RunOptions, rules: int, rounds: int) -> None:
        self.durations: dict[str, float] = {}  #: seconds
        self.problems: list[str] = []
        self._options = options
        self._rules = rules
        self._rounds = rounds

    def measure(self) -> tuple[MaxRateMeasurements, dict[str, Any]]:
        """Return what was found, and on which machine."""
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
                found = measure_max_rate(self._options, system, tell)
            with self._part("start on its data"), self._noted():
                system.restart()
                starts["the data of the runs"] = system.started_in_s
            with self._part("recovery"):
                for part in PARTS:
                    with self._noted():
                        recovered[part] = measure_recovery(system, city, part)
        with self._part("with rules"):
            with_rules = self._with_rules()
        with self._part("history"), self._noted():
            history, _ = history_case.measure_history(self._rounds, keeps=False, asks=queries_by_span)
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
            return measure_with_rules(options, system, tell)

    @contextmanager
    def _part(self, what: str) -> Iterator[None]:
        tell(f"-- {what}")
        began = time.monotonic()
        yield
        self.durations[what] = round(time.monotonic() - began, 1)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except BenchmarkError as error:
            self.problems.append(str(error))


def _document(
    measured: MaxRateMeasurements, found: list[Figure], machine: dict[str, Any], durations: dict[str, float]
) -> dict[str, Any]:
    """Return everything as JSON holds it."""
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
