"""What happens beyond an ordinary day: pulses that are added to weather, traffic, air and load."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import NamedTuple

from simulators.truth.rain import Shower
from twin.instant import Duration, Instant


class Pulse(NamedTuple):
    """Something that swells, stays and goes; raised cosines at both ends, so it is continuous in time."""

    start: Instant = 0
    rise: Duration = 0
    hold: Duration = 0
    fall: Duration = 0
    height: float = 0.0

    def at(self, instant: Instant) -> float:
        """Return how high it stands at an instant.

        >>> [Pulse(10, 4, 10, 4, 2.0).at(instant) for instant in (10, 14, 24, 26, 28)]
        [0.0, 2.0, 2.0, 1.0, 0.0]
        """
        age = instant - self.start
        if not self.height or age <= 0 or age >= self.rise + self.hold + self.fall:
            return 0.0
        if age < self.rise:
            return self.height * (1.0 - cos(pi * age / self.rise)) / 2.0
        over = age - self.rise - self.hold
        return self.height * (1.0 if over <= 0 else (1.0 + cos(pi * over / self.fall)) / 2.0)


NO_PULSE = Pulse()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedEvents:
    """What a scenario adds to the truth."""

    showers: tuple[Shower, ...] = ()
    traffic: Pulse = NO_PULSE  #: relative demand on every road; the weekday's rush hour is 1
    smoke: Pulse = NO_PULSE  #: fine dust, ug/m3
    cold: Pulse = NO_PULSE  #: degrees Celsius below what the weather would be
    heating: Pulse = NO_PULSE  #: what heat pumps draw more, as a part of what they would draw


NO_EVENTS = ScriptedEvents()
"""An ordinary day."""
