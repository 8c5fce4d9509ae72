"""Exceedances: which hours and days went beyond the thresholds of a set of rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from twin.indicators.air_thresholds import Averaging, RuleSet, Threshold
from twin.indicators.running_mean import EIGHT_HOURS, TimeMean, running_means
from twin.indicators.validity import is_valid
from twin.instant import DAY, Instant


class Exceedance(NamedTuple):
    """One unbroken stretch of means beyond a threshold, long enough to count."""

    threshold: Threshold
    first: Instant  #: start of the first mean beyond it
    last: Instant  #: start of the last one
    means: int  #: how many means it lasted
    peak: float  #: the highest of them, µg/m3


def exceedances(
    rules: RuleSet,
    hourly_means: Mapping[str, Sequence[TimeMean]],
    daily_means: Mapping[str, Sequence[TimeMean]],
) -> list[Exceedance]:
    """Return what exceeded the rules, in their order and then in that of time.

    Means are in µg/m3 by pollutant, in any order; running means are made here from the hourly ones, and days
    are the local days of whoever made the daily ones. A mean that covers less than 75 % of its time proves
    nothing: it exceeds no threshold, and it breaks a stretch that asks for consecutive means. Of two means of
    one window the later in the sequence counts. Only windows that start while the rules hold count.
    """
    found: list[Exceedance] = []
    for threshold in rules.thresholds:
        means = daily_means if threshold.averaging == "day" else hourly_means
        series = _averaged(threshold.averaging, means.get(threshold.pollutant, ()))
        found.extend(_stretches(threshold, (one for one in series if _holds(rules, one.start))))
    return found


def _averaged(averaging: Averaging, means: Sequence[TimeMean]) -> list[TimeMean]:
    """Return valid means in the order of time."""
    if averaging == "running_8h":
        return running_means(means, EIGHT_HOURS)
    if averaging == "running_24h":
        return running_means(means, DAY)
    known = {one.start: one for one in means if is_valid(one.coverage)}
    return [known[start] for start in sorted(known)]


def _holds(rules: RuleSet, start: Instant) -> bool:
    return (rules.start is None or start >= rules.start) and (rules.end is None or start < rules.end)


def _stretches(threshold: Threshold, means: Iterable[TimeMean]) -> list[Exceedance]:
    stretches: list[list[TimeMean]] = []
    before: TimeMean | None = None
    for one in means:
        if not threshold.exceeded_by(one.mean):
            continue
        if before is None or one.start - before.start > threshold.longest_step:
            stretches.append([])
        stretches[-1].append(one)
        before = one
    return [
        Exceedance(threshold, one[0].start, one[-1].start, len(one), max(mean.mean for mean in one))
        for one in stretches
        if len(one) >= threshold.consecutive
    ]
