"""Lineage of a derived value: the inputs of an indicator, or the entities behind a roll-up."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from msgspec import UNSET, UnsetType, structs

from api.history.series import BucketQuery, ValueSeries, read_buckets, read_series
from api.http.models import Link
from api.lineage.models import (
    ContributionModel,
    IndicatorProvenance,
    InputBucket,
    InputLineage,
    LineageLinks,
    LineageValue,
    ObservationLineage,
    Provenance,
    RollUpProvenance,
)
from api.lineage.value_lineage import (
    PUBLISHED_MAX,
    WITHHELD,
    LineageContext,
    LineageTime,
    present_value,
    published_value,
    read_requested_values,
    trace_observed_value,
)
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AggregateName, HistoryBucket
from storage.history.lineage import (
    read_newest_raw_observations,
    read_published_values,
    read_raw_observations,
    read_source_datastreams,
)
from twin.indicators.indicator import Input
from twin.indicators.registry import REGISTRY
from twin.instant import Duration, Instant, format_instant, parse_instant
from twin.model.city_model import CityModel
from twin.model.names import (
    AREA_PREFIX,
    ValueName,
    resolve_name,
    roll_up_of,
    series_interval,
    slot_of,
    typical_interval,
)
from twin.model.observed_property import Aggregation
from twin.quality.quality_flags import quality_word
from twin.state.area_members import area_of, has_value, member_entities
from twin.state.area_state import last_slot
from twin.state.derived_points import indicator_window, is_windowed, property_intervals
from twin.state.freshness import live_duration

CONTRIBUTIONS_MAX = 200
INPUT_OBSERVATIONS_MAX = 10
"""Observations of one input that are traced to their messages; the lineage of the input itself has more."""

# The aggregate of a window by the aggregation of its property, as in `twin.state.window_history`.
_AGGREGATES: dict[Aggregation, AggregateName] = {
    "mean": "mean",
    "sum": "sum",
    "max": "max",
    "last": "last",
    "counter": "sum",
    "circular_mean": "mean",
}


async def trace_value(context: LineageContext, entity: str, name: ValueName, time: LineageTime) -> Provenance:
    """Return the lineage of a value, one level down."""
    if name.observed:
        return await trace_observed_value(context, entity, name, time)
    if name.rolled_up:
        return await _trace_roll_up(context, entity, name, time)
    return await _trace_indicator(context, entity, name, time)


async def _trace_indicator(
    context: LineageContext, entity: str, name: ValueName, time: LineageTime
) -> IndicatorProvenance:
    published = await read_requested_values(context, entity, name, time)
    until = published.time
    if time.range is not None:
        until = time.range[1]
    indicator = REGISTRY[name.base]
    intervals = property_intervals(entity, context.api.model)
    inputs = [each for each in indicator.inputs if each.property in intervals]
    size = indicator_window(indicator, intervals)
    return IndicatorProvenance(
        entity_id=entity,
        property=name.name,
        unit=name.unit,
        value=published.value,
        values=published.values,
        formula=indicator.formula_text,
        source=indicator.source,
        inputs=[
            await _input(context, entity, each, (size, until), time) for each in inputs if until is not None
        ],
        links=context.links,
    )


async def _input(
    context: LineageContext, entity: str, input: Input, used: tuple[Duration, Instant], time: LineageTime
) -> InputLineage:
    """Return the values of one property that an indicator was computed from.

    `used` is the size of the windows, 0 for single values, and the end of the newest window, or the time of
    the newest value. The values reach back from there as far as the indicator uses them.
    """
    model = context.api.model
    size, until = used
    name = resolve_name(input.property, model)
    if name is None:  # The model no longer contains the property.
        return InputLineage(property=input.property, averaging=input.averaging, need=input.need)
    series = await read_series(context.connection, entity, name)
    start = until - max(input.history, size)
    if time.range is not None:
        start = time.range[0]
    values: list[LineageValue] | UnsetType = UNSET
    buckets: list[InputBucket] | UnsetType = UNSET
    if series.published:
        # The sum of a window is published at the window's end.
        published = await read_published_values(
            context.connection, entity, input.property, start + 1, until + 1, PUBLISHED_MAX
        )
        values = [published_value(value, name) for value in published]
    elif size:
        aggregate = _AGGREGATES[name.aggregation]
        query = BucketQuery(start, until, BucketInterval(elapsed=size), (aggregate,), "UTC")
        found = await read_buckets(context.connection, series, query, model)
        buckets = [_bucket(bucket, aggregate) for bucket in found]
    observations, truncated = await _input_observations(context, series, until, size)
    period = {"start": format_instant(start), "end": format_instant(until + (not size))}
    return InputLineage(
        property=input.property,
        averaging=input.averaging,
        need=input.need,
        unit=name.unit,
        start=format_instant(start),
        end=format_instant(until),
        values=values,
        buckets=buckets,
        observations=observations,
        truncated=truncated,
        withheld=WITHHELD if series.published else UNSET,
        links=_provenance_link(entity, input.property, period),
    )


def _provenance_link(entity: str, name: str, period: dict[str, str]) -> LineageLinks:
    query = urlencode({"property": name, **period})
    return LineageLinks(provenance=Link(href=f"/v1/entities/{entity}/provenance?{query}"))


def _bucket(bucket: HistoryBucket, aggregate: AggregateName) -> InputBucket:
    return InputBucket(
        start=format_instant(bucket.start),
        end=format_instant(bucket.end),
        value=bucket.values[aggregate],
        count=bucket.count,
        suspect=bucket.suspect,
        coverage=bucket.coverage,
        quality=quality_word(bucket.flags) if bucket.count or bucket.suspect else None,
    )


async def _input_observations(
    context: LineageContext, series: ValueSeries, until: Instant, size: int
) -> tuple[list[ObservationLineage], bool]:
    """Return the observations of the newest window, or the newest ones until an instant; and if truncated."""
    if series.published:
        return [], False
    if size:
        observations = await read_raw_observations(
            context.connection, series.datastreams, until - size, until, INPUT_OBSERVATIONS_MAX + 1
        )
    else:
        latest = dict.fromkeys(series.datastreams, until)
        observations = await read_newest_raw_observations(context.connection, latest)
    sources = await read_source_datastreams(context.connection, series.entity, series.named.name)
    tracer = context.tracer(series.entity, series.named.name, sources)
    traced = await tracer.trace(observations[:INPUT_OBSERVATIONS_MAX], context.rights.role_at(series.entity))
    return [each.lineage for each in traced], len(observations) > INPUT_OBSERVATIONS_MAX


async def _trace_roll_up(
    context: LineageContext, area: str, name: ValueName, time: LineageTime
) -> RollUpProvenance:
    """Return the values that the entities and areas inside an area contribute to a roll-up."""
    model = context.api.model
    published = await read_requested_values(context, area, name, time)
    sources = _roll_up_sources(area, name, model)
    contributions = [
        contribution
        for entity, source in sources[:CONTRIBUTIONS_MAX]
        if (contribution := await _contribution(context, entity, source, time)) is not None
    ]
    return RollUpProvenance(
        entity_id=area,
        property=name.name,
        unit=name.unit,
        value=published.value,
        values=published.values,
        roll_up=roll_up_of(name.base, model),
        contributions=contributions,
        truncated=len(sources) > CONTRIBUTIONS_MAX,
        missing_entity_ids=missing_entities(area, name, published.time, contributions, model),
        links=context.links,
    )


def missing_entities(
    area: str,
    name: ValueName,
    value_time: Instant | None,
    contributions: Sequence[ContributionModel],
    model: CityModel,
) -> list[str]:
    """Return the entities and areas directly in an area that are not behind its value, although they could.

    `value_time` is the phenomenon time of the value, None where there is none.
    They have no value, or it is suspect, or it is too old for the slot of the area's value. Only those are
    listed that `contributions` may hold.
    """
    expected = {
        entity
        for entity, source in _roll_up_sources(area, name, model)[:CONTRIBUTIONS_MAX]
        if (source == name.base and has_value(entity, name.base, model))
        or (source != name.base and member_entities(entity, name.base, model))
    }
    if value_time is None:
        return sorted(expected)
    size = series_interval(name.base, model)
    slot = slot_of(value_time, size, windowed=is_windowed(name.base))
    present = set()
    for one in contributions:
        rolled_up = one.property != name.base
        what = resolve_name(one.property, model)
        interval = typical_interval(one.entity_id, what, model) if what is not None else None
        windowed = is_windowed(name.base) or (not rolled_up and _is_published_sum(one.entity_id, name, model))
        its_slot = slot_of(parse_instant(one.phenomenon_time), size, windowed=windowed)
        is_valid = last_slot(its_slot, size, live_duration(interval or size)) >= slot
        members = 1 if one.members is UNSET else one.members
        counts = members if rolled_up else one.quality not in ("suspect", "maintenance")
        if is_valid and counts:
            present.add(one.entity_id)
    return sorted(expected - present)


def _is_published_sum(entity: str, name: ValueName, model: CityModel) -> bool:
    """Whether a value of an entity is the sum of its households, which is dated to the end of its window."""
    return any(model.policy_of(one).personal for one in model.datastreams_of(entity, name.base))


def _roll_up_sources(area: str, name: ValueName, model: CityModel) -> list[tuple[str, str]]:
    """Return the entities that contribute to a roll-up, each with the name of its value, ordered by id."""
    sources = []
    for entity in sorted(model.entities.values(), key=lambda entity: entity.id):
        if area_of(entity.id, model) == area:
            sources.append((entity.id, name.base))
        if entity.parent == area:
            sources.append((entity.id, AREA_PREFIX + name.base))
    return sources


async def _contribution(
    context: LineageContext, entity: str, name: str, time: LineageTime
) -> ContributionModel | None:
    """Return the value of one entity, or None when it has none."""
    value_name = resolve_name(name, context.api.model)
    present = present_value(context, entity, value_name) if value_name is not None else None
    if value_name is None or present is None:
        return None
    instant, period = time.time, {}
    if time.range is not None:
        instant = time.time or time.range[1]
        period = {"start": format_instant(time.range[0]), "end": format_instant(time.range[1])}
    elif instant is not None:
        period = {"time": format_instant(instant)}
    value: LineageValue | UnsetType | None = present
    if instant is not None:
        at = LineageTime(time=instant)
        if value_name.observed:
            value = (await trace_observed_value(context, entity, value_name, at)).value
        else:
            value = (await read_requested_values(context, entity, value_name, at)).value
    if not isinstance(value, LineageValue):
        return None
    return ContributionModel(
        **structs.asdict(value),
        entity_id=entity,
        property=name,
        links=_provenance_link(entity, name, period),
    )
