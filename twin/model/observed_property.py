"""Observed properties: unit, plausible range, and how values combine over sensors, time and areas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

from twin.instant import DAY, Duration
from twin.quality.quality_rules import DEFAULT_QUALITY_RULES, TIME_RULES_ONLY, QualityRules

Combination: TypeAlias = Literal["mean", "sum", "max", "median", "circular_mean"]
"""How the datastreams of one property on one entity combine into the entity's value."""

Aggregation: TypeAlias = Literal["mean", "sum", "max", "last", "counter", "circular_mean"]
"""How the property aggregates over time; a counter by its increase."""

RollUp: TypeAlias = Literal["max", "mean", "sum", "min", "none"]
"""How the values of entities combine into one value of their area; `none`: they do not."""

Theme: TypeAlias = Literal["environment", "mobility", "energy", "water", "climate", "device"]
"""The domains of the city; `device` is the health of the sensor itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long data are kept: observations, then coarser aggregates. Daily aggregates are kept for ever."""

    raw: Duration = 90 * DAY
    minute: Duration = 180 * DAY  #: aggregates of a minute and of ten minutes
    hour: Duration = 20 * 366 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedProperty:
    """A quantity that sensors observe.

    `minimum` and `maximum` bound the *physically possible* canonical values, both inclusive. A value outside
    is implausible and is quarantined. The range is wide on purpose: reference monitors report negative hourly
    concentrations, and those are kept.
    """

    name: str
    unit: str  #: UCUM
    theme: Theme
    minimum: float
    maximum: float
    combination: Combination = "mean"
    aggregation: Aggregation = "mean"
    quality: QualityRules = TIME_RULES_ONLY  #: when a plausible value is suspect
    retention: Retention = Retention()
    roll_up: RollUp = "none"
    wraps_at: float | None = None  #: the value at which a counter starts again at 0 (65536 with 16 bits)
    #: least share of the entities of an area without which its value is suspect; None: by `roll_up`
    coverage_min: float | None = None
    #: the greatest age of an observation at its reception; None: the limit of ingest
    age_max: Duration | None = None


def _properties() -> dict[str, ObservedProperty]:
    def concentration(name: str, maximum: float) -> ObservedProperty:
        return ObservedProperty(
            name=name, unit="ug/m3", theme="environment", minimum=-100, maximum=maximum, roll_up="mean"
        )

    def count(name: str) -> ObservedProperty:
        return ObservedProperty(
            name=name,
            unit="1",
            theme="mobility",
            minimum=0,
            maximum=100_000,
            combination="sum",
            aggregation="sum",
        )

    def power(name: str) -> ObservedProperty:
        return ObservedProperty(
            name=name,
            unit="kW",
            theme="energy",
            minimum=0,
            maximum=1_000_000,
            combination="sum",
            roll_up="sum",
        )

    def counter(name: str, unit: str) -> ObservedProperty:
        return ObservedProperty(
            name=name,
            unit=unit,
            theme="energy" if unit == "kWh" else "water" if name.startswith("water") else "energy",
            minimum=0,
            maximum=1e12,
            combination="sum",
            aggregation="counter",
        )

    properties = [
        *(concentration(name, 5_000) for name in ("pm1", "pm2_5", "pm10", "no2", "o3", "so2")),
        ObservedProperty(
            name="co2", unit="ppm", theme="environment", minimum=0, maximum=40_000, roll_up="mean"
        ),
        ObservedProperty(
            name="air_temperature", unit="Cel", theme="climate", minimum=-60, maximum=70, roll_up="mean"
        ),
        ObservedProperty(name="water_temperature", unit="Cel", theme="water", minimum=-5, maximum=60),
        ObservedProperty(
            name="relative_humidity", unit="%", theme="climate", minimum=0, maximum=105, roll_up="mean"
        ),
        ObservedProperty(
            name="air_pressure", unit="hPa", theme="climate", minimum=800, maximum=1_150, roll_up="mean"
        ),
        ObservedProperty(
            name="noise_level", unit="dB[A]", theme="environment", minimum=0, maximum=160, roll_up="max"
        ),
        ObservedProperty(
            name="wind_speed", unit="m/s", theme="climate", minimum=0, maximum=120, roll_up="mean"
        ),
        ObservedProperty(
            name="wind_direction",
            unit="deg",
            theme="climate",
            minimum=0,
            maximum=360,
            combination="circular_mean",
            aggregation="circular_mean",
        ),
        ObservedProperty(
            name="rainfall",
            unit="mm",
            theme="climate",
            minimum=0,
            maximum=500,
            aggregation="sum",
            roll_up="mean",
        ),
        *(count(name) for name in ("vehicle_count", "bicycle_count", "pedestrian_count")),
        ObservedProperty(
            name="traffic_flow", unit="1/h", theme="mobility", minimum=0, maximum=50_000, combination="sum"
        ),
        ObservedProperty(name="vehicle_speed", unit="km/h", theme="mobility", minimum=0, maximum=300),
        power("power_import"),
        power("power_export"),
        *(
            counter(name + tariff, "kWh")
            for name in ("energy_import", "energy_export")
            for tariff in ("", "_t1", "_t2")
        ),
        *(
            ObservedProperty(name=f"voltage_l{phase}", unit="V", theme="energy", minimum=0, maximum=1_000)
            for phase in (1, 2, 3)
        ),
        *(
            ObservedProperty(
                name=f"current_l{phase}",
                unit="A",
                theme="energy",
                minimum=-10_000,
                maximum=10_000,
                combination="sum",
            )
            for phase in (1, 2, 3)
        ),
        counter("gas_volume", "m3"),
        counter("water_volume", "m3"),
        ObservedProperty(name="water_level", unit="m", theme="water", minimum=-30, maximum=350),
        ObservedProperty(name="water_flow", unit="m3/s", theme="water", minimum=-20_000, maximum=20_000),
        ObservedProperty(
            name="pump_state",
            unit="1",
            theme="water",
            minimum=0,
            maximum=1,
            combination="max",
            aggregation="last",
        ),
        ObservedProperty(
            name="battery_level", unit="%", theme="device", minimum=0, maximum=100, aggregation="last"
        ),
        ObservedProperty(
            name="signal_strength",
            unit="dB[mW]",
            theme="device",
            minimum=-200,
            maximum=50,
            aggregation="last",
        ),
    ]
    return {
        property.name: replace(property, quality=DEFAULT_QUALITY_RULES.get(property.name, TIME_RULES_ONLY))
        for property in properties
    }


BUILT_IN_PROPERTIES: Mapping[str, ObservedProperty] = MappingProxyType(_properties())
"""The observed properties of every city; a city adds its own in `properties.yaml`.

Canonical units are part of the public contract. Ranges are the physically possible values with a margin:
temperatures beyond the extremes recorded on Earth, concentrations above the hourly value of any fire plume,
water levels from below the deepest polder to above the highest hill of the Netherlands.
"""


COUNTER_RATE_MAX: Mapping[str, float] = MappingProxyType(
    {
        # A transformer of 630 kVA, with a margin for a larger one; kWh/s.
        **{
            f"energy_{direction}{tariff}": 2_000 / 3600
            for direction in ("import", "export")
            for tariff in ("", "_t1", "_t2")
        },
        # The largest meters of a street, about G65 and Qn 60; m3/s.
        "gas_volume": 100 / 3600,
        "water_volume": 100 / 3600,
    }
)
"""The greatest plausible rate of the built-in counters, in the canonical unit per second.

No published source found for these limits; a meter in a city does not exceed them.
"""
