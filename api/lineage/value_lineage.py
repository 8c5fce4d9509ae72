"""Provenance of a value that is observed: from the state, or an aggregate, back to the raw messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from api.context import ApiContext
from api.entities.documents import value_document
from api.http.access import Role
from api.lineage.observation_lineage import TRACED_MAX, ObservationTracer, TracedObservation
from storage.database import Connection
from storage.history.lineage import (
    PublishedValue,
    SourceDatastream,
    read_newest_raw_observations,
    read_published_value,
    read_published_values,
    read_raw_observations,
    read_source_datastreams,
)
from twin.instant import Instant, format_instant, parse_instant
from twin.model.city_model import CityModel
from twin.model.names import ValueName
from twin.model.observation import LastGoodValue
from twin.model.role import may_read_personal_data
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.quality.quality_flags import is_usable, quality_word
from twin.state.combination import CombinationInput, combine
from twin.state.freshness import freshness

Document = dict[str, Any]

PUBLISHED_MAX = 100

WITHHELD = (
    "single readings of households are personal data, told to the role metering alone; `count` says over how "
    "many connections the value is"
)


class LineageTime(NamedTuple):
    """Of which value the provenance is asked: the present one, the one at a time, or those of a range."""

    time: Instant | None = None
    start: Instant | None = None
    end: Instant | None = None  #: exclusive

    @property
    def range(self) -> tuple[Instant, Instant] | None:
        """The range; None when one value is asked for."""
        return (self.start, self.end) if self.start is not None and self.end is not None else None


class LineageContext(NamedTuple):
    """With what provenance is looked up, and for whom."""

    context: ApiContext
    connection: Connection
    role: Role


def present_value(asker: LineageContext, entity: str, what: ValueName) -> Document | None:
    """Return the present value out of the live view, or None when there is none."""
    view = asker.context.hub.view
    known = view.entity(entity)
    value = known.values.get(what.name) if known is not None else None
    interval = view.expected_interval(value.update) if value is not None else None
    if value is None or interval is None:
        return None
    fresh = freshness(value.update.phenomenon_time, interval, asker.context.clock())
    return value_document(value.update, what, fresh, view.model, asker.role)


async def trace_observed_value(
    asker: LineageContext, entity: str, what: ValueName, moment: LineageTime
) -> Document:
    """Return where the value of an observed property comes from."""
    behind = await read_source_datastreams(asker.connection, entity, what.name)
    if any(one.personal for one in behind):
        return await _of_households(asker, entity, what, moment, behind)
    tracer = ObservationTracer(asker.context, asker.connection, entity, what.name, behind)
    if moment.range is not None:
        return await _of_range(asker, tracer, moment.range, behind)
    present = present_value(asker, entity, what) if moment.time is None else None
    until = _until(asker, entity, moment, behind)
    traced = await tracer.trace(
        (await read_newest_raw_observations(asker.connection, until))[:TRACED_MAX], asker.role
    )
    value = present or _combined(traced, what, asker.context.model)
    return {
        "value": value,
        "observations": [one.document for one in traced],
        "truncated": len(until) > TRACED_MAX,
    }


def _until(
    asker: LineageContext, entity: str, moment: LineageTime, behind: Iterable[SourceDatastream]
) -> dict[int, Instant]:
    """Return up to when the newest observation of each datastream is meant."""
    now = asker.context.clock()
    if moment.time is not None:
        return {one.id: moment.time for one in behind}
    known = asker.context.hub.view.entity(entity)
    states = known.datastreams if known is not None else {}
    active = asker.context.model.datastreams
    # What came in since the state was told is not behind it.
    return {
        one.id: states[one.id].phenomenon_time if one.id in states else now
        for one in behind
        if one.id in active
    }


def _combined(traced: Sequence[TracedObservation], what: ValueName, model: CityModel) -> Document | None:
    """Return the value that the observations come to, as the stream combines them."""
    parts = [
        CombinationInput(
            one.observation,
            LastGoodValue(one.observation.value, one.observation.phenomenon_time)
            if is_usable(one.observation.flags)
            else None,
            one.interval,
        )
        for one in traced
    ]
    if not parts:
        return None
    state = combine(model.properties[what.name], parts)
    sensors = {one.observation.datastream: one.document["sensorId"] for one in traced}
    return {
        "value": state.value,
        "unit": what.unit,
        "phenomenonTime": format_instant(state.phenomenon_time),
        "receivedTime": format_instant(state.received_time),
        "quality": quality_word(state.flags),
        "count": len(state.datastreams),
        "combination": model.properties[what.name].combination,
        "sensorIds": sorted({sensors[one] for one in state.datastreams}),
        "deviatingSensorIds": sorted({sensors[one] for one in state.deviating}),
    }


async def _of_range(
    asker: LineageContext,
    tracer: ObservationTracer,
    span: tuple[Instant, Instant],
    behind: Iterable[SourceDatastream],
) -> Document:
    """Return the observations of a range, and what they come to where all of them are here."""
    found = await read_raw_observations(asker.connection, [one.id for one in behind], *span, TRACED_MAX + 1)
    traced = await tracer.trace(found[:TRACED_MAX], asker.role)
    usable = [one.observation.value for one in traced if is_usable(one.observation.flags)]
    aggregate: Document | None = None
    if len(found) <= TRACED_MAX:
        aggregate = {
            "count": len(usable),
            "suspect": len(traced) - len(usable),
            "mean": sum(usable) / len(usable) if usable else None,
            "min": min(usable, default=None),
            "max": max(usable, default=None),
        }
    return {
        "aggregate": aggregate,
        "observations": [one.document for one in traced],
        "truncated": len(found) > TRACED_MAX,
    }


async def _of_households(
    asker: LineageContext, entity: str, what: ValueName, moment: LineageTime, behind: list[SourceDatastream]
) -> Document:
    """Return the published value; what single connections sent in its window, to those who may see it."""
    document = await trace_published_value(asker, entity, what, moment)
    if not may_read_personal_data(asker.role):
        return {**document, "observations": [], "truncated": False, "withheld": WITHHELD}
    span = moment.range
    if span is None:
        value = document["value"]
        end = asker.context.clock() if value is None else parse_instant(value["phenomenonTime"])
        span = end - HOUSEHOLD_WINDOW, end
    tracer = ObservationTracer(asker.context, asker.connection, entity, what.name, behind)
    found = await read_raw_observations(asker.connection, [one.id for one in behind], *span, TRACED_MAX + 1)
    traced = await tracer.trace(found[:TRACED_MAX], asker.role)
    return {
        **document,
        "observations": [one.document for one in traced],
        "truncated": len(found) > TRACED_MAX,
    }


async def trace_published_value(
    asker: LineageContext, entity: str, what: ValueName, moment: LineageTime
) -> Document:
    """Return the published value that is asked for, or those of a range."""
    if moment.range is not None:
        found = await read_published_values(asker.connection, entity, what.name, *moment.range, PUBLISHED_MAX)
        return {"values": [published_value_document(one, what) for one in found]}
    if moment.time is None:
        return {"value": present_value(asker, entity, what)}
    told = await read_published_value(asker.connection, entity, what.name, moment.time)
    return {"value": published_value_document(told, what) if told is not None else None}


def published_value_document(told: PublishedValue, what: ValueName) -> Document:
    """Return a published value."""
    return {
        "value": told.value,
        "unit": what.unit,
        "phenomenonTime": format_instant(told.phenomenon_time),
        "quality": quality_word(told.flags),
        "count": told.count,
        "revision": told.revision,
    }
