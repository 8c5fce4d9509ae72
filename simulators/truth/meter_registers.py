"""Registers of meters: exact integrals of rates that are linear between quarter-hours.

The quarter-hour is the settlement period of the Dutch grid, and tariffs change on whole quarters, so a
quarter has one tariff. A register = its start value + the whole days since `EPOCH_DAY` + the quarters of the
day + the part of the quarter. These additions have a fixed order, so equal calls agree to the last bit, and a
register never decreases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from twin.instant import DAY, HOUR, MINUTE, Instant

KNOT = 15 * MINUTE
KNOTS_IN_DAY = DAY // KNOT
EPOCH_DAY = 20_777
"""At the start of this day every register has its start value: 2026-11-20, in days since 1970.

The first call for a distant day takes about half a millisecond per day and meter.
"""

# Cached tables: of today, of yesterday (gas is read late), and spare ones.
_CACHED_DAYS_MAX = 4
# Cached sums at the start of days: more than a year; then the oldest is dropped.
_CACHED_SUMS_MAX = 400


class RegisterReadings(NamedTuple):
    """An amount by direction (in or out) and tariff (low or normal)."""

    in_low: float = 0.0
    in_normal: float = 0.0
    out_low: float = 0.0
    out_normal: float = 0.0

    def plus(self, other: RegisterReadings) -> RegisterReadings:
        """Return the sum."""
        a, b, c, d = self
        return RegisterReadings(a + other[0], b + other[1], c + other[2], d + other[3])

    def minus(self, other: RegisterReadings) -> RegisterReadings:
        """Return the difference."""
        a, b, c, d = self
        return RegisterReadings(a - other[0], b - other[1], c - other[2], d - other[3])


def split_area(left: float, right: float, width: float) -> tuple[float, float]:
    """Return the positive areas above and below zero of a line from `left` to `right` over `width`.

    >>> split_area(1.0, 3.0, 2.0), split_area(2.0, -2.0, 1.0)
    ((4.0, 0.0), (0.5, 0.5))
    """
    if left >= 0.0 and right >= 0.0:
        return (left + right) * width / 2.0, 0.0
    if left <= 0.0 and right <= 0.0:
        return 0.0, -(left + right) * width / 2.0
    crossing = width * left / (left - right)
    first, second = left * crossing / 2.0, right * (width - crossing) / 2.0
    return (first, -second) if left > 0.0 else (second, -first)


class MeterRegisters:
    """The registers of a meter: the integral over time of a rate per hour, by sign and tariff.

    `rate(knot)` is the rate at quarter-hour number `knot` since 1970; `low(knot)` is whether the low
    tariff applies in the quarter that starts there.
    """

    def __init__(
        self,
        rate: Callable[[int], float],
        low: Callable[[int], bool],
        start: RegisterReadings = RegisterReadings(),  # noqa: B008
    ) -> None:
        self._rate = rate
        self._low = low
        self._days: dict[int, tuple[list[float], list[RegisterReadings]]] = {}
        self._sums: dict[int, RegisterReadings] = {EPOCH_DAY: start}
        self._start = start

    def rate(self, instant: Instant) -> float:
        """Return the rate per hour at an instant; negative means outward."""
        day, within = divmod(instant, DAY)
        knot, rest = divmod(within, KNOT)
        rates, _ = self._day(day)
        return rates[knot] + (rates[knot + 1] - rates[knot]) * (rest / KNOT)

    def at(self, instant: Instant) -> RegisterReadings:
        """Return the registers at an instant."""
        day, within = divmod(instant, DAY)
        knot, rest = divmod(within, KNOT)
        rates, sums = self._day(day)
        left = rates[knot]
        right = left + (rates[knot + 1] - left) * (rest / KNOT)
        part = self._parts(day * KNOTS_IN_DAY + knot, left, right, rest / HOUR)
        return self._sum(day).plus(sums[knot].plus(part))

    def _parts(self, knot: int, left: float, right: float, hours: float) -> RegisterReadings:
        inward, outward = split_area(left, right, hours)
        return (
            RegisterReadings(inward, 0.0, outward, 0.0)
            if self._low(knot)
            else RegisterReadings(0.0, inward, 0.0, outward)
        )

    def _day(self, day: int) -> tuple[list[float], list[RegisterReadings]]:
        table = self._days.get(day)
        if table is None:
            while len(self._days) >= _CACHED_DAYS_MAX:
                del self._days[next(iter(self._days))]
            table = self._days[day] = self._table(day)
        return table

    def _table(self, day: int) -> tuple[list[float], list[RegisterReadings]]:
        first = day * KNOTS_IN_DAY
        rates = [self._rate(first + n) for n in range(KNOTS_IN_DAY + 1)]
        in_low = in_normal = out_low = out_normal = 0.0
        sums = [RegisterReadings()]
        for n in range(KNOTS_IN_DAY):
            inward, outward = split_area(rates[n], rates[n + 1], KNOT / HOUR)
            if self._low(first + n):
                in_low, out_low = in_low + inward, out_low + outward
            else:
                in_normal, out_normal = in_normal + inward, out_normal + outward
            sums.append(RegisterReadings(in_low, in_normal, out_low, out_normal))
        return rates, sums

    def _sum(self, day: int) -> RegisterReadings:
        cached = self._sums.get(day)
        if cached is not None:
            return cached
        step = 1 if day > EPOCH_DAY else -1
        # Start from the nearest cached day in between, else from the epoch; the additions are the same.
        nearest = max((at for at in self._sums if 0 <= (at - EPOCH_DAY) * step <= abs(day - EPOCH_DAY)),
                    key=lambda at: abs(at - EPOCH_DAY), default=EPOCH_DAY)  # fmt: skip
        total = self._sums.get(nearest, self._start)
        while nearest != day:
            whole = self._day(nearest if step > 0 else nearest - 1)[1][-1]
            total = total.plus(whole) if step > 0 else total.minus(whole)
            nearest += step
            while len(self._sums) >= _CACHED_SUMS_MAX:
                del self._sums[next(iter(self._sums))]
            self._sums[nearest] = total
        return total
