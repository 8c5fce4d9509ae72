"""The indicators of traffic on a road.

Attributes: `freeFlowSpeed` (km/h) and `capacity` (vehicles an hour).
"""

from __future__ import annotations

from twin.indicators import traffic
from twin.indicators.indicator import Attributes, Indicator, Input, UsableInputs, newest, number
from twin.instant import MINUTE, Duration
from twin.model.bilingual_text import BilingualText

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
    return traffic.intensity_from_count(counted.value, _TEN_MINUTES, counted.coverage)


def _capacity_ratio(given: UsableInputs, attributes: Attributes) -> float | None:
    intensity, capacity = _intensity(given, attributes), number(attributes, "capacity")
    if intensity is None or capacity is None:
        return None
    return traffic.capacity_ratio(intensity, capacity)


def _speed_ratio(given: UsableInputs, attributes: Attributes) -> float | None:
    free_speed = number(attributes, "freeFlowSpeed")
    if free_speed is None:
        return None
    speed = given["vehicle_speed"][-1]
    flow = next(
        (one.value for one in given.get("traffic_flow", ()) if abs(one.time - speed.time) <= FLOW_AGE_MAX),
        None,
    )
    return traffic.speed_ratio(speed.value, free_speed, flow)


def _level_of_service(given: UsableInputs, attributes: Attributes) -> float | None:
    ratio = _speed_ratio(given, attributes)
    return None if ratio is None else float(traffic.level_of_service(ratio))


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
