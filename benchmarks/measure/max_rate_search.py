"""Search for the highest sustained rate of the system, and its delays below that rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.load.load_generator import FLAT_OUT
from benchmarks.measure.bench_system import BenchSystem
from benchmarks.measure.end_to_end import EndToEndRun, RunOptions, measure_running_system
from benchmarks.measure.worker_process import BenchmarkError

TRIES_MAX = 6
"""Greatest number of steady rates that are tried."""

RATE_DOWN, RATE_UP = 0.94, 1.08
"""The next rate, relative to the last one; downwards to the delivered rate, if that is lower."""

RATES_NEAR = 1.05
"""The search ends when the lowest rate that failed is at most this times the highest sustained one."""

SHARES = (0.1, 0.5, 0.8)
"""Shares of the highest sustained rate at which delays are measured."""

RATES_WITH_RULES = (500, 1000)
"""Messages a second at which delays are measured with rules that evaluate every reading."""

DELIVERED_SOON_S = 1.0
"""When all is delivered this soon after the last message, there was no backlog."""

DELIVERED_OF_SENT_MIN = 0.97
DELIVERED_AFTER_S_MAX = 2.0
"""Limit where the delivered rate nearly equals the sent rate: the delay is constant then."""

STORED_AFTER_S_MAX = 5.0
"""All must be stored this soon after the last message."""

_RATE_STEP = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxRate:
    """The result of the search."""

    flat_out: EndToEndRun  #: as fast as readings were delivered and stored
    tried: list[EndToEndRun]  #: at steady rates
    highest: EndToEndRun  #: the one at the highest sustained rate
    below: dict[float, EndToEndRun]  #: by share of that rate

    @property
    def runs(self) -> Iterator[EndToEndRun]:
        """All runs, in the order of measurement."""
        yield self.flat_out
        yield from self.tried
        yield from self.below.values()


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesWithRules:
    """The result in a city with rules that evaluate every reading."""

    flat_out: EndToEndRun
    at: dict[int, EndToEndRun]  #: by rate

    @property
    def runs(self) -> Iterator[EndToEndRun]:
        """All runs, in the order of measurement."""
        yield from self.at.values()
        yield self.flat_out


def measure_with_rules(
    options: RunOptions, system: BenchSystem, report: Callable[[str], None]
) -> RatesWithRules:
    """Measure delays at low rates, and the highest rate, in a city with rules."""
    at = {}
    for rate in RATES_WITH_RULES:
        at[rate] = measure_running_system(replace(options, rate=rate), system)
        report(f"{rate} messages/s, {options.city.rules} rules: {_summary(at[rate])}")
    flat_out = measure_running_system(replace(options, rate=FLAT_OUT), system)
    highest = f"{flat_out.delivered_messages_rate:.0f} messages/s"
    report(f"{highest} delivered, flat out, {options.city.rules} rules; {_summary(flat_out)}")
    return RatesWithRules(flat_out=flat_out, at=at)


def measure_max_rate(options: RunOptions, system: BenchSystem, report: Callable[[str], None]) -> MaxRate:
    """Find the highest sustained rate of a running system, then measure below it.

    The rate in `options` is not used. Raises BenchmarkError when the system sustains none of the tried rates.
    """

    def put(rate: float) -> EndToEndRun:
        return measure_running_system(replace(options, rate=round(rate)), system)

    report(f"flat out for {options.seconds} s as a warm-up, and once more to measure")
    put(FLAT_OUT)
    flat_out = put(FLAT_OUT)
    start = flat_out.delivered_messages_rate
    report(f"{start:.0f} messages/s delivered, flat out; {_summary(flat_out)}")
    tried, highest = search_max_rate(put, start, report)
    below = {}
    for share in SHARES:
        below[share] = put(highest.options.rate * share)
        report(f"{share:.0%} of it, {below[share].options.rate} messages/s: {_summary(below[share])}")
    return MaxRate(flat_out=flat_out, tried=tried, highest=highest, below=below)


def search_max_rate(
    put: Callable[[float], EndToEndRun], rate: float, report: Callable[[str], None]
) -> tuple[list[EndToEndRun], EndToEndRun]:
    """Try rates: downwards until the system keeps up, upwards until it does not, then between the two."""
    tried: list[EndToEndRun] = []
    highest: EndToEndRun | None = None
    too_high: float | None = None
    for _ in range(TRIES_MAX):
        rate = max(_RATE_STEP, rate // _RATE_STEP * _RATE_STEP)
        if any(one.options.rate == rate for one in tried):
            break
        run = put(rate)
        tried.append(run)
        report(
            f"{run.options.rate} messages/s: {'kept up' if keeps_up(run) else 'fell behind'}; {_summary(run)}"
        )
        if keeps_up(run):
            highest = run
        else:
            too_high = run.options.rate
        if highest is None:
            rate = RATE_DOWN * min(run.options.rate, run.delivered_messages_rate)
        elif too_high is None:
            rate = highest.options.rate * RATE_UP
        elif too_high <= highest.options.rate * RATES_NEAR:
            break
        else:
            rate = (highest.options.rate + too_high) / 2
    if highest is None:
        rates = ", ".join(str(one.options.rate) for one in tried)
        raise BenchmarkError(f"the system keeps up with none of {rates} messages/s")
    return tried, highest


def keeps_up(run: EndToEndRun) -> bool:
    """Return whether delivery kept pace with the load, the rest followed soon, and nothing was lost."""
    keeps_pace = run.delivered_messages_rate >= DELIVERED_OF_SENT_MIN * run.options.rate
    is_delivered_soon = run.delivered_after_s <= (DELIVERED_AFTER_S_MAX if keeps_pace else DELIVERED_SOON_S)
    return is_delivered_soon and run.stored_after_s <= STORED_AFTER_S_MAX and not run.balance.faults


def _summary(run: EndToEndRun) -> str:
    latency = run.steady
    restarted = f"; restarted: {', '.join(run.restarted)}" if run.restarted else ""
    recycled = f"; log recycled {run.recycles} times" if run.recycles else ""
    faults = "; ".join(run.balance.faults) or "nothing lost"
    return (
        f"p50 {latency.p50:.0f} ms, p99 {latency.p99:.0f} ms, all delivered after "
        f"{run.delivered_after_s:.1f} s, stored after {run.stored_after_s:.1f} s, {faults}"
        f"{restarted}{recycled}; others used {run.other_cores:.1f} cores"
    )
