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

NOT_OBSERVED = "it is not observed there"


def why_absent(series: OperandSeries, model: CityModel) -> str:
    """Return why a series never has a value; empty where it can have one.

    It says `NOT_OBSERVED` where the entity has neither such a property nor what an indicator needs.
    """
    entity = model.entities.get(series.entity)
    if entity is None:
        return NOT_OBSERVED
    if series.name.startswith(AREA_PREFIX):
        return "" if entity.type in AREA_TYPES else NOT_OBSERVED
    datastreams = model.datastreams_of(entity.id, series.name)
    if datastreams:
        return _why_unread(series, datastreams, model)
    indicator = REGISTRY.get(series.name)
    observed = {one.property for one in model.datastreams_of(entity.id)}
    if indicator is None or not indicator.applies_to(observed, entity.attributes):
        return NOT_OBSERVED
    return ""


def _why_unread(series: OperandSeries, datastreams: tuple[Datastream, ...], model: CityModel) -> str:
    own = [one for one in datastreams if one.property in model.properties]
    single = [one for one in own if not model.policy_of(one).personal]
    if not single:
        return ""  # of households only sums are published, where there are enough
    size = WINDOW_SIZES[series.over]
    if size and not any(size in window_sizes_for(one.interval) for one in single):
        interval = min(one.interval for one in single) // MINUTE
        return (
            f"its sensors report each {interval} minutes, so they have no windows of {size // MINUTE} minutes"
        )
    return ""
