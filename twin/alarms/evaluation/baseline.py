"""The baseline of an operand: its usual value at each hour of the week, learned from the weeks before."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

import msgspec

from twin.alarms.rules.schedule import hour_of_week
from twin.instant import HOUR, Instant

WEEKS_MAX = 6
"""Weeks that are kept: a season moves the baseline, and a single event must drop out of it."""

WEEKS_MIN = 3
"""With fewer weeks there is no baseline: one odd week of two would be half of the data."""

# Scales a median absolute deviation to the standard deviation of a normal distribution, 1 / Φ⁻¹(3/4).
MAD_SCALE = 1.4826


_NEVER = -(2**62)


class BaselineValue(NamedTuple):
    """Median and scaled median absolute deviation of the hourly means, in canonical unit."""

    value: float
    spread: float


class Baseline(msgspec.Struct, array_like=True):
    """The hourly means of the last weeks by local hour of the week. Mutable; part of a checkpoint."""

    means: dict[int, list[float]] = msgspec.field(default_factory=dict)  #: oldest first
    hour: int = _NEVER  #: the hour of `total` and `count`, in hours since the epoch
    total: float = 0.0
    count: int = 0

    def add(self, time: Instant, value: float, timezone: str) -> None:
        """Add a value; times do not decrease. An hour with a restored mean stays as it is."""
        hour = time // HOUR
        if hour <= self.learned_hour:
            return
        if hour != self.hour:
            self._close(timezone)
            self.hour, self.total, self.count = hour, 0.0, 0
        self.total += value
        self.count += 1

    @property
    def learned_hour(self) -> int:
        """The hour up to which means are restored, in hours since the epoch."""
        return self.hour if not self.count else _NEVER

    def restore_hour(self, hour: int, mean: float, timezone: str) -> None:
        """Add the mean of a past hour, in hours since the epoch; hours do not decrease."""
        self._close(timezone)
        self.hour, self.total, self.count = hour, 0.0, 0
        self.add_hourly_mean(hour, mean, timezone)

    def add_hourly_mean(self, hour: int, mean: float, timezone: str) -> None:
        """Add the mean of an hour without changing the hour that is being summed."""
        of_hour = self.means.setdefault(hour_of_week(hour * HOUR, timezone), [])
        of_hour.append(mean)
        del of_hour[:-WEEKS_MAX]

    def value_at(self, time: Instant, timezone: str) -> BaselineValue | None:
        """Return the baseline at a time, or None while too few weeks are known."""
        known = self.means.get(hour_of_week(time, timezone), [])
        if len(known) < WEEKS_MIN:
            return None
        middle = median(known)
        return BaselineValue(middle, MAD_SCALE * median(abs(one - middle) for one in known))

    def _close(self, timezone: str) -> None:
        if self.count:
            self.add_hourly_mean(self.hour, self.total / self.count, timezone)

    def copy(self) -> Baseline:
        """Return an independent copy."""
        return Baseline(
            {hour: means.copy() for hour, means in self.means.items()}, self.hour, self.total, self.count
        )
