"""Rain: seeded showers, their sum over any interval, and the water that remains for days.

Time is divided into slots with at most one shower each. The rate of a shower is a raised cosine, so its
integral has a closed form.
"""

from __future__ import annotations

from math import cos, exp, pi, sin
from typing import NamedTuple

from simulators.truth.noise import noise_stream, uniform, uniform_between
from twin.instant import HOUR, Instant

_SLOT = 6 * HOUR
_CHANCE = 0.22
_DURATION_MIN_H, _DURATION_MAX_H = 0.5, 5.0
_DEPTH_MIN_MM, _DEPTH_MAX_MM = 0.4, 9.0
# Ditches fill within hours; pumps need days to restore the level of a polder.
_RISE_H, _FALL_H = 3.0, 40.0
_MEMORY_SLOTS = 36


class Shower(NamedTuple):
    """One shower: its start, its duration in hours, and its depth in mm."""

    start: Instant
    hours: float
    depth: float

    def fallen(self, instant: Instant) -> float:
        """Return the rain of this shower until an instant, in mm."""
        part = min(1.0, max(0.0, (instant - self.start) / (self.hours * HOUR)))
        return self.depth * (part - sin(2.0 * pi * part) / (2.0 * pi))

    def rate(self, instant: Instant) -> float:
        """Return the rain rate in mm/h."""
        part = (instant - self.start) / (self.hours * HOUR)
        if not 0.0 < part < 1.0:
            return 0.0
        return self.depth / self.hours * (1.0 - cos(2.0 * pi * part))


class Rain:
    """The rain over the city: the showers of the seed, and the `added` ones."""

    def __init__(self, seed: int, added: tuple[Shower, ...] = ()) -> None:
        self._source = noise_stream(seed, "rain")
        self._added = added

    def _shower(self, slot: int) -> Shower | None:
        source = self._source
        if uniform(source, 4 * slot) >= _CHANCE:
            return None
        hours = uniform_between(source, 4 * slot + 1, _DURATION_MIN_H, _DURATION_MAX_H)
        # The square makes drizzle common and downpours rare.
        depth = _DEPTH_MIN_MM + (_DEPTH_MAX_MM - _DEPTH_MIN_MM) * uniform(source, 4 * slot + 2) ** 2
        start = slot * _SLOT + int(uniform(source, 4 * slot + 3) * _SLOT)
        return Shower(start, hours, depth)

    def showers(self, first: int, last: int) -> list[Shower]:
        """Return the showers that start in the slots `first` to `last`, both inclusive."""
        random = (self._shower(slot) for slot in range(first, last + 1))
        added = (shower for shower in self._added if first <= shower.start // _SLOT <= last)
        return [*(shower for shower in random if shower is not None), *added]

    def rate(self, instant: Instant) -> float:
        """Return the rain rate in mm/h."""
        slot = instant // _SLOT
        return sum(shower.rate(instant) for shower in self.showers(slot - 1, slot))

    def fallen(self, start: Instant, end: Instant) -> float:
        """Return the rain from `start` to `end`, in mm."""
        showers = self.showers(start // _SLOT - 1, end // _SLOT)
        return sum(shower.fallen(end) - shower.fallen(start) for shower in showers)

    def stored(self, instant: Instant) -> float:
        """Return the rain of the last days that is still in ditches and canals, in mm."""
        slot = instant // _SLOT
        total = 0.0
        for shower in self.showers(slot - _MEMORY_SLOTS, slot):
            age = (instant - shower.start) / HOUR
            if age > 0.0:
                total += shower.depth * (1.0 - exp(-age / _RISE_H)) * exp(-age / _FALL_H)
        return total
