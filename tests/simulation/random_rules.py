"""Random rules for a random city: of each kind some, with and without delays."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from tests.simulation.scenario import Scenario
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    BilingualText,
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
from twin.instant import HOUR, MINUTE
from twin.model.observed_property import Theme


def random_rules(scenario: Scenario) -> Mapping[str, Rule]:
    """Return the rules of a scenario's city, by id."""
    dice = scenario.dice("rules")
    if not scenario.alarms or dice.random() < 0.4:
        return {}
    found: dict[str, tuple[Theme, Condition]] = {
        "high-water": ("water", _above(dice, "water_level", 0.01, 0.03, relative_to="targetLevel")),
        "noise": ("environment", _above(dice, "noise_level", 56.0, 3.0)),
        "busy": ("mobility", _above(dice, "vehicle_count", 15.0, 10.0, times=NOfM(2, 3))),
        "warm": ("climate", _above(dice, "air_temperature", 9.1, 0.5)),
        "wind": ("climate", _above(dice, "wind_direction", 180.0, 90.0)),
        "dust": ("environment", _above(dice, "pm2_5", 12.0, 1.0, over="ten_minutes")),
        "rising": ("water", _above(dice, "water_level", 0.02, 0.1, transform=Rate(HOUR, 20 * MINUTE))),
        "suspect": ("device", _above(dice, "noise_level", 3.0, 0.0, transform=QualityRank())),
        "town-warm": ("climate", _above(dice, "area_air_temperature", 9.1, 0.5)),
        "silent": ("device", SilenceCondition(severity=Severity.MINOR, intervals=dice.choice((3.0, 10.0)))),
        "both": (
            "environment",
            ExpressionCondition(
                source="pm2_5 > 12.0 && no2 > 18.0",
                operands=(Operand("no2"), Operand("pm2_5")),
                severity=Severity.MAJOR,
            ),
        ),
    }
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
