"""How far the system reaches: the highest rate that it keeps up with, and how late it is below that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.load.load_generator import FLAT_OUT
from benchmarks.measure.bench_system import BenchSystem
from benchmarks.measure.end_to_end import EndToEndRun, RunOptions, measure_running_system
from benchmarks.measure.worker_process import BenchmarkError

TRIES_MAX = 6
"""Steady rates that are tried, at most."""

RATE_DOWN, RATE_UP = 0.94, 1.08
"""The next rate to try, of the one before; or of what was told when it fell behind, if that is less."""

RATES_NEAR = 1.05
"""Where it kept up at one rate and fell behind at another that is no higher than this, the search ends."""

SHARES = (0.1, 0.5, 0.8)
"""Of the rate that it keeps up with: at these, delays are measured."""

RATES_WITH_RULES = (500, 1000)
"""Messages a second at which delays are measured with rules that look at every reading."""

DELIVERED_SOON_S = 1.0
"""When all is told so soon after the last message, nothing has piled up."""

DELIVERED_OF_SENT_MIN = 0.97
DELIVERED_AFTER_S_MAX = 2.0
"""It may take so long where things were told as fast as they were sent, or nearly so: a delay that stays."""

STORED_AFTER_S_MAX = 5.0
"""All must be stored so soon after the last message."""

_RATE_STEP = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxRate:
    """What was found."""

    flat_out: EndToEndRun  #: as fast as things were told and stored
    tried: list[EndToEndRun]  #: at steady rates
    highest: EndToEndRun  #: of these, the one at the highest rate that the system kept up with
    below: dict[float, EndToEndRun]  #: by share of that rate

    @property
    def runs(self) -> Iterator[EndToEndRun]:
        """All of them, in the order of measuring."""
        yield self.flat_out
        yield from self.tried
        yield from self.below.values()


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesWithRules:
    """What was found in a city in which a rule looks at every reading."""

    flat_out: EndToEndRun
    at: dict[int, EndToEndRun]  #: by rate

    @property
    def runs(self) -> Iterator[EndToEndRun]:
        """All of them, in the order of measuring."""
        yield from self.at.values()
        yield self.flat_out


def measure_with_rules(
    options: RunOptions, system: BenchSystem, tell: Callable[[str], None]
) -> RatesWithRules:
    """Measure delays at few messages, and what comes through flat out, in a city that has rules."""
    at = {}
    for rate in RATES_WITH_RULES:
        at[rate] = measure_running_system(replace(options, rate=rate), system)
        tell(f"{rate} messages/s, {options.city.rules} rules: {_told(at[rate])}")
    flat_out = measure_running_system(replace(options, rate=FLAT_OUT), system)
    flat_out_rate = f"{flat_out.delivered_messages_rate:.0f} messages/s"
    tell(f"{flat_out_rate} were told, flat out, {options.city.rules} rules; {_told(flat_out)}")
    return RatesWithRules(flat_out=flat_out, at=at)


def measure_max_rate(options: RunOptions, system: BenchSystem, tell: Callable[[str], None]) -> MaxRate:
    """Find the rate, then measure below it, on a system that runs.

    `options` say for how long and with what; their rate is not used. Raises BenchmarkError when the system
    keeps up with none of the rates that were tried.
    """

    def put(rate: float) -> EndToEndRun:
        return measure_running_system(replace(options, rate=round(rate)), system)

    tell(f"flat out for {options.seconds} s, to fill what each datastream keeps, and once more to measure")
    put(FLAT_OUT)
    flat_out = put(FLAT_OUT)
    start = flat_out.delivered_messages_rate
    tell(f"{start:.0f} messages/s were told, flat out; {_told(flat_out)}")
    tried, highest = search_max_rate(put, start, tell)
    below = {}
    for share in SHARES:
        below[share] = put(highest.options.rate * share)
        tell(f"{share:.0%} of it, {below[share].options.rate} messages/s: {_told(below[share])}")
    return MaxRate(flat_out=flat_out, tried=tried, highest=highest, below=below)


def search_max_rate(
    put: Callable[[float], EndToEndRun], rate: float, tell: Callable[[str], None]
) -> tuple[list[EndToEndRun], EndToEndRun]:
    """Try rates from one on: down until the system keeps up, up until it does not, then between the two."""
    tried: list[EndToEndRun] = []
    highest: EndToEndRun | None = None
    too_high: float | None = None
    for _ in range(TRIES_MAX):
        rate = max(_RATE_STEP, rate // _RATE_STEP * _RATE_STEP)
        if any(one.options.rate == rate for one in tried):
            break
        run = put(rate)
        tried.append(run)
        tell(f"{run.options.rate} messages/s: {'kept up' if keeps_up(run) else 'fell behind'}; {_told(run)}")
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
    """Whether things were told as fast as they were sent, all was through soon, and nothing was lost."""
    as_fast = run.delivered_messages_rate >= DELIVERED_OF_SENT_MIN * run.options.rate
    told = run.delivered_after_s <= (DELIVERED_AFTER_S_MAX if as_fast else DELIVERED_SOON_S)
    return told and run.stored_after_s <= STORED_AFTER_S_MAX and not run.balance.faults


def _told(run: EndToEndRun) -> str:
    latency = run.steady
    restarted = f"; restarted: {', '.join(run.restarted)}" if run.restarted else ""
    recycled = f"; log recycled {run.recycles} times" if run.recycles else ""
    return (
        f"p50 {latency.p50:.0f} ms, p99 {latency.p99:.0f} ms, all told after {run.delivered_after_s:.1f} s, "
        f"stored after {run.stored_after_s:.1f} s, {'; '.join(run.balance.faults) or 'nothing lost'}"
        f"{restarted}{recycled}; others used {run.other_cores:.1f} cores"
    )
