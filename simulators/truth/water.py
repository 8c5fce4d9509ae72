"""Water: a level near its target, raised by rain and moved by wind and pumps."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, pi, sin
from typing import Any

from simulators.truth.noise import noise_stream, smooth_noise, uniform_between
from simulators.truth.traffic import positive_attribute
from simulators.truth.weather import Weather
from twin.instant import DAY, HOUR, MINUTE, Duration, Instant

# Target of the Schermerboezem, m NAP; general knowledge, the default for entities without a target.
_TARGET_M = -0.50
# The main lunar tide, half a lunar day, since sluices at the coast discharge at low water.
_TIDE: Duration = int(12.4206 * HOUR)
_CAPACITY_M3_MIN = 72.0


class Water:
    """Level (m NAP), flow and temperature at one entity.

    Its attributes `targetLevel` (m NAP) and `capacity` (of its pumps, m3/min) apply if present.
    """

    def __init__(self, seed: int, entity: str, attributes: Mapping[str, Any], weather: Weather) -> None:
        self._weather = weather
        self._source = source = noise_stream(seed, "water", entity)
        target = attributes.get("targetLevel", _TARGET_M)
        self._target = float(target) if isinstance(target, int | float) else _TARGET_M
        self._capacity_m3_s = positive_attribute(attributes, "capacity", _CAPACITY_M3_MIN) / 60.0
        # Some 12 to 25 mm of rain raise the level by ten centimetres; the pumps remove much of it meanwhile.
        self._rise_m_per_mm = uniform_between(source, -1, 0.004, 0.008)
        self._tide_m = uniform_between(source, -2, 0.008, 0.022)
        self._phase = uniform_between(source, -3, 0.0, 2.0 * pi)
        self._cycle = int(uniform_between(source, -4, 50.0, 110.0) * MINUTE)

    def level(self, instant: Instant) -> float:
        """Return the water level in metres NAP."""
        rain = self._rise_m_per_mm * self._weather.rain.stored(instant)
        tide = self._tide_m * sin(2.0 * pi * (instant % _TIDE) / _TIDE + self._phase)
        wind = (
            0.0012 * self._weather.wind_speed(instant) * smooth_noise(self._source, instant / (35 * MINUTE))
        )
        return self._target + rain + tide + 0.004 * self._pumping(instant) + wind

    def _pumping(self, instant: Instant) -> float:
        return sin(2.0 * pi * (instant % self._cycle) / self._cycle)

    def _effort(self, instant: Instant) -> float:
        wet = min(1.0, self._weather.rain.stored(instant) / 12.0)
        return self._pumping(instant) - 0.35 + 1.4 * wet

    def pump_state(self, instant: Instant) -> float:
        """Return 1 while the pump runs, else 0: in cycles, and continuously after much rain."""
        return 1.0 if self._effort(instant) > 0.0 else 0.0

    def flow(self, instant: Instant) -> float:
        """Return the discharge in m3/s, which follows the pump."""
        return self._capacity_m3_s / (1.0 + exp(-8.0 * self._effort(instant)))

    def temperature(self, instant: Instant) -> float:
        """Return the water temperature in degrees Celsius, half a month behind the season."""
        slow = 0.8 * smooth_noise(self._source ^ 1, instant / (2 * DAY))
        return max(0.3, self._weather.season_temperature(instant - 15 * DAY) + 0.6 + slow)
