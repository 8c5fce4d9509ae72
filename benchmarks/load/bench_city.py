"""The city of the benchmarks: entities with several properties, each from its own sensor, or all in packs.

Each property of an entity has one datastream. So every observation causes one update with the same phenomenon
time, and an event can be traced back to its message.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.load.traffic import LoadTraffic, Numbers
from tests.support.cities.city_builder import CityBuilder
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    EntitySelection,
    ExpressionCondition,
    Level,
    Rule,
    ThresholdCondition,
)
from twin.alarms.severity import Severity
from twin.instant import HOUR
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel

CITY = "bench"

#: with canonical units; every value is plausible for all of them, and they suffice for no indicator
PROPERTIES = (
    ("noise_level", "dB[A]"),
    ("air_temperature", "Cel"),
    ("relative_humidity", "%"),
    ("co2", "ppm"),
    ("pm1", "ug/m3"),
    ("wind_speed", "m/s"),
    ("battery_level", "%"),
    ("bicycle_count", "1"),
    ("pedestrian_count", "1"),
    ("water_flow", "m3/s"),
)

# Much longer than a run: no value becomes stale, so a repeated event is a fault.
_INTERVAL = HOUR

# Values rise and fall slowly, and are nearly equal everywhere: a jump, or a difference from the neighbours,
# would be found suspect later, and cause another event.
_TENTHS_MIN = 200
_TENTHS_RISE = 300
_TENTHS_APART = 20

# A Dutch city of 100,000 has about 15 districts (wijken) and 80 neighbourhoods (buurten).
_SITES_OF_A_NEIGHBOURHOOD = 20
_NEIGHBOURHOODS_OF_A_DISTRICT = 5

# No value reaches it: the rules are evaluated, but raise no alarm.
_NEVER = 100.0
_RULES_OF_ALL = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchCity:
    """A city; datastream n belongs to entity n // `each`."""

    datastreams: int = 2_000
    each: int = 4  #: datastreams of an entity, at most as many as there are PROPERTIES
    packs: bool = False  #: whether a sensor sends all readings of its entity in one SenML pack
    rules: int = 0  #: that are evaluated for each reading and never raise an alarm

    @property
    def pack(self) -> int:
        """The number of readings in a message."""
        return self.each if self.packs else 1

    @property
    def sensors(self) -> int:
        """The number of sensors."""
        return self.datastreams // self.pack

    @property
    def traffic(self) -> LoadTraffic:
        """The messages of the sensors."""
        return LoadTraffic(
            city=CITY,
            sensors=self.sensors,
            pack=self.pack,
            sensor_name=sensor_name,
            property_name=self.property_name,
            tenths_of=self.tenths_of,
        )

    def entity_name(self, datastream: int) -> str:
        """Return the id of the entity of a datastream."""
        return f"{CITY}.site-{datastream // self.each:05d}"

    def property_name(self, datastream: int) -> str:
        """Return the property of a datastream; its field has the same name."""
        return PROPERTIES[datastream % self.each][0]

    def tenths_of(self, readings: Numbers) -> Numbers:
        """Return ten times the values of readings; those of a datastream rise by 1, later fall by 1."""
        cycle, datastream = np.divmod(readings, self.datastreams)
        rise = _TENTHS_RISE - np.abs(cycle % (2 * _TENTHS_RISE) - _TENTHS_RISE)
        tenths: Numbers = _TENTHS_MIN + rise + datastream % _TENTHS_APART
        return tenths

    def model(self) -> CityModel:
        """Return the city model; applying it replaces the ids of datastreams."""
        builder = CityBuilder(CITY, "Benchmark").entity(CITY, "Municipality", "Benchmark")
        self._add_areas(builder)
        for index in range(self._entities):
            neighbourhood = _neighbourhood_name(index // _SITES_OF_A_NEIGHBOURHOOD)
            builder.entity(self.entity_name(index * self.each), "MonitoringSite", parent=neighbourhood)
        for index in range(self.sensors):
            first = index * self.pack
            properties = map(self.property_name, range(first, first + self.pack))
            builder.sensor(sensor_name(index), self.entity_name(first), *properties, interval=_INTERVAL)
        return builder.model(version=0, rules={one.id: one for one in map(self._rule, range(self.rules))})

    @property
    def _entities(self) -> int:
        return -(-self.datastreams // self.each)

    def _add_areas(self, builder: CityBuilder) -> None:
        neighbourhoods = -(-self._entities // _SITES_OF_A_NEIGHBOURHOOD)
        for index in range(-(-neighbourhoods // _NEIGHBOURHOODS_OF_A_DISTRICT)):
            builder.entity(_district_name(index), "District", f"District {index}")
        for index in range(neighbourhoods):
            district = _district_name(index // _NEIGHBOURHOODS_OF_A_DISTRICT)
            builder.entity(
                _neighbourhood_name(index), "Neighbourhood", f"Neighbourhood {index}", parent=district
            )

    def _rule(self, index: int) -> Rule:
        """Return a rule: the first ones select all entities, the others one each."""
        name = self.property_name(index)
        condition: ThresholdCondition | ExpressionCondition = ThresholdCondition(
            operand=Operand(name), direction="above", levels=(Level(Severity.MAJOR, _NEVER, _NEVER),)
        )
        if index % 3 == 0:
            source = f"{name} > {_NEVER}"
            condition = ExpressionCondition(source=source, operands=(Operand(name),), severity=Severity.MAJOR)
        selection = EntitySelection(types=("MonitoringSite",))
        if index >= _RULES_OF_ALL:
            selection = EntitySelection(entities=(self.entity_name(index * self.each % self.datastreams),))
        return Rule(
            id=f"rule-{index}",
            title=BilingualText(f"Rule {index}", f"Regel {index}"),
            theme="environment",
            condition=condition,
            select=selection,
        )


def _district_name(index: int) -> str:
    return f"{CITY}.district-{index:02d}"


def _neighbourhood_name(index: int) -> str:
    return f"{CITY}.neighbourhood-{index:03d}"


def sensor_name(index: int) -> str:
    """Return the id of a sensor."""
    return f"sensor-{index:05d}"
