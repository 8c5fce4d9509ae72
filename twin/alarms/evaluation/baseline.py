"""The usual value of an operand at an hour of the week, learned from the weeks before. Pure."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

import msgspec

from twin.alarms.rules.schedule import hour_of_week
from twin.instant import HOUR, Instant

WEEKS_MAX = 6
"""So many weeks are remembered: a season moves what is usual, and a fair in town must be forgotten."""

WEEKS_MIN = 3
"""With fewer, nothing is usual yet: one odd week of two would be half of what is known."""

# Scales a median absolute deviation to the standard deviation of a normal distribution, 1 / Φ⁻¹(3/4).
MAD_SCALE = 1.4826


_NEVER = -(2**62)


class BaselineValue(NamedTuple):
    """What is usual: median and scaled median absolute deviation of the hourly means, canonical unit."""

    value: float
    spread: float


class Baseline(msgspec.Struct, array_like=True):
    """The hourly means of the last weeks by local hour of the week. Mutable; goes into a checkpoint."""

    means: dict[int, list[float]] = msgspec.field(default_factory=dict)  #: oldest first
    hour: int = _NEVER  #: the hour that is being summed, in hours since the epoch
    total: float = 0.0
    count: int = 0

    def add(self, time: Instant, value: float, timezone: str) -> None:
        """Take in a value; times do not go back. An hour that is remembered stays as it is."""
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
        """Return the hour up to which its means are those remembered, in hours since the epoch."""
        return self.hour if not self.count else _NEVER

    def restore_hour(self, hour: int, mean: float, timezone: str) -> None:
        """Take in the mean of an hour that is over, in hours since the epoch; hours do not go back."""
        self._close(timezone)
        self.hour, self.total, self.count = hour, 0.0, 0
        self.add_hourly_mean(hour, mean, timezone)

    def add_hourly_mean(self, hour: int, mean: float, timezone: str) -> None:
        """Take in the mean of an hour, and leave alone what is being summed."""
        of_hour = self.means.setdefault(hour_of_week(hour * HOUR, timezone), [])
        of_hour.append(mean)
        del of_hour[:-WEEKS_MAX]

    def value_at(self, time: Instant, timezone: str) -> BaselineValue | None:
        """Return what is usual at a time, or None while too few weeks are known."""
        known = self.means.get(hour_of_week(time, timezone), [])
        if len(known) < WEEKS_MIN:
            return None
        middle = median(known)
        return BaselineValue(middle, MAD_SCALE * median(abs(one - middle) for one in known))

    def _close(self, timezone: str) -> None:
        if self.count:
            self.add_hourly_mean(self.hour, self.total / self.count, timezone)

    def copy(self) -> Baseline:
        """Return one that knows the same, and learns by itself."""
        return Baseline(
            {hour: means.copy() for hour, means in self.means.items()}, self.hour, self.total, self.count
        )
