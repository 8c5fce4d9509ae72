"""A small random city: several kinds of sensors, two neighbourhoods with households, areas and rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from tests.simulation.city.signals import Signal, around, count, register, walk
from tests.simulation.city.slow_city import (
    AIR,
    QUARTERS,
    SLOW_POSTS,
    slow_conditions,
    slow_entities,
    slow_interval,
    slow_properties,
)
from tests.simulation.city.standing_city import (
    STANDING,
    standing_conditions,
    standing_properties,
)
from tests.simulation.scenario import Scenario
from tests.support.cities.city_builder import CityBuilder
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    Condition,
    ExpressionCondition,
    Level,
    NOfM,
    QualityRank,
    Rate,
    Rule,
    SilenceCondition,
    ThresholdCondition,
)
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant, parse_instant
from twin.model.bilingual_text import BilingualText
from twin.model.calibration import Calibration
from twin.model.city_model import CityModel
from twin.model.entity import Entity
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty, Theme
from twin.privacy.cohort import CONNECTIONS_MIN
from twin.quality.quality_rules import QualityRules, StuckRule

# An ordinary day, the night in which clocks are set back, the turn of the year.
BEGINNINGS = tuple(
    map(parse_instant, ("2026-06-09T07:13:20Z", "2026-10-24T23:50:00Z", "2026-12-31T22:41:00Z"))
)

# Longest number of reports of a sensor in a run, to keep runs small.
REPORTS_MAX = 70


class SensorTruth(NamedTuple):
    """The values that a device measures without faults."""

    first: Instant  #: time of the first report
    signals: Mapping[str, Signal]  #: by field
    sends_time: bool


@dataclass(frozen=True, slots=True)
class RandomCity:
    """A city and its true values."""

    model: CityModel
    changed: CityModel  #: the next version of the model, with another calibration, or other quality rules
    start: Instant
    span: Duration
    truths: Mapping[str, SensorTruth]  #: by sensor


_KINDS: Mapping[str, tuple[str, Mapping[str, Callable[[Random], Signal]]]] = MappingProxyType(
    {
        "level": ("town.canal", {"water_level": lambda dice: walk(dice, -0.6, 0.02, 3)}),
        "count": ("town.east.street", {"vehicle_count": lambda dice: count(dice, 30)}),
        "meter": ("town.west.pump", {"energy_import": lambda dice: register(dice, 900.0, 0.8)}),
        "noise": ("town.east.street", {"noise_level": lambda dice: walk(dice, 55.0, 4.0, 1)}),
        "air": (
            "town.east.air",
            {
                "pm2_5": lambda dice: walk(dice, 12.0, 1.5, 1),
                "pm10": lambda dice: walk(dice, 21.0, 2.0, 1),
                "no2": lambda dice: walk(dice, 18.0, 1.0, 1),
            },
        ),
        "weather": (
            "town.west.mast",
            {
                "air_temperature": lambda dice: walk(dice, 9.0, 0.4, 1),
                "wind_direction": around,
            },
        ),
    }
)
"""Kind → entity, and the signal of each property; the field has the name of the property."""


NEIGHBOURLY = "air_temperature"

OUTAGE_SPAN = 48 * HOUR
"""So much longer a city with outages reports: what comes late is then among the oldest values in memory."""

OUTAGE_SENSORS_MAX = 3
"""Their reports are no more than those of another city."""

_POSTS = ("town.east.street", "town.east.air", "town.east", "town.west.mast", "town.west.pump", "town.canal")


def random_city(scenario: Scenario) -> RandomCity:
    """Return the city of a scenario."""
    if is_standing(scenario):
        return _standing_city(scenario)
    if is_slow(scenario):
        return _slow_city(scenario)
    dice = scenario.dice("city")
    start = dice.choice(BEGINNINGS) + dice.randrange(HOUR)
    span = dice.choice((HOUR, 2 * HOUR, 3 * HOUR)) + dice.randrange(HOUR)
    builder = _Builder(scenario, start, span, _entities())
    kinds = [dice.choice(tuple(_KINDS)) for _ in range(dice.randint(3, 8))]
    for number, kind in enumerate(kinds[: scenario.sensors]):
        entity, fields = _KINDS[kind]
        interval = dice.choice((30 * SECOND, MINUTE, MINUTE, 5 * MINUTE, 10 * MINUTE))
        builder.add(f"{kind}-{number}", entity, fields, interval)
    _add_neighbours(scenario, builder, _POSTS)
    if scenario.households and dice.random() < 0.4:
        few = dice.random() < 0.8
        counts = dice.randint(CONNECTIONS_MIN, 13), dice.choice((2, 5, 9)) if few else dice.randint(10, 12)
        for area, count in zip(("town.east", "town.west"), counts, strict=True):
            for number in range(count):
                fields = {"power_import": lambda own: walk(own, 5.0, 0.3, 3)}
                builder.add(f"p1-{area[5:]}-{number}", area, fields, 10 * MINUTE, personal=True)
    return builder.built(dice)


def is_standing(scenario: Scenario) -> bool:
    """Return whether the sensors of a scenario's city report one value for hours."""
    return scenario.standstills and scenario.dice("standstills").random() < 0.12


