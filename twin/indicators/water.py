"""Water: a level relative to its target and its danger level, and its rate of rise.

Both levels are attributes of the entity, in m NAP (Dutch ordnance datum): `targetLevel` (Dutch "streefpeil",
set by the water authority in its "peilbesluit") and `dangerLevel`, named as in the Smart Data Models'
FloodMonitoring. No published scale of stages was found for the waters around Alkmaar, so none is built in.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from twin.indicators.indicator import Attributes, Indicator, Input, UsableInputs, number
from twin.instant import HOUR, MINUTE, Duration, Instant
from twin.model.bilingual_text import BilingualText

RATE_WINDOW: Duration = HOUR
POINTS_MIN = 3
# Our choice: readings within seconds differ by noise, and a centimetre in a minute would be 0.6 m/h.
SPAN_MIN: Duration = 10 * MINUTE
# All pairs are compared; 64 points make 2,016 pairs.
POINTS_MAX = 64


def level_deviation(level: float, target_level: float) -> float:
    """Return how far (m) a level is above its target; negative below it."""
    return level - target_level


def freeboard(level: float, danger_level: float) -> float:
    """Return how far (m) the water may still rise before the danger level; negative once it is above."""
    return danger_level - level


def freeboard_share(level: float, target_level: float, danger_level: float) -> float | None:
    """Return the freeboard in % of the freeboard at the target level.

    100 at the target, 0 at the danger level; above 100 below the target, negative above the danger level.
    None if the danger level is not above the target.

    >>> round(freeboard_share(-0.35, -0.50, -0.20), 9)
    50.0
    """
    room = danger_level - target_level
    return 100.0 * freeboard(level, danger_level) / room if room > 0 else None


def rate_of_rise(points: Sequence[tuple[Instant, float]]) -> float | None:
    """Return the rate of rise (m/h) from (time, level) pairs of one gauge in any order.

    It is the Theil-Sen slope over the hour before the newest point: the median of the slopes of all pairs. Up
    to 29 % of outliers do not change it (Sen, J. Am. Stat. Assoc. 63, 1968, 1379-1389). None with fewer than
    three points, or if they span less than ten minutes. At most the newest 64 points count.
    """
    ordered = sorted(set(points))
    if not ordered:
        return None
    newest = ordered[-1][0]
    recent = [point for point in ordered if newest - point[0] <= RATE_WINDOW][-POINTS_MAX:]
    times = {time for time, _ in recent}
    if len(times) < POINTS_MIN or newest - recent[0][0] < SPAN_MIN:
        return None
    slopes = [
        (later_level - level) / (later - time)
        for number, (time, level) in enumerate(recent)
        for later, later_level in recent[number + 1 :]
        if later > time
    ]
    return median(slopes) * HOUR


_LEVEL = (Input(property="water_level", averaging="instant"),)


def _level(inputs: UsableInputs) -> float:
    return inputs["water_level"][-1].value


def _freeboard(inputs: UsableInputs, attributes: Attributes) -> float | None:
    danger = number(attributes, "dangerLevel")
    return None if danger is None else freeboard(_level(inputs), danger)


def _freeboard_share(inputs: UsableInputs, attributes: Attributes) -> float | None:
    target, danger = number(attributes, "targetLevel"), number(attributes, "dangerLevel")
    if target is None or danger is None:
        return None
    return freeboard_share(_level(inputs), target, danger)


def _level_deviation(inputs: UsableInputs, attributes: Attributes) -> float | None:
    target = number(attributes, "targetLevel")
    return None if target is None else level_deviation(_level(inputs), target)


def _rate_of_rise(inputs: UsableInputs, attributes: Attributes) -> float | None:
    return rate_of_rise([(one.time, one.value) for one in inputs["water_level"]])


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
        inputs=(
            Input(property="water_level", averaging="instant", history=RATE_WINDOW, values_max=POINTS_MAX),
        ),
        roll_up="max",
        formula=_rate_of_rise,
        formula_text="median slope of the last hour's pairs of points (Theil-Sen); 3 points over 10 minutes",
        source="Sen, J. Am. Stat. Assoc. 63 (1968) 1379–1389",
    ),
)
