"""A small city with water levels and rules about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tests.support.cities.city_builder import CityBuilder, Observed
from twin.alarms.rules.operand import Operand, Point
from twin.alarms.rules.rule import EntitySelection, Level, Rule, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.alarms.severity import Severity
from twin.instant import MINUTE, Instant
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.entity import Entity, Relation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_rules import TIME_RULES_ONLY

INTERVAL = MINUTE
LIVE_FOR = 3 * MINUTE


def alarm_city(
    rules: Iterable[Rule] = (), *, version: int = 1, entities: Iterable[Entity] = (), **changes: Any
) -> CityModel:
    """Return a town with a canal, a polder that drains to it, and a level gauge on each."""
    builder = (
        CityBuilder()
        .entity("town", "Municipality", "Town")
        .entity("town.east", "District", "East")
        .entity(
            "canal",
            "Waterway",
            "Canal",
            parent="town.east",
            attributes={"targetLevel": -0.5, "alertLevel": -0.35, "dangerLevel": -0.2},
        )
        .entity(
            "polder",
            "Polder",
            "Polder",
            parent="town.east",
            attributes={"targetLevel": -2.0},
            relations=(Relation("drainsTo", "canal"),),
        )
        .entities(entities)
    )
    for entity in ("canal", "polder"):
        builder.sensor(f"gauge-{entity}", entity, Observed("water_level", field="level"), interval=INTERVAL)
    return builder.model(
        version,
        rules={one.id: one for one in rules},
        # These tests let water rise by decimetres a minute; the built-in rules would mark that as suspect.
        properties={
            **BUILT_IN_PROPERTIES,
            "water_level": replace(BUILT_IN_PROPERTIES["water_level"], quality=TIME_RULES_ONLY),
        },
        **changes,
    )


def high_water_rule(**changes: Any) -> Rule:
    """Return a rule about water above its target: minor from 10 cm, major from 20 cm, clear 2 cm below."""
    condition = ThresholdCondition(
        operand=Operand("water_level"),
        direction="above",
        levels=(Level(Severity.MINOR, 0.10, 0.08), Level(Severity.MAJOR, 0.20, 0.18)),
        relative_to="targetLevel",
    )
    known: dict[str, Any] = {
        "id": "high-water",
        "version": 1,
        "title": BilingualText("High water", "Hoog water"),
        "theme": "water",
        "condition": condition,
        "select": EntitySelection(types=("Waterway", "Polder")),
        "incident_area": "Municipality",
    }
    return Rule(**{**known, **changes})


def bound_rule(rule: Rule, entity: str = "canal") -> BoundRule:
    """Return a rule on an entity of the town."""
    return RuleIndex(alarm_city([rule])).rules_of(entity).rules[rule.id]


def point(time: Instant, value: float, flags: int = 0, live: int = LIVE_FOR) -> Point:
    """Return a point that holds for three minutes."""
    return Point(time, value, flags, time + live)
