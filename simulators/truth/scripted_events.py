"""Scripted events of a scenario: pulses that are added to weather, traffic, air quality and load."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import NamedTuple

from simulators.truth.rain import Shower
from twin.instant import Duration, Instant


class Pulse(NamedTuple):
    """A pulse that rises, holds and falls, with raised cosines at both ends, so it is continuous."""

    start: Instant = 0
    rise: Duration = 0
    hold: Duration = 0
    fall: Duration = 0
    height: float = 0.0

    def at(self, instant: Instant) -> float:
        """Return the height of the pulse at an instant.

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
    """The changes that a scenario makes to the true values."""

    showers: tuple[Shower, ...] = ()
    traffic: Pulse = NO_PULSE  #: additional relative demand on every road; 1 is a weekday's rush hour
    smoke: Pulse = NO_PULSE  #: additional PM2.5, ug/m3
    cold: Pulse = NO_PULSE  #: decrease of the air temperature, degrees Celsius
    heating: Pulse = NO_PULSE  #: additional power of heat pumps, relative to their normal power


NO_EVENTS = ScriptedEvents()
"""An ordinary day."""
