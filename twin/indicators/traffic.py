"""Traffic: intensity, speed ratio, level of service.

Sources: NDW (docs.ndw.nu, speeds and intensities; DEXTER reports) for what its numbers mean. No published
source was found for Dutch bands of the level of service: 0.75 and 0.5 of the free speed, and 0.8 and 1.0 of
the capacity, are customary.
"""

from __future__ import annotations

from enum import IntEnum

from twin.indicators.indicator import Attributes, Indicator, Input, UsableInputs, newest, number
from twin.instant import HOUR, MINUTE, Duration
from twin.model.bilingual_text import BilingualText

FREE_RATIO_MIN = 0.75  #: from here on traffic flows freely; no published source found
HEAVY_RATIO_MIN = 0.5  #: below it is congestion; no published source found


class LevelOfService(IntEnum):
    """How traffic flows; the words of DATEX II's traffic status."""

    FREE = 1
    HEAVY = 2
    CONGESTED = 3


def intensity_from_count(count: float, interval: Duration, coverage: float = 1.0) -> float | None:
    """Return vehicles per hour from the vehicles counted in an interval, `coverage` of which was counted.

    What was not counted is taken to be like the rest. None when nothing was counted at all: a counter without
    uptime reports zeros that are not an empty road.

    >>> intensity_from_count(150, HOUR // 6), intensity_from_count(0, HOUR, 0.0)
    (900.0, None)
    """
    if coverage <= 0 or interval <= 0:
        return None
    return count * HOUR / interval / coverage


def speed_ratio(speed: float, free_speed: float, flow: float | None = None) -> float | None:
    """Return the mean speed as a share of the free speed (both km/h).

    Speed 0 with flow 0 means that nobody passed (NDW): there is no speed, so None; the same where the flow is
    not known. Speed 0 with traffic is a standstill. None, too, where the free speed is not above 0.

    >>> speed_ratio(40, 80), speed_ratio(0, 80, 0), speed_ratio(0, 80), speed_ratio(0, 80, 120)
    (0.5, None, None, 0.0)
    """
    if free_speed <= 0 or speed < 0:
        return None
    if speed == 0 and not flow:
        return None
    return speed / free_speed


def level_of_service(ratio: float) -> LevelOfService:
    """Return the level of service of a speed ratio.

    >>> [level_of_service(ratio).name for ratio in (0.75, 0.74, 0.5, 0.49)]
    ['FREE', 'HEAVY', 'HEAVY', 'CONGESTED']
    """
    if ratio >= FREE_RATIO_MIN:
        return LevelOfService.FREE
    return LevelOfService.HEAVY if ratio >= HEAVY_RATIO_MIN else LevelOfService.CONGESTED


def capacity_ratio(intensity: float, capacity: float) -> float | None:
    """Return intensity over capacity (both vehicles per hour), the I/C of Dutch traffic engineering.

    None where the capacity is not above 0. Customarily 0.8 is busy and 1.0 full; no published source was
    found.
    """
    return intensity / capacity if capacity > 0 else None


# Speed and flow of one NDW minute carry one time; those of two loops may be half a minute apart.
FLOW_AGE_MAX: Duration = MINUTE
_TEN_MINUTES: Duration = 10 * MINUTE

_FLOW_INPUTS = (
    Input(property="traffic_flow", averaging="ten_minutes", need="first"),
    Input(property="vehicle_count", averaging="ten_minutes", need="first"),
)
_SPEED_INPUTS = (
    Input(property="vehicle_speed", averaging="instant"),
    Input(property="traffic_flow", averaging="instant", need="optional"),
)


def _intensity(given: UsableInputs, attributes: Attributes) -> float | None:
    flow = newest(given, "traffic_flow")
    if flow is not None:
        return flow
    counted = given["vehicle_count"][-1]
    return intensity_from_count(counted.value, _TEN_MINUTES, counted.coverage)


def _capacity_ratio(given: UsableInputs, attributes: Attributes) -> float | None:
    intensity, capacity = _intensity(given, attributes), number(attributes, "capacity")
    if intensity is None or capacity is None:
        return None
    return capacity_ratio(intensity, capacity)


def _speed_ratio(given: UsableInputs, attributes: Attributes) -> float | None:
    free_speed = number(attributes, "freeFlowSpeed")
    if free_speed is None:
        return None
    speed = given["vehicle_speed"][-1]
    flow = next(
        (one.value for one in given.get("traffic_flow", ()) if abs(one.time - speed.time) <= FLOW_AGE_MAX),
        None,
    )
    return speed_ratio(speed.value, free_speed, flow)


def _level_of_service(given: UsableInputs, attributes: Attributes) -> float | None:
    ratio = _speed_ratio(given, attributes)
    return None if ratio is None else float(level_of_service(ratio))


TRAFFIC: tuple[Indicator, ...] = (
    Indicator(
        name="traffic_intensity",
        unit="1/h",
        theme="mobility",
        title=BilingualText("Traffic intensity", "Verkeersintensiteit"),
        inputs=_FLOW_INPUTS,
        roll_up="mean",
        same_time=True,
        formula=_intensity,
        formula_text="mean of ten minutes' flow rates, else their vehicle count × 6 ÷ coverage",
        source="NDW, docs.ndw.nu (speeds and intensities; DEXTER reports)",
    ),
    Indicator(
        name="intensity_capacity_ratio",
        unit="1",
        theme="mobility",
        title=BilingualText("Intensity to capacity", "I/C-verhouding"),
        inputs=_FLOW_INPUTS,
        attributes=("capacity",),
        roll_up="max",
        same_time=True,
        formula=_capacity_ratio,
        formula_text="traffic_intensity ÷ capacity",
        source="customary; no published source found",
    ),
    Indicator(
        name="speed_ratio",
        unit="1",
        theme="mobility",
        title=BilingualText("Speed to free speed", "Snelheid ten opzichte van vrije snelheid"),
        inputs=_SPEED_INPUTS,
        attributes=("freeFlowSpeed",),
        roll_up="mean",
        formula=_speed_ratio,
        formula_text="vehicle_speed ÷ freeFlowSpeed; none where speed is 0 and no flow is known",
        source="NDW, docs.ndw.nu (speed 0 with flow 0: nobody passed)",
    ),
    Indicator(
        name="level_of_service",
        unit="1",
        theme="mobility",
        title=BilingualText("Level of service", "Doorstroming"),
        inputs=_SPEED_INPUTS,
        attributes=("freeFlowSpeed",),
        roll_up="max",
        formula=_level_of_service,
        formula_text="1 free from a speed_ratio of 0.75, 2 heavy from 0.5, 3 congested below",
        source="words of DATEX II trafficStatus; bands customary, no published source found",
    ),
)
