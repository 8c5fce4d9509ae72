"""Provenance of a value that is derived: the inputs of an indicator, the entities behind a roll-up."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from api.entities.documents import value_document
from api.history.series import BucketQuery, ValueSeries, read_buckets, read_series
from api.lineage.observation_lineage import ObservationTracer
from api.lineage.value_lineage import (
    PUBLISHED_MAX,
    WITHHELD,
    LineageContext,
    LineageTime,
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
from twin.instant import Instant, format_instant, parse_instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, ValueName, averaging_window, resolve_name, roll_up_of
from twin.model.observed_property import Aggregation
from twin.quality.quality_flags import quality_word
from twin.state.area_state import area_of
from twin.state.freshness import freshness

Document = dict[str, Any]

CONTRIBUTIONS_MAX = 200
INPUT_ORIGINS_MAX = 10
"""Observations of one input that are told with their messages; its own provenance has more."""

# What a window of a property counts as (`twin.state.window_history`).
_AGGREGATES: dict[Aggregation, AggregateName] = {
    "mean": "mean",
    "sum": "sum",
    "max": "max",
    "last": "last",
    "counter": "sum",
    "circular_mean": "mean",
}


async def trace_value(asker: LineageContext, entity: str, what: ValueName, moment: LineageTime) -> Document:
    """Return where a value comes from, one level down."""
    document: Document = {"entityId": entity, "property": what.name, "unit": what.unit}
    if what.observed:
        return {**document, "kind": "observed", **await trace_observed_value(asker, entity, what, moment)}
    document |= {
        "kind": "rollUp" if what.rolled_up else "indicator",
        **await trace_published_value(asker, entity, what, moment),
    }
    value = document.get("value")
    until = parse_instant(value["phenomenonTime"]) if value is not None else None
    if moment.range is not None:
        until = moment.range[1]
    if what.rolled_up:
        return document | await _contributions(asker, entity, what, moment)
    indicator = REGISTRY[what.base]
    observed = {one.property for one in asker.context.model.datastreams_of(entity)}
    used = [one for one in indicator.inputs if one.property in observed]
    return {
        **document,
        "formula": indicator.formula_text,
        "source": indicator.source,
        "inputs": [await _input(asker, entity, one, until, moment) for one in used if until is not None],
    }


async def _input(
    asker: LineageContext, entity: str, one: Input, until: Instant, moment: LineageTime
) -> Document:
    """Return what an indicator was computed from, of one property.

    `until` is the end of the newest window, or the time of the newest value; a window reaches back from there
    as far as the indicator looks.
    """
    model = asker.context.model
    what = resolve_name(one.property, model)
    size = averaging_window(one.averaging)
    if what is None:  # The model does not know the property any more.
        return {"property": one.property, "averaging": one.averaging, "need": one.need}
    series = await read_series(asker.connection, entity, what)
    start = until - max(one.history, size)
    if moment.range is not None:
        start = moment.range[0]
    document: Document = {
        "property": one.property,
        "unit": what.unit,
        "averaging": one.averaging,
        "need": one.need,
        "start": format_instant(start),
        "end": format_instant(until),
    }
    if series.published:
        # A window's sum is told at its end.
        values = await read_published_values(
            asker.connection, entity, one.property, start + 1, until + 1, PUBLISHED_MAX
        )
        document["values"] = [published_value_document(value, what) for value in values]
    elif size:
        interval = BucketInterval(elapsed=size)
        aggregate = _AGGREGATES[what.aggregation]
        wanted = BucketQuery(start, until, interval, (aggregate,), "UTC")
        found = await read_buckets(asker.connection, series, wanted, model)
        document["buckets"] = [_bucket(bucket, aggregate) for bucket in found]
    document |= await _behind(asker, series, until, size)
    query = {
        "property": one.property,
        "start": format_instant(start),
        "end": format_instant(until + (not size)),
    }
    document["_links"] = {"provenance": {"href": f"/v1/entities/{entity}/provenance?{urlencode(query)}"}}
    return document


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


async def _behind(asker: LineageContext, series: ValueSeries, until: Instant, size: int) -> Document:
    """Return the observations of the newest window, or the newest ones of an instant."""
    if series.published:
        return {"observations": [], "truncated": False, "withheld": WITHHELD}
    if size:
        found = await read_raw_observations(
            asker.connection, series.datastreams, until - size, until, INPUT_ORIGINS_MAX + 1
        )
    else:
        found = await read_newest_raw_observations(asker.connection, dict.fromkeys(series.datastreams, until))
    behind = await read_source_datastreams(asker.connection, series.entity, series.named.name)
    tracer = ObservationTracer(asker.context, asker.connection, series.entity, series.named.name, behind)
    traced = await tracer.trace(found[:INPUT_ORIGINS_MAX], asker.role)
    return {
        "observations": [one.document for one in traced],
        "truncated": len(found) > INPUT_ORIGINS_MAX,
    }


async def _contributions(asker: LineageContext, area: str, what: ValueName, moment: LineageTime) -> Document:
    """Return what the entities of an area, and the areas in it, tell it of a name."""
    model = asker.context.model
    found = []
    sources = list(_sources(area, what, model))
    for entity, name in sources[:CONTRIBUTIONS_MAX]:
        value = await _contribution(asker, entity, name, moment)
        if value is not None:
            found.append(value)
    return {
        "rollUp": roll_up_of(what.base, model),
        "contributions": found,
        "truncated": len(sources) > CONTRIBUTIONS_MAX,
    }


def _sources(area: str, what: ValueName, model: CityModel) -> list[tuple[str, str]]:
    """Return which entity tells an area what, ordered by id: of its own, or rolled up over itself."""
    found = []
    for entity in sorted(model.entities.values(), key=lambda one: one.id):
        if area_of(entity.id, model) == area:
            found.append((entity.id, what.base))
        if entity.parent == area:
            found.append((entity.id, AREA_PREFIX + what.base))
    return found


async def _contribution(
    asker: LineageContext, entity: str, name: str, moment: LineageTime
) -> Document | None:
    """Return what one entity has of a name, or None when that is nothing."""
    view = asker.context.hub.view
    what = resolve_name(name, view.model)
    known = view.entity(entity)
    value = known.values.get(name) if known is not None else None
    interval = view.expected_interval(value.update) if value is not None else None
    if what is None or value is None or interval is None:
        return None
    time = moment.time or (moment.range[1] if moment.range is not None else None)
    query = {"property": name}
    if moment.range is not None:
        query |= {"start": format_instant(moment.range[0]), "end": format_instant(moment.range[1])}
    elif time is not None:
        query["time"] = format_instant(time)
    document: Document = {
        "entityId": entity,
        "property": name,
        "_links": {"provenance": {"href": f"/v1/entities/{entity}/provenance?{urlencode(query)}"}},
    }
    if time is None:
        fresh = freshness(value.update.phenomenon_time, interval, asker.context.clock())
        return document | value_document(value.update, what, fresh, view.model, asker.role)
    at = LineageTime(time=time)
    if what.observed:
        past = await trace_observed_value(asker, entity, what, at)
    else:
        past = await trace_published_value(asker, entity, what, at)
    return document | past["value"] if past["value"] is not None else None
