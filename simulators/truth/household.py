"""Households: base load, solar panels, heat pump and gas, and the registers of their meters."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from simulators.truth.local_calendar import hour_of_week, interpolate_profile
from simulators.truth.meter_registers import KNOT, MeterRegisters, RegisterReadings
from simulators.truth.noise import noise_stream, smooth_noise, uniform, uniform_between
from simulators.truth.weather import Weather
from twin.instant import MINUTE, Instant

# Mean electric load of a Dutch household by local hour, relative to its day's mean: an evening peak.
_EVENING = (
    0.62, 0.54, 0.50, 0.49, 0.50, 0.56, 0.74, 1.02, 1.05, 0.98, 0.94, 0.96,
    1.02, 0.97, 0.93, 0.95, 1.10, 1.52, 1.74, 1.66, 1.52, 1.40, 1.14, 0.82,
)  # fmt: skip
_COOKING = (
    0, 0, 0, 0, 0, 0, 0.02, 0.05, 0.03, 0, 0, 0.03,
    0.05, 0.01, 0, 0, 0.06, 0.16, 0.12, 0.03, 0, 0, 0, 0,
)  # fmt: skip
_HEATING = (
    0.35, 0.33, 0.33, 0.35, 0.45, 0.8, 1.5, 1.6, 1.3, 1.1, 1.0, 0.95,
    0.95, 0.95, 1.0, 1.1, 1.3, 1.5, 1.5, 1.45, 1.35, 1.1, 0.7, 0.45,
)  # fmt: skip
_LOW_FROM_H, _LOW_UNTIL_H = 23, 7
_FRIDAY_EVENING_H, _MONDAY_MORNING_H = 4 * 24 + 23, 7
# Above this outside temperature a house needs no heating.
_HEATING_LIMIT_CEL = 16.0
# Cached quarter-hours of outdoor conditions, more than a year, which all households share.
_CACHED_QUARTERS_MAX = 40_000
_NOMINAL_V = 230.0
_APPLIANCES_MEAN_KW = 0.063


class HouseholdEquipment(NamedTuple):
    """The equipment of a household."""

    base_kw: float
    solar_kw: float  #: peak power of the panels; 0 without panels
    heat_pump_kw_per_cel: float  #: 0 without a heat pump, when gas heats the house
    gas_m3_h_per_cel: float
    three_phases: bool


def mean_equipment(source: int) -> HouseholdEquipment:
    """Return the average equipment of a connection: some panels and heat pumps, no gas meter."""
    return HouseholdEquipment(
        base_kw=uniform_between(source, -2, 0.28, 0.36),
        solar_kw=uniform_between(source, -3, 0.9, 1.7),
        heat_pump_kw_per_cel=uniform_between(source, -5, 0.012, 0.022),
        gas_m3_h_per_cel=0.0,
        three_phases=True,
    )


class OutdoorConditions:
    """Outdoor conditions at quarter-hours, computed once for all households."""

    def __init__(self, weather: Weather, zone: str) -> None:
        @lru_cache(maxsize=_CACHED_QUARTERS_MAX)
        def at(knot: int) -> tuple[float, float, float]:
            instant = knot * KNOT
            return weather.sunshine(instant), weather.temperature(instant), hour_of_week(zone, instant)

        self.at: Callable[[int], tuple[float, float, float]] = at
        self.heating = weather.events.heating

    def low_tariff(self, knot: int) -> bool:
        """Return whether the quarter-hour of this knot has the low tariff, as in nights and weekends."""
        week_hour = self.at(knot)[2]
        if week_hour >= _FRIDAY_EVENING_H or week_hour < _MONDAY_MORNING_H:
            return True
        hour = week_hour % 24.0
        return hour >= _LOW_FROM_H or hour < _LOW_UNTIL_H


def draw_equipment(source: int, gas: bool) -> HouseholdEquipment:
    """Return the random equipment of a household: about half have panels; gas or a heat pump heats."""
    heat_pump = not gas and uniform(source, -1) < 0.25
    return HouseholdEquipment(
        base_kw=uniform_between(source, -2, 0.16, 0.48),
        solar_kw=uniform_between(source, -3, 1.6, 5.8) if uniform(source, -4) < 0.55 else 0.0,
        heat_pump_kw_per_cel=uniform_between(source, -5, 0.045, 0.085) if heat_pump else 0.0,
        gas_m3_h_per_cel=0.0 if heat_pump else uniform_between(source, -6, 0.012, 0.028),
        three_phases=uniform(source, -7) < 0.6,
    )


class Household:
    """One household and its meters, or `size` equal connections of a transformer."""

    def __init__(
        self, seed: int, name: str, outdoor: OutdoorConditions, size: float = 1.0, *, gas: bool = False
    ) -> None:
        self._source = source = noise_stream(seed, "household", name)
        self._outdoor = outdoor
        self.size = size
        self.equipment = mean_equipment(source) if size > 1.0 else draw_equipment(source, gas)
        self._second = uniform_between(source, -8, 0.1, 0.35) if self.equipment.three_phases else 0.0
        self._third = uniform_between(source, -9, 0.1, 0.35) if self.equipment.three_phases else 0.0
        ranges = ((1500, 9000), (1400, 8000), (100, 1500), (200, 4000))
        start = RegisterReadings(
            *(size * uniform_between(source, -20 - n, low, high) for n, (low, high) in enumerate(ranges))
        )
        if not self.equipment.solar_kw:
            start = RegisterReadings(start.in_low, start.in_normal)
        self._power = MeterRegisters(self._net_kw, outdoor.low_tariff, start)
        self._gas = MeterRegisters(
            self._gas_m3_h, _never_low, RegisterReadings(in_normal=uniform_between(source, -30, 500, 9000))
        )

    def _net_kw(self, knot: int) -> float:
        sunshine, temperature, week_hour = self._outdoor.at(knot)
        own = self.equipment
        hour = week_hour % 24.0
        sway = 0.25 if self.size <= 1.0 else 0.04
        load = (
            own.base_kw
            * interpolate_profile(_EVENING, hour)
            * (1.0 + sway * smooth_noise(self._source, knot / 2.0))
        )
        # An appliance such as an oven: short and high; for many connections, the mean.
        appliance = uniform(self._source ^ 1, knot)
        if self.size > 1.0:
            load += _APPLIANCES_MEAN_KW
        elif appliance > 0.93:
            load += 1.8 * (appliance - 0.93) / 0.07
        if own.heat_pump_kw_per_cel:
            warmth = own.heat_pump_kw_per_cel * max(0.0, _HEATING_LIMIT_CEL - temperature)
            load += warmth * (1.0 + self._outdoor.heating.at(knot * KNOT))
        return self.size * (load - 0.86 * own.solar_kw * sunshine)

    def _gas_m3_h(self, knot: int) -> float:
        own = self.equipment
        if not own.gas_m3_h_per_cel:
            return 0.0
        _, temperature, week_hour = self._outdoor.at(knot)
        hour = week_hour % 24.0
        heat = (
            own.gas_m3_h_per_cel
            * max(0.0, _HEATING_LIMIT_CEL - temperature)
            * interpolate_profile(_HEATING, hour)
        )
        return heat + interpolate_profile(_COOKING, hour)

    @property
    def has_gas(self) -> bool:
        """Whether the household has a gas meter."""
        return self.equipment.gas_m3_h_per_cel > 0.0

    def net_power(self, instant: Instant) -> float:
        """Return the power from the grid in kW; negative while it feeds into the grid."""
        return self._power.rate(instant)

    def energy(self, instant: Instant) -> RegisterReadings:
        """Return the four energy registers in kWh."""
        return self._power.at(instant)

    def gas(self, instant: Instant) -> float:
        """Return the register of the gas meter in m3."""
        return self._gas.at(instant).in_normal

    def low_tariff(self, instant: Instant) -> bool:
        """Return whether the low tariff (1) applies."""
        return self._outdoor.low_tariff(instant // KNOT)

    def phase_power(self, instant: Instant) -> tuple[float, float, float]:
        """Return the net power of the three phases in kW."""
        net = self.net_power(instant)
        return net * (1.0 - self._second - self._third), net * self._second, net * self._third

    def voltage(self, instant: Instant, phase: int) -> float:
        """Return the voltage of a phase (1, 2 or 3), which load lowers and panels raise."""
        pull = self.phase_power(instant)[phase - 1] / max(1.0, self.size)
        return (
            _NOMINAL_V + 2.4 * smooth_noise(self._source ^ (8 + phase), instant / (7 * MINUTE)) - 0.9 * pull
        )

    def current(self, instant: Instant, phase: int) -> float:
        """Return the current of a phase in A; always positive, as Dutch meters show it."""
        return abs(self.phase_power(instant)[phase - 1]) * 1000.0 / self.voltage(instant, phase)


def _never_low(knot: int) -> bool:
    return False
