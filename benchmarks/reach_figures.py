"""What the case `reach` found, as figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.cases.history import HistoryTimings
from benchmarks.measure.end_to_end import EndToEndRun
from benchmarks.measure.latency import LatencySummary
from benchmarks.measure.max_rate_search import MaxRate, RatesWithRules
from benchmarks.measure.raw_limits import RawLimit
from benchmarks.measure.recovery import Recovery
from benchmarks.report.figures import Figure
from benchmarks.report.run_report import MEASURING_PROCESSES, process_order

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxRateMeasurements:
    """Everything that was measured."""

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
        """What was lost at a rate that the system should keep up with, in words."""
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
        f"flat out with {rules} rules, one of which looks at each reading",
        measured.with_rules.flat_out.delivered_messages_rate,
        "messages/s",
        "more",
    )
    yield from _costs(measured.reach.highest)
    yield from _memory(list(measured.reach.runs))
    yield from _disk(measured.reach.highest)
    for one in measured.history:
        days = (one.question.end - one.question.start) // 86_400_000_000
        name = f"history of {days} d in {one.question.interval}, {one.question.aggregate}"
        yield Figure(f"{name}: p50", one.p50_ms, "ms", "less")
        yield Figure(f"{name}: p95", one.p95_ms, "ms", "less")
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
        "flat out, at most 5,000 not told",
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
    """Yield processor seconds for 1,000 messages, at the highest rate."""
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
