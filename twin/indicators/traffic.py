"""Traffic: intensity, speed ratio, level of service.

Attributes of the road: `freeFlowSpeed` (km/h) and `capacity` (vehicles an hour). The meaning of speeds and
flows is NDW's (docs.ndw.nu, speeds and intensities; DEXTER reports): a flow rate is in vehicles per hour,
measured over one minute. No published source was found for Dutch bands of the level of service; 0.75 and 0.5
of the free speed, and 0.8 and 1.0 of the capacity, are customary.
"""

from __future__ import annotations

from enum import IntEnum

from twin.indicators.indicator import Attributes, Indicator, Input, UsableInputs, newest, number
from twin.instant import HOUR, MINUTE, Duration
from twin.model.bilingual_text import BilingualText

FREE_RATIO_MIN = 0.75  #: traffic flows freely at or above this ratio; no published source found
HEAVY_RATIO_MIN = 0.5  #: congestion below this ratio; no published source found

# Speed and flow of one NDW minute have the same time; those of two loops may be half a minute apart.
FLOW_AGE_MAX: Duration = MINUTE
_TEN_MINUTES: Duration = 10 * MINUTE


class LevelOfService(IntEnum):
    """The state of traffic, in the words of DATEX II's traffic status."""

    FREE = 1
    HEAVY = 2
    CONGESTED = 3


def intensity_from_count(count: float, interval: Duration, coverage: float = 1.0) -> float | None:
    """Return vehicles per hour from a count over the covered share of an interval.

    The uncovered share is assumed to have the same intensity. None if the coverage is 0: a counter without
    uptime reports zeros that do not mean an empty road.

    >>> intensity_from_count(150, HOUR // 6), intensity_from_count(0, HOUR, 0.0)
    (900.0, None)
    """
    if coverage <= 0 or interval <= 0:
        return None
    return count * HOUR / interval / coverage


def speed_ratio(speed: float, free_speed: float, flow: float | None = None) -> float | None:
    """Return the mean speed as a share of the free speed (both km/h).

    Speed 0 with flow 0 means that no vehicle passed (NDW), so there is no ratio; the same if the flow is
    unknown. Speed 0 with flow is a standstill. None also if the free speed is not above 0.

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

    None if the capacity is not above 0. Customarily 0.8 is busy and 1.0 full; no published source was found.
    """
    return intensity / capacity if capacity > 0 else None


_FLOW_INPUTS = (
    Input(property="traffic_flow", averaging="ten_minutes", need="first"),
    Input(property="vehicle_count", averaging="ten_minutes", need="first"),
)
_SPEED_INPUTS = (
    Input(property="vehicle_speed", averaging="instant"),
    Input(property="traffic_flow", averaging="instant", need="optional"),
)


def _intensity(inputs: UsableInputs, attributes: Attributes) -> float | None:
    flow = newest(inputs, "traffic_flow")
    if flow is not None:
        return flow
    count = inputs["vehicle_count"][-1]
    return intensity_from_count(count.value, count.window or _TEN_MINUTES, count.coverage)


def _capacity_ratio(inputs: UsableInputs, attributes: Attributes) -> float | None:
    intensity, capacity = _intensity(inputs, attributes), number(attributes, "capacity")
    if intensity is None or capacity is None:
        return None
    return capacity_ratio(intensity, capacity)


def _speed_ratio(inputs: UsableInputs, attributes: Attributes) -> float | None:
    free_speed = number(attributes, "freeFlowSpeed")
    if free_speed is None:
        return None
    speed = inputs["vehicle_speed"][-1]
    flow = next(
        (one.value for one in inputs.get("traffic_flow", ()) if abs(one.time - speed.time) <= FLOW_AGE_MAX),
        None,
    )
    return speed_ratio(speed.value, free_speed, flow)


def _level_of_service(inputs: UsableInputs, attributes: Attributes) -> float | None:
    ratio = _speed_ratio(inputs, attributes)
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