def _standing_city(scenario: Scenario) -> RandomCity:
    dice = scenario.dice("standing city")
    start = dice.choice(BEGINNINGS) + dice.randrange(HOUR)
    count = min(dice.choice((1, 1, 2)), scenario.sensors)
    span = (300 * MINUTE + dice.randrange(HOUR)) // count
    builder = _Builder(scenario, start, span, _entities(), standing_properties(dice))
    for number in range(count):
        kind = dice.choice(tuple(STANDING))
        entity = dice.choice(("town.west.mast", "town.east.air"))
        builder.add(f"{kind}-{number}", entity, STANDING[kind], MINUTE, reports_max=span // MINUTE)
    return builder.built(dice)


def is_slow(scenario: Scenario) -> bool:
    """Return whether the sensors of a scenario's city report for days."""
    return scenario.days and scenario.dice("days").random() < 0.4


def has_outages(scenario: Scenario) -> bool:
    """Return whether devices of a scenario's city send some hours much later than others."""
    is_hourly = is_slow(scenario) and not is_standing(scenario) and _is_hourly(scenario.dice("slow city"))
    return is_hourly and scenario.outages and scenario.dice("outages").random() < 0.4


def _is_hourly(dice: Random) -> bool:
    return dice.random() < 0.5


def _slow_city(scenario: Scenario) -> RandomCity:
    dice = scenario.dice("slow city")
    is_hourly = _is_hourly(dice)
    kinds = AIR if is_hourly else QUARTERS
    start = dice.choice(BEGINNINGS) // HOUR * HOUR + dice.choice((0, 0, dice.randrange(HOUR)))
    span = dice.randrange(30, 60) * HOUR if is_hourly else dice.randrange(8, 16) * HOUR
    reports_max = REPORTS_MAX
    if has_outages(scenario):
        span += OUTAGE_SPAN
        reports_max = span // HOUR
    builder = _Builder(scenario, start, span, slow_entities(), slow_properties(), often_punctual=True)
    # A kind several times in a row, so that areas and entities have several sensors of it.
    names = sorted(dice.choice(tuple(kinds)) for _ in range(dice.randint(2, 6)))
    if has_outages(scenario):
        names = names[:OUTAGE_SENSORS_MAX]
    for number, kind in enumerate(names[: scenario.sensors]):
        entity = dice.choice(kinds[kind].entities)
        interval = slow_interval(dice, kind)
        builder.add(f"{kind}-{number}", entity, kinds[kind].signals, interval, reports_max=reports_max)
    if not is_hourly:
        _add_neighbours(scenario, builder, SLOW_POSTS)
    return builder.built(dice)


def _add_neighbours(scenario: Scenario, builder: _Builder, posts: Sequence[str]) -> None:
    """Add thermometers at random entities; a few of them deviate from the others."""
    dice = scenario.dice("neighbours")
    if not scenario.neighbours or dice.random() < 0.5:
        return
    for number in range(dice.randint(3, 7)):
        fields = {NEIGHBOURLY: _beside(dice.choice((0.0, 0.0, 0.0, 0.0, 20.0)))}
        interval = dice.choice((MINUTE, 5 * MINUTE, 10 * MINUTE))
        builder.add(f"post-{number}", dice.choice(posts), fields, interval)


def _beside(offset: float) -> Callable[[Random], Signal]:
    return lambda dice: walk(dice, 9.0 + offset, 0.4, 1)


class _Builder:
    """Builds the random city of a scenario."""

    def __init__(
        self,
        scenario: Scenario,
        start: Instant,
        span: Duration,
        entities: Sequence[Entity],
        properties: Mapping[str, ObservedProperty] = BUILT_IN_PROPERTIES,
        *,
        often_punctual: bool = False,
    ) -> None:
        self._scenario = scenario
        self._start = start
        self._span = span
        self._properties = properties
        self._often_punctual = often_punctual
        self._city = CityBuilder().entities(entities)
        self._truths: dict[str, SensorTruth] = {}

    def add(
        self,
        id: str,
        entity: str,
        fields: Mapping[str, Callable[[Random], Signal]],
        interval: Duration,
        *,
        personal: bool = False,
        reports_max: int = REPORTS_MAX,
    ) -> None:
        """Add a sensor and its datastreams."""
        dice = self._scenario.dice(f"truth of {id}")
        interval = max(interval, self._span // reports_max // SECOND * SECOND)
        self._city.sensor(id, entity, *fields, interval=interval, personal=personal)
        signals = {name: make(dice) for name, make in fields.items()}
        # Many devices measure on the full interval.
        punctual = self._often_punctual and dice.random() < 0.7
        first = -(-self._start // interval) * interval if punctual else self._start + dice.randrange(interval)
        self._truths[id] = SensorTruth(first, signals, personal or dice.random() < 0.9)

    def built(self, dice: Random) -> RandomCity:
        """Return the city."""
        bare = self._city.model()
        sensors = [one.id for one in bare.sensors.values() if not one.personal]
        before = tuple(self._calibration(dice, bare, one) for one in sensors if dice.random() < 0.2)
        model = replace(
            bare, calibrations=before, rules=random_rules(self._scenario), properties=self._properties
        )
        after = (*before, *(self._calibration(dice, bare, dice.choice(sensors)) for _ in sensors[:1]))
        later = replace(model, version=2, calibrations=after)
        if self._scenario.new_rules:
            later = replace(model, version=2, properties=self._other_rules(model))
        return RandomCity(model, later, self._start, self._span, self._truths)

    def _other_rules(self, model: CityModel) -> Mapping[str, ObservedProperty]:
        """Return the properties, one of them with stricter quality rules or without any."""
        dice = self._scenario.dice("other rules")
        observed = {one.property for one in model.datastreams.values() if not model.policy_of(one).personal}
        property = model.properties[dice.choice(sorted(observed))]
        count = dice.randint(2, 6)
        quality = dice.choice(
            (
                replace(property.quality, stuck=StuckRule(count=count, duration_min=0)),
                replace(property.quality, rate_max=dice.choice((1e-5, 1e-3))),
                QualityRules(late_after=property.quality.late_after, valid_when=property.quality.valid_when),
            )
        )
        return {**model.properties, property.name: replace(property, quality=quality)}

    def _calibration(self, dice: Random, model: CityModel, sensor: str) -> Calibration:
        names = [one.property for one in model.datastreams.values() if one.sensor == sensor]
        begin = self._start + dice.randrange(self._span)
        return Calibration(
            sensor=sensor, property=dice.choice(names), start=begin, end=begin + dice.randrange(2 * HOUR),
            gain=dice.choice((0.5, 1.0, 2.0)), offset=dice.choice((0.0, 0.125, -1.0)),
        )  # fmt: skip


def _entities() -> tuple[Entity, ...]:
    def entity(id: str, type: str, **attributes: float) -> Entity:
        parent = id.rpartition(".")[0] or None
        return Entity(id=id, type=type, name=id, parent=parent, attributes=attributes)

    return (
        entity("town", "Municipality"),
        entity("town.east", "Neighbourhood"),
        entity("town.west", "Neighbourhood"),
        entity("town.east.street", "Road", lanes=1),
        entity("town.east.air", "AirQualityStation"),
        entity("town.west.mast", "WeatherStation"),
        entity("town.west.pump", "PumpingStation"),
        entity("town.canal", "Waterway", targetLevel=-0.6, dangerLevel=-0.2),
    )


# --- rules ---


def random_rules(scenario: Scenario) -> Mapping[str, Rule]:
    """Return the rules of a scenario's city, by id."""
    dice = scenario.dice("rules")
    if not scenario.alarms or dice.random() < 0.4:
        return {}
    found: Mapping[str, tuple[Theme, Condition]] = (
        standing_conditions()
        if is_standing(scenario)
        else slow_conditions(dice)
        if is_slow(scenario)
        else {
            "high-water": ("water", _above(dice, "water_level", 0.01, 0.03, relative_to="targetLevel")),
            "noise": ("environment", _above(dice, "noise_level", 56.0, 3.0)),
            "busy": ("mobility", _above(dice, "vehicle_count", 15.0, 10.0, times=NOfM(2, 3))),
            "warm": ("climate", _above(dice, "air_temperature", 9.1, 0.5)),
            "wind": ("climate", _above(dice, "wind_direction", 180.0, 90.0)),
            "dust": ("environment", _above(dice, "pm2_5", 12.0, 1.0, over="ten_minutes")),
            "rising": ("water", _above(dice, "water_level", 0.02, 0.1, transform=Rate(HOUR, 20 * MINUTE))),
            "suspect": ("device", _above(dice, "noise_level", 3.0, 0.0, transform=QualityRank())),
            "town-warm": ("climate", _above(dice, "area_air_temperature", 9.1, 0.5)),
            "silent": (
                "device",
                SilenceCondition(severity=Severity.MINOR, intervals=dice.choice((3.0, 10.0))),
            ),
            "both": (
                "environment",
                ExpressionCondition(
                    source="pm2_5 > 12.0 && no2 > 18.0",
                    operands=(Operand("no2"), Operand("pm2_5")),
                    severity=Severity.MAJOR,
                ),
            ),
        }
    )
    return {
        id: Rule(
            id=id,
            version=1,
            title=BilingualText(id, id),
            theme=theme,
            condition=condition,
            cause=dice.choice(("", "weather")),
            on_delay=dice.choice((0, 0, 90_000_000, 5 * MINUTE)),
            off_delay=dice.choice((0, 0, 5 * MINUTE)),
            latching=dice.random() < 0.1,
            incident_area=dice.choice(("Neighbourhood", "Municipality")),
        )
        for id, (theme, condition) in found.items()
        if dice.random() < 0.7
    }


def _above(dice: Random, name: str, raised: float, step: float, **changes: object) -> ThresholdCondition:
    over = changes.pop("over", "instant")
    levels = [Level(Severity.MINOR, raised, raised - dice.choice((0.0, step / 2)))]
    if dice.random() < 0.5:
        levels.append(Level(Severity.CRITICAL, raised + step, raised))
    return ThresholdCondition(
        operand=Operand(name, over),  # type: ignore[arg-type]
        direction="above",
        levels=tuple(levels),
        **changes,  # type: ignore[arg-type]
    )
