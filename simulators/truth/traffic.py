"""Traffic: vehicles on a road by a fundamental diagram; bicycles and pedestrians by hour and weather.

The density of a road follows the hour of the week; speed and flow follow from the density (Greenshields, A
study of traffic capacity, 1935: v = v_free · (1 - k / k_jam), q = k · v), so they are consistent. Above half
the jam density, both flow and speed decrease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import floor
from typing import Any

from simulators.truth.local_calendar import hour_of_week, interpolate_profile
from simulators.truth.noise import noise_stream, smooth_noise, uniform, uniform_between
from simulators.truth.weather import Weather
from twin.instant import HOUR, MINUTE, Duration, Instant

_JAM_PER_LANE_KM = 125.0
_FREE_KMH = 50.0
_LANES = 2.0

# Relative demand at whole local hours.
_WEEKDAY = (
    0.05, 0.03, 0.02, 0.02, 0.04, 0.14, 0.38, 0.82, 1.00, 0.66, 0.54, 0.55,
    0.58, 0.58, 0.60, 0.72, 0.93, 1.00, 0.70, 0.48, 0.38, 0.31, 0.22, 0.12,
)  # fmt: skip
_SATURDAY = (
    0.08, 0.05, 0.04, 0.03, 0.03, 0.05, 0.10, 0.18, 0.30, 0.44, 0.57, 0.66,
    0.69, 0.70, 0.69, 0.66, 0.60, 0.52, 0.43, 0.35, 0.29, 0.25, 0.21, 0.15,
)  # fmt: skip
_SUNDAY = (
    0.10, 0.07, 0.05, 0.03, 0.03, 0.03, 0.06, 0.10, 0.17, 0.27, 0.38, 0.46,
    0.51, 0.54, 0.54, 0.52, 0.49, 0.43, 0.36, 0.30, 0.25, 0.19, 0.13, 0.08,
)  # fmt: skip
DEMAND = _WEEKDAY * 5 + _SATURDAY + _SUNDAY

_SHOPPING = (
    0.01, 0.01, 0.00, 0.00, 0.00, 0.01, 0.04, 0.12, 0.25, 0.42, 0.62, 0.80,
    0.92, 1.00, 0.97, 0.90, 0.80, 0.62, 0.42, 0.34, 0.30, 0.22, 0.12, 0.05,
)  # fmt: skip


class RoadTraffic:
    """The traffic on one entity.

    Its attributes `freeFlowSpeed` (km/h), `lanes` and `capacity` (vehicles/h, all lanes) apply if present.
    """

    def __init__(
        self, seed: int, entity: str, attributes: Mapping[str, Any], weather: Weather, zone: str
    ) -> None:
        self._weather = weather
        self._zone = zone
        self._source = source = noise_stream(seed, "traffic", entity)
        self._free_kmh = positive_attribute(attributes, "freeFlowSpeed", _FREE_KMH) * uniform_between(
            source, -1, 0.95, 1.03
        )
        jam = _JAM_PER_LANE_KM * positive_attribute(attributes, "lanes", _LANES)
        # The maximum of Greenshields' parabola: capacity = v_free · k_jam / 4.
        self._jam = (
            4.0 * positive_attribute(attributes, "capacity", jam * self._free_kmh / 4.0) / self._free_kmh
        )
        # Above one half a road is congested in the rush hour; most roads stay below that.
        self._peak = uniform_between(source, -2, 0.22, 0.56)
        self._bicycles_h = uniform_between(source, -3, 90.0, 420.0)
        self._walkers_h = uniform_between(source, -4, 60.0, 700.0)

    def _density(self, instant: Instant) -> float:
        demand = interpolate_profile(
            DEMAND, hour_of_week(self._zone, instant)
        ) + self._weather.events.traffic.at(instant)
        sway = 1.0 + 0.10 * smooth_noise(self._source, instant / (25 * MINUTE))
        sway += 0.05 * smooth_noise(self._source ^ 1, instant / (4 * MINUTE))
        return min(0.8, self._peak * demand * sway)

    def speed(self, instant: Instant) -> float:
        """Return the mean speed of vehicles in km/h."""
        return self._free_kmh * (1.0 - self._density(instant))

    def flow(self, instant: Instant) -> float:
        """Return the flow in vehicles per hour."""
        density = self._density(instant)
        return self._jam * density * self._free_kmh * (1.0 - density)

    def load(self, instant: Instant) -> float:
        """Return the traffic load relative to the rush hour, 0 to about 1."""
        return self._density(instant) / self._peak

    def bicycles(self, instant: Instant) -> float:
        """Return the bicycles per hour; there are fewer in rain."""
        demand = interpolate_profile(DEMAND, hour_of_week(self._zone, instant))
        dry = 1.0 - 0.55 * min(1.0, self._weather.rain.rate(instant) / 2.0)
        return (
            self._bicycles_h
            * demand
            * dry
            * (1.0 + 0.12 * smooth_noise(self._source ^ 2, instant / (20 * MINUTE)))
        )

    def pedestrians(self, instant: Instant) -> float:
        """Return the pedestrians per hour: shoppers, of which there are fewer in rain."""
        local_hour = hour_of_week(self._zone, instant) % 24.0
        dry = 1.0 - 0.5 * min(1.0, self._weather.rain.rate(instant) / 2.0)
        sway = 1.0 + 0.15 * smooth_noise(self._source ^ 3, instant / (15 * MINUTE))
        return self._walkers_h * interpolate_profile(_SHOPPING, local_hour) * dry * sway


def passage_count(
    rate: Callable[[Instant], float], instant: Instant, interval: Duration, source: int, share: float = 1.0
) -> int:
    """Return the number of passages in the interval that ends at the instant, for a rate per hour.

    It integrates with Simpson's rule over four steps; noise decides whether to round up the fraction.
    """
    step = interval // 4
    start = instant - 4 * step
    weights = zip((1, 4, 2, 4, 1), range(5), strict=True)
    mean = sum(weight * rate(start + n * step) for weight, n in weights) / 12.0
    return floor(share * mean * (interval / HOUR) + uniform(source, instant))


def positive_attribute(attributes: Mapping[str, Any], name: str, default: float) -> float:
    """Return an attribute of an entity if it is a positive number, else the default."""
    value = attributes.get(name, default)
    return float(value) if isinstance(value, int | float) and value > 0 else default
