"""Units: conversion from the device's unit into the canonical unit, resolved once per datastream.

Units have UCUM codes, as SensorThings requires; pint does the arithmetic. Every conversion that sensors need
is affine (`offset + scale × value`), so converting two sample values determines it.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import pint

from twin.errors import UnitError


class UnitConversion(NamedTuple):
    """canonical = offset + scale × value."""

    scale: float
    offset: float

    def __call__(self, value: float) -> float:
        """Return the canonical value."""
        return self.offset + self.scale * value

    def after(self, inner: UnitConversion) -> UnitConversion:
        """Return the conversion that applies `inner` first, then this one."""
        return UnitConversion(self.scale * inner.scale, self.offset + self.scale * inner.offset)


IDENTITY = UnitConversion(1.0, 0.0)

# UCUM code → pint expression, for the units that sensors and meters use.
_PINT = {
    "ng/m3": "nanogram/meter**3",
    "ug/m3": "microgram/meter**3",
    "mg/m3": "milligram/meter**3",
    "g/m3": "gram/meter**3",
    "1": "dimensionless",
    "%": "percent",
    "[ppb]": "ppb",
    "ppb": "ppb",
    "[ppm]": "ppm",
    "ppm": "ppm",
    "Cel": "degC",
    "[degF]": "degF",
    "K": "kelvin",
    "Pa": "pascal",
    "hPa": "hectopascal",
    "kPa": "kilopascal",
    "mbar": "millibar",
    "bar": "bar",
    "m/s": "meter/second",
    "km/h": "kilometer/hour",
    "m/h": "meter/hour",
    "cm/h": "centimeter/hour",
    "mm/h": "millimeter/hour",
    "[kn_i]": "knot",
    "deg": "degree",
    "rad": "radian",
    "mm": "millimeter",
    "cm": "centimeter",
    "dm": "decimeter",
    "m": "meter",
    "km": "kilometer",
    "L": "liter",
    "m3": "meter**3",
    "dm3": "decimeter**3",
    "m3/s": "meter**3/second",
    "m3/h": "meter**3/hour",
    "m3/min": "meter**3/minute",
    "L/s": "liter/second",
    "L/min": "liter/minute",
    "/s": "1/second",
    "1/s": "1/second",
    "/min": "1/minute",
    "1/min": "1/minute",
    "/h": "1/hour",
    "1/h": "1/hour",
    "W": "watt",
    "kW": "kilowatt",
    "MW": "megawatt",
    "W.h": "watt*hour",
    "Wh": "watt*hour",
    "kW.h": "kilowatt*hour",
    "kWh": "kilowatt*hour",
    "MWh": "megawatt*hour",
    "J": "joule",
    "MJ": "megajoule",
    "GJ": "gigajoule",
    "mV": "millivolt",
    "V": "volt",
    "kV": "kilovolt",
    "mA": "milliampere",
    "A": "ampere",
}

# Logarithmic levels convert only into themselves.
_LEVELS = frozenset({"dB", "dB[A]", "dB[mW]"})
_LEVEL_SYNONYMS = {"dBA": "dB[A]", "dB(A)": "dB[A]", "dBm": "dB[mW]"}


@cache
def _registry() -> pint.UnitRegistry[float]:
    registry: pint.UnitRegistry[float] = pint.UnitRegistry(cache_folder=None)
    registry.define("ppb = 1e-9")
    return registry


@cache
def known_units() -> frozenset[str]:
    """Return every unit code that a datastream may have."""
    return frozenset(_PINT) | _LEVELS | frozenset(_LEVEL_SYNONYMS)


def unit_conversion(source: str, target: str) -> UnitConversion:
    """Return the conversion from unit `source` to unit `target`, both UCUM codes.

    Raises UnitError when a unit is unknown or the two measure different things.

    >>> unit_conversion("cm", "m").scale
    0.01
    >>> round(unit_conversion("[degF]", "Cel")(212), 9)
    100.0
    """
    source, target = _LEVEL_SYNONYMS.get(source, source), _LEVEL_SYNONYMS.get(target, target)
    if source == target and (source in _PINT or source in _LEVELS):
        return IDENTITY
    for unit in (source, target):
        if unit not in _PINT and unit not in _LEVELS:
            raise UnitError(f"unit {unit!r} is unknown; known are {', '.join(sorted(known_units()))}")
    if source in _LEVELS or target in _LEVELS:
        raise UnitError(f"unit {source!r} does not convert into {target!r}")
    try:
        zero = _convert(0.0, source, target)
        # Far from zero, so that an offset such as 273.15 causes no rounding error in the slope.
        far = _convert(_FAR, source, target)
    except pint.DimensionalityError as error:
        raise UnitError(f"unit {source!r} does not convert into {target!r}: {error}") from error
    return UnitConversion(_clean((far - zero) / _FAR), _clean(zero))


_FAR = 1e9


def _convert(value: float, source: str, target: str) -> float:
    return float(_registry().Quantity(value, _PINT[source]).to(_PINT[target]).magnitude)


def _clean(number: float) -> float:
    """Round off the noise of a conversion in the last bit: 0.30000000000000004 becomes 0.3."""
    return float(f"{number:.15g}")
