"""A city whose stations report each hour for a year, with what makes the order of arrival matter.

Values have seasons, days and smog that raise rules, noise, spikes, stuck stretches, gaps and level shifts.
The same city may be there several times, as districts of one municipality: each copy can then be played in
another order, and compared with the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.support.cities.city_builder import CityBuilder
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import Condition, EntitySelection, Level, NOfM, Rule, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import DAY, HOUR, Instant, format_instant
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty, Retention

CITY = "year"
PROPERTIES = ("pm2_5", "no2")

_STATIONS_OF_A_NEIGHBOURHOOD = 5
_NEIGHBOURHOODS_OF_A_DISTRICT = 5

# Raw values are kept longer than the year: what lies further back cannot be repaired.
_KEPT = Retention(raw=800 * DAY, minute=800 * DAY)

Hours = NDArray[np.float64]
"""Values by station and hour; NaN: none was reported."""


class StationMessage(NamedTuple):
    """The message of one station about one hour."""

    hour: int
    station: int
    payload: bytes


@dataclass(frozen=True)
class YearCity:
    """The stations, their values, and the rules."""

    start: Instant  #: of the first hour
    days: int = 365
    stations: int = 50
    seed: int = 1
    copies: tuple[str, ...] = ("town",)

    @property
    def hours(self) -> int:
        """The number of hours."""
        return 24 * self.days

    @cached_property
    def values(self) -> Mapping[str, Hours]:
        """The values that the stations report, by property."""
        dice = np.random.default_rng(self.seed)
        smog = self._smog(dice)
        found = {}
        for name, base, share, digits in (("pm2_5", 9.0, 1.0, 2), ("no2", 18.0, 0.5, 1)):
            clean = base + self._background(dice, base) + share * smog
            found[name] = self._with_faults(dice, clean, base).round(digits)
        return found

    def messages(self) -> list[StationMessage]:
        """Return all messages in the order of measurement."""
        found = []
        values = {name: hours.tolist() for name, hours in self.values.items()}
        for hour in range(self.hours):
            time = format_instant(self.start + hour * HOUR)
            for station in range(self.stations):
                members = [
                    f'"{name}":{value}'
                    for name, of_all in values.items()
                    if (value := of_all[station][hour]) == value  # not NaN
                ]
                if members:
                    payload = f'{{"time":"{time}","values":{{{",".join(members)}}}}}'
                    found.append(StationMessage(hour, station, payload.encode()))
        return found

    def topic(self, copy: str, station: int) -> str:
        """Return the topic of a station's messages."""
        return f"livetwin/{CITY}/{copy}-{station:03d}/observations"

    def model(self) -> CityModel:
        """Return the city model; applying it replaces the ids of datastreams."""
        builder = CityBuilder(CITY, "Year").entity(CITY, "Municipality", "Year")
        for copy in self.copies:
            builder.entity(f"{CITY}.{copy}", "District", copy)
            for index in range(-(-self._neighbourhoods // _NEIGHBOURHOODS_OF_A_DISTRICT)):
                builder.entity(f"{CITY}.{copy}.d{index}", "District", f"District {index}")
            for index in range(self._neighbourhoods):
                builder.entity(self._neighbourhood(copy, index), "Neighbourhood", f"Neighbourhood {index}")
            for station in range(self.stations):
                area = self._neighbourhood(copy, station // _STATIONS_OF_A_NEIGHBOURHOOD)
                id = f"{area}.s{station:03d}"
                builder.entity(id, "AirQualityStation", f"Station {station}")
                builder.sensor(f"{copy}-{station:03d}", id, *PROPERTIES, interval=HOUR)
        return builder.model(version=0, properties=_properties(), rules={one.id: one for one in _rules()})

    @property
    def _neighbourhoods(self) -> int:
        return -(-self.stations // _STATIONS_OF_A_NEIGHBOURHOOD)

    def _neighbourhood(self, copy: str, index: int) -> str:
        return f"{CITY}.{copy}.d{index // _NEIGHBOURHOODS_OF_A_DISTRICT}.n{index}"

    def _smog(self, dice: np.random.Generator) -> Hours:
        """Return what is added everywhere in some nights: fireworks, wood smoke, an inversion."""
        added = np.zeros(self.hours)
        for _ in range(max(2, self.days // 6)):
            begin, length = int(dice.integers(self.hours)), int(dice.integers(3, 40))
            part = slice(begin, begin + length)
            peak = dice.uniform(15.0, 90.0)
            shape = np.sin(np.linspace(0.1, np.pi - 0.1, length))
            added[part] += peak * shape[: len(added[part])]
        return added

    def _background(self, dice: np.random.Generator, base: float) -> Hours:
        hours = np.arange(self.hours)
        season = 0.35 * base * np.cos(2 * np.pi * hours / (365.25 * 24))
        daily = 0.2 * base * np.sin(2 * np.pi * (hours % 24 - 6) / 24)
        noise = dice.normal(0, 0.12 * base, (self.stations, self.hours))
        wandering = dice.normal(0, 0.06 * base, (self.stations, self.hours)).cumsum(axis=1)
        # A random walk that is pulled back: its mean over two days is removed.
        kernel = np.ones(48) / 48
        wandering -= np.apply_along_axis(lambda row: np.convolve(row, kernel, mode="same"), 1, wandering)
        background: Hours = season + daily + noise + wandering
        return background

    def _with_faults(self, dice: np.random.Generator, clean: Hours, base: float) -> Hours:
        values = np.maximum(clean, 0.3)
        for station in range(self.stations):
            row = values[station]
            for begin, length in _stretches(dice, self.hours, self.days / 40, 3, 72):
                row[begin : begin + length] = row[begin]  # stuck
            for begin, length in _stretches(dice, self.hours, self.days / 30, 1, 60):
                row[begin : begin + length] = np.nan  # silent
            for begin, length in _stretches(dice, self.hours, self.days / 60, 10, 400):
                row[begin : begin + length] += dice.choice((-0.4, 3.0)) * base  # another level
            spikes = dice.random(self.hours) < 0.002
            row[spikes] += dice.uniform(20.0, 700.0, int(spikes.sum()))
            zeros = dice.random(self.hours) < 0.0005
            row[zeros] = 0.0
        return np.clip(values, 0.0, 990.0)


def _stretches(
    dice: np.random.Generator, hours: int, number: float, shortest: int, longest: int
) -> Iterator[tuple[int, int]]:
    """Yield the begin and the length of about so many stretches."""
    for _ in range(int(dice.poisson(number))):
        yield int(dice.integers(hours)), int(dice.integers(shortest, longest + 1))


def _properties() -> Mapping[str, ObservedProperty]:
    kept = {name: replace(BUILT_IN_PROPERTIES[name], retention=_KEPT) for name in PROPERTIES}
    return {**BUILT_IN_PROPERTIES, **kept}


def _rules() -> Iterator[Rule]:
    stations = EntitySelection(types=("AirQualityStation",))
    areas = EntitySelection(types=tuple(sorted(AREA_TYPES)))
    yield _rule("dust", "pm2_5", 35.0, 5.0, stations)
    yield _rule("dust-delayed", "pm2_5", 25.0, 5.0, stations, on_delay=2 * HOUR, off_delay=3 * HOUR)
    yield _rule("dust-often", "pm2_5", 25.0, 3.0, stations, times=NOfM(3, 6))
    yield _rule("dust-hour", "pm2_5", 50.0, 5.0, stations, over="hour")
    yield _rule("dust-day", "pm2_5_24h", 25.0, 2.0, stations)
    yield _rule("index", "lki", 7.0, 0.0, stations, times=NOfM(2, 3))
    yield _rule("area-dust", "area_pm2_5", 30.0, 5.0, areas)
    yield _rule("area-dust-day", "area_pm2_5_24h", 20.0, 1.0, areas)
    yield _rule("area-index", "area_lki", 9.0, 0.0, areas, off_delay=2 * HOUR)


def _rule(
    id: str,
    name: str,
    raised: float,
    band: float,
    select: EntitySelection,
    *,
    over: str = "instant",
    times: NOfM | None = None,
    on_delay: int = 0,
    off_delay: int = 0,
) -> Rule:
    condition: Condition = ThresholdCondition(
        operand=Operand(name, over),  # type: ignore[arg-type]
        direction="above",
        levels=(Level(Severity.MAJOR, raised, raised - band),),
        times=times,
    )
    return Rule(
        id=id,
        title=BilingualText(id, id),
        theme="environment",
        condition=condition,
        select=select,
        on_delay=on_delay,
        off_delay=off_delay,
    )
