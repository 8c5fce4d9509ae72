"""Lineage of a derived value: the inputs of an indicator, or the entities behind a roll-up."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from api.history.series import BucketQuery, ValueSeries, read_buckets, read_series
from api.http.responses import Document
from api.lineage.value_lineage import (
    PUBLISHED_MAX,
    WITHHELD,
    LineageContext,
    LineageTime,
    present_value,
    published_value_document,
    trace_observed_value,
    trace_published_value,
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


async def trace_value(context: LineageContext, entity: str, name: ValueName, time: LineageTime) -> Document:
    """Return the lineage of a value, one level down."""
    document: Document = {"entityId": entity, "property": name.name, "unit": name.unit}
    if name.observed:
        observed = await trace_observed_value(context, entity, name, time)
        return {**document, "kind": "observed", **observed}
    document |= {
        "kind": "rollUp" if name.rolled_up else "indicator",
        **await trace_published_value(context, entity, name, time),
    }
    if name.rolled_up:
        contributions = await _contributions(context, entity, name, time)
        missing = missing_entities(
            entity, name, document.get("value"), contributions["contributions"], context.api.model
        )
        return document | contributions | {"missingEntityIds": missing}
    value = document.get("value")
    until = parse_instant(value["phenomenonTime"]) if value is not None else None
    if time.range is not None:
        until = time.range[1]
    indicator = REGISTRY[name.base]
    intervals = property_intervals(entity, context.api.model)
    inputs = [each for each in indicator.inputs if each.property in intervals]
    size = indicator_window(indicator, intervals)
    return {
        **document,
        "formula": indicator.formula_text,
        "source": indicator.source,
        "inputs": [
            await _input(context, entity, each, (size, until), time) for each in inputs if until is not None
        ],
    }


async def _input(
    context: LineageContext, entity: str, input: Input, used: tuple[Duration, Instant], time: LineageTime
) -> Document:
    """Return the values of one property that an indicator was computed from.

    `used` is the size of the windows, 0 for single values, and the end of the newest window, or the time of
    the newest value. The values reach back from there as far as the indicator uses them.
    """
    model = context.api.model
    size, until = used
    name = resolve_name(input.property, model)
    document: Document = {"property": input.property, "averaging": input.averaging, "need": input.need}
    if name is None:  # The model no longer contains the property.
        return document
    series = await read_series(context.connection, entity, name)
    start = until - max(input.history, size)
    if time.range is not None:
        start = time.range[0]
    document |= {"unit": name.unit, "start": format_instant(start), "end": format_instant(until)}
    if series.published:
        # The sum of a window is published at the window's end.
        values = await read_published_values(
            context.connection, entity, input.property, start + 1, until + 1, PUBLISHED_MAX
        )
        document["values"] = [published_value_document(value, name) for value in values]
    elif size:
        aggregate = _AGGREGATES[name.aggregation]
        query = BucketQuery(start, until, BucketInterval(elapsed=size), (aggregate,), "UTC")
        buckets = await read_buckets(context.connection, series, query, model)
        document["buckets"] = [_bucket(bucket, aggregate) for bucket in buckets]
    document |= await _input_observations(context, series, until, size)
    period = {"start": format_instant(start), "end": format_instant(until + (not size))}
    document["_links"] = _provenance_link(entity, input.property, period)
    return document


def _provenance_link(entity: str, name: str, period: dict[str, str]) -> Document:
    query = urlencode({"property": name, **period})
    return {"provenance": {"href": f"/v1/entities/{entity}/provenance?{query}"}}


def _bucket(bucket: HistoryBucket, aggregate: AggregateName) -> Document:
    return {
        "start": format_instant(bucket.start),
        "end": format_instant(bucket.end),
        "value": bucket.values[aggregate],
        "count": bucket.count,
        "suspect": bucket.suspect,
        "coverage": bucket.coverage,
        "quality": quality_word(bucket.flags) if bucket.count or bucket.suspect else None,
    }


async def _input_observations(
    context: LineageContext, series: ValueSeries, until: Instant, size: int
) -> Document:
    """Return the observations of the newest window, or the newest ones until an instant."""
    if series.published:
        return {"observations": [], "truncated": False, "withheld": WITHHELD}
    if size:
        observations = await read_raw_observations(
            context.connection, series.datastreams, until - size, until, INPUT_OBSERVATIONS_MAX + 1
        )
    else:
        latest = dict.fromkeys(series.datastreams, until)
        observations = await read_newest_raw_observations(context.connection, latest)
    sources = await read_source_datastreams(context.connection, series.entity, series.named.name)
    tracer = context.tracer(series.entity, series.named.name, sources)
    traced = await tracer.trace(observations[:INPUT_OBSERVATIONS_MAX], context.role)
    return {
        "observations": [each.document for each in traced],
        "truncated": len(observations) > INPUT_OBSERVATIONS_MAX,
    }


async def _contributions(context: LineageContext, area: str, name: ValueName, time: LineageTime) -> Document:
    """Return the values that the entities and areas inside an area contribute to a roll-up."""
    model = context.api.model
    sources = _roll_up_sources(area, name, model)
    contributions = [
        contribution
        for entity, source in sources[:CONTRIBUTIONS_MAX]
        if (contribution := await _contribution(context, entity, source, time)) is not None
    ]
    return {
        "rollUp": roll_up_of(name.base, model),
        "contributions": contributions,
        "truncated": len(sources) > CONTRIBUTIONS_MAX,
    }


def missing_entities(
    area: str,
    name: ValueName,
    value: Document | None,
    contributions: Sequence[Document],
    model: CityModel,
) -> list[str]:
    """Return the entities and areas directly in an area that are not behind its value, although they could.

    They have no value, or it is suspect, or it is too old for the slot of the area's value. Only those are
    listed that `contributions` may hold.
    """
    expected = {
        entity
        for entity, source in _roll_up_sources(area, name, model)[:CONTRIBUTIONS_MAX]
        if (source == name.base and has_value(entity, name.base, model))
        or (source != name.base and member_entities(entity, name.base, model))
    }
    if value is None:
        return sorted(expected)
    size = series_interval(name.base, model)
    slot = slot_of(parse_instant(value["phenomenonTime"]), size, windowed=is_windowed(name.base))
    present = set()
    for one in contributions:
        rolled_up = one["property"] != name.base
        what = resolve_name(one["property"], model)
        interval = typical_interval(one["entityId"], what, model) if what is not None else None
        windowed = is_windowed(name.base) or (
            not rolled_up and _is_published_sum(one["entityId"], name, model)
        )
        its_slot = slot_of(parse_instant(one["phenomenonTime"]), size, windowed=windowed)
        is_valid = last_slot(its_slot, size, live_duration(interval or size)) >= slot
        counts = one.get("members", 1) if rolled_up else one["quality"] not in ("suspect", "maintenance")
        if is_valid and counts:
            present.add(one["entityId"])
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
) -> Document | None:
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
    document: Document = {
        "entityId": entity,
        "property": name,
        "_links": _provenance_link(entity, name, period),
    }
    if instant is None:
        return document | present
    at = LineageTime(time=instant)
    trace = trace_observed_value if value_name.observed else trace_published_value
    past = await trace(context, entity, value_name, at)
    return document | past["value"] if past["value"] is not None else None
