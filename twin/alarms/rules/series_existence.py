"""Whether the series that a rule looks at can have a value at all, by the model; and if not, why."""

from __future__ import annotations

from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries
from twin.indicators.registry import REGISTRY
from twin.instant import MINUTE
from twin.model.city_model import CityModel
from twin.model.datastream_policy import window_sizes_for
from twin.model.entity import AREA_TYPES
from twin.model.names import AREA_PREFIX
from twin.model.sensor import Datastream
from twin.privacy.cohort import CONNECTIONS_MIN
from twin.state.area_members import expected_members, has_value, tells_values

NOT_OBSERVED = "it is not observed there"
_TOO_FEW_HOUSEHOLDS = f"of households only sums of at least {CONNECTIONS_MIN} are published"


def why_absent(series: OperandSeries, model: CityModel) -> str:
    """Return why a series never has a value; empty where it can have one.

    It says `NOT_OBSERVED` where the entity has neither such a property nor what an indicator needs.
    """
    entity = model.entities.get(series.entity)
    if entity is None:
        return NOT_OBSERVED
    if series.name.startswith(AREA_PREFIX):
        return _why_no_area_value(series, model) if entity.type in AREA_TYPES else NOT_OBSERVED
    datastreams = model.datastreams_of(entity.id, series.name)
    if datastreams:
        return _why_unread(series, datastreams, model)
    indicator = REGISTRY.get(series.name)
    observed = {one.property for one in model.datastreams_of(entity.id)}
    if indicator is None or not indicator.applies_to(observed, entity.attributes):
        return NOT_OBSERVED
    return "" if has_value(entity.id, series.name, model) else _TOO_FEW_HOUSEHOLDS


def _why_no_area_value(series: OperandSeries, model: CityModel) -> str:
    name = series.name.removeprefix(AREA_PREFIX)
    if expected_members(series.entity, name, model):
        return ""
    observed = any(model.datastreams_of(entity, name) for entity in model.within(series.entity))
    return _TOO_FEW_HOUSEHOLDS if observed else NOT_OBSERVED


def _why_unread(series: OperandSeries, datastreams: tuple[Datastream, ...], model: CityModel) -> str:
    own = [one for one in datastreams if one.property in model.properties]
    single = [one for one in own if not model.policy_of(one).personal]
    size = WINDOW_SIZES[series.over]
    if not single:
        if not tells_values(series.entity, series.name, model):
            return _TOO_FEW_HOUSEHOLDS
        return "sums of households have no windows" if size else ""
    if size and not any(size in window_sizes_for(one.interval) for one in single):
        interval = min(one.interval for one in single) // MINUTE
        return (
            f"its sensors report each {interval} minutes, so they have no windows of {size // MINUTE} minutes"
        )
    return ""
