"""The indicators of water. Attributes: `targetLevel` and `dangerLevel` (m NAP)."""

from __future__ import annotations

from twin.indicators import water
from twin.indicators.indicator import Attributes, Indicator, Input, UsableInputs, number
from twin.model.bilingual_text import BilingualText

_LEVEL = (Input(property="water_level", averaging="instant"),)


def _level(given: UsableInputs) -> float:
    return given["water_level"][-1].value


def _freeboard(given: UsableInputs, attributes: Attributes) -> float | None:
    danger = number(attributes, "dangerLevel")
    return None if danger is None else water.freeboard(_level(given), danger)


def _freeboard_share(given: UsableInputs, attributes: Attributes) -> float | None:
    target, danger = number(attributes, "targetLevel"), number(attributes, "dangerLevel")
    if target is None or danger is None:
        return None
    return water.freeboard_share(_level(given), target, danger)


def _level_deviation(given: UsableInputs, attributes: Attributes) -> float | None:
    target = number(attributes, "targetLevel")
    return None if target is None else water.level_deviation(_level(given), target)


def _rate_of_rise(given: UsableInputs, attributes: Attributes) -> float | None:
    return water.rate_of_rise([(one.time, one.value) for one in given["water_level"]])


WATER: tuple[Indicator, ...] = (
    Indicator(
        name="freeboard",
        unit="m",
        theme="water",
        title=BilingualText("Freeboard to the danger level", "Waking tot het gevaarpeil"),
        inputs=_LEVEL,
        attributes=("dangerLevel",),
        roll_up="min",
        formula=_freeboard,
        formula_text="dangerLevel − water_level",
        source="by definition; danger level as in Smart Data Models FloodMonitoring",
    ),
    Indicator(
        name="freeboard_share",
        unit="%",
        theme="water",
        title=BilingualText("Freeboard left", "Resterende waking"),
        inputs=_LEVEL,
        attributes=("targetLevel", "dangerLevel"),
        roll_up="min",
        formula=_freeboard_share,
        formula_text="100 × (dangerLevel − water_level) ÷ (dangerLevel − targetLevel)",
        source="our definition; no published source found",
    ),
    Indicator(
        name="level_deviation",
        unit="m",
        theme="water",
        title=BilingualText("Deviation from the target level", "Afwijking van het streefpeil"),
        inputs=_LEVEL,
        attributes=("targetLevel",),
        roll_up="max",
        formula=_level_deviation,
        formula_text="water_level − targetLevel",
        source="by definition; target level of the water authority",
    ),
    Indicator(
        name="rate_of_rise",
        unit="m/h",
        theme="water",
        title=BilingualText("Rate of rise", "Stijgsnelheid"),
        inputs=(Input(property="water_level", averaging="instant", history=water.RATE_WINDOW),),
        roll_up="max",
        formula=_rate_of_rise,
        formula_text="median slope of the last hour's pairs of points (Theil-Sen); 3 points over 10 minutes",
        source="Sen, J. Am. Stat. Assoc. 63 (1968) 1379–1389",
    ),
)
