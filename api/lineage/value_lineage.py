"""Lineage of an observed value: from the present state, or an aggregate, back to its observations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import UNSET, UnsetType, structs

from api.access.rights import Rights
from api.context import ApiContext
from api.entities.documents import value_model
from api.http.pages import PageLinks
from api.lineage.models import LineageAggregate, LineageValue, ObservedProvenance
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
from twin.model.observation import LastGoodValue, Observation
from twin.model.role import may_read_personal_data
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.quality.quality_flags import is_usable, quality_word
from twin.state.combination import CombinationInput, combine

PUBLISHED_MAX = 100

WITHHELD = (
    "single readings of households are personal data, shown to the role metering only; `count` is the number "
    "of connections behind the value"
)


class LineageTime(NamedTuple):
    """The value whose lineage is requested: the present one, the one at a time, or those of a range."""

    time: Instant | None = None
    start: Instant | None = None
    end: Instant | None = None  #: exclusive

    @property
    def range(self) -> tuple[Instant, Instant] | None:
        """The range; None when one value is requested."""
        return (self.start, self.end) if self.start is not None and self.end is not None else None


class LineageContext(NamedTuple):
    """The api, the database connection, the rights and the links of one look-up of lineage."""

    api: ApiContext
    connection: Connection
    rights: Rights
    links: PageLinks  #: of the answer

    def tracer(self, entity: str, property: str, sources: Sequence[SourceDatastream]) -> ObservationTracer:
        """Return a tracer of the observations of one property of an entity."""
        return ObservationTracer(self.api, self.connection, entity, property, sources)


def present_value(context: LineageContext, entity: str, name: ValueName) -> LineageValue | None:
    """Return the present value from the live view, or None when there is none."""
    view = context.api.hub.view
    state = view.entity(entity)
    value = state.values.get(name.name) if state is not None else None
    freshness = view.freshness_of(value, context.api.clock()) if value is not None else None
    if value is None or freshness is None:
        return None
    model = value_model(value.update, name, freshness, view.model, context.rights)
    return LineageValue(**structs.asdict(model))


async def trace_observed_value(
    context: LineageContext, entity: str, name: ValueName, time: LineageTime
) -> ObservedProvenance:
    """Return the lineage of the value of an observed property."""
    sources = await read_source_datastreams(context.connection, entity, name.name)
    if any(source.personal for source in sources):
        return await _trace_households(context, entity, name, time, sources)
    if time.range is not None:
        return await _trace_range(context, entity, name, time.range, sources)
    present = present_value(context, entity, name) if time.time is None else None
    until = _latest_times(context, entity, time, sources)
    newest = await read_newest_raw_observations(context.connection, until)
    tracer = context.tracer(entity, name.name, sources)
    traced = await tracer.trace(newest[:TRACED_MAX], context.rights.role_at(entity))
    return ObservedProvenance(
        entity_id=entity,
        property=name.name,
        unit=name.unit,
        value=present or _combine(traced, name, context.api.model),
        observations=[each.lineage for each in traced],
        truncated=len(until) > TRACED_MAX,
        links=context.links,
    )


def _latest_times(
    context: LineageContext, entity: str, time: LineageTime, sources: Iterable[SourceDatastream]
) -> dict[int, Instant]:
    """Return, by datastream, the latest time that its newest observation may have."""
    if time.time is not None:
        return {source.id: time.time for source in sources}
    now = context.api.clock()
    state = context.api.hub.view.entity(entity)
    states = state.datastreams if state is not None else {}
    # The present value does not include what arrived after its state was published.
    return {
        source.id: states[source.id].phenomenon_time if source.id in states else now
        for source in sources
        if source.id in context.api.model.datastreams
    }


def _combine(traced: Sequence[TracedObservation], name: ValueName, model: CityModel) -> LineageValue | None:
    """Return the value that the observations combine to, by the rule of the stream."""
    inputs = [
        CombinationInput(
            each.observation,
            LastGoodValue(each.observation.value, each.observation.phenomenon_time)
            if is_usable(each.observation.flags)
            else None,
            each.interval,
        )
        for each in traced
    ]
    if not inputs:
        return None
    state = combine(model.properties[name.name], inputs)
    sensors = {each.observation.datastream: each.lineage.sensor_id for each in traced}
    return LineageValue(
        value=state.value,
        unit=name.unit,
        phenomenon_time=format_instant(state.phenomenon_time),
        received_time=format_instant(state.received_time),
        quality=quality_word(state.flags),
        count=len(state.datastreams),
        combination=model.properties[name.name].combination,
        sensor_ids=sorted({sensors[id] for id in state.datastreams}),
        deviating_sensor_ids=sorted({sensors[id] for id in state.deviating}),
    )


async def _read_range(
    context: LineageContext, range: tuple[Instant, Instant], sources: Iterable[SourceDatastream]
) -> list[Observation]:
    """Return the observations of a range, one more than may be traced."""
    ids = [source.id for source in sources]
    return await read_raw_observations(context.connection, ids, *range, TRACED_MAX + 1)


async def _trace_range(
    context: LineageContext,
    entity: str,
    name: ValueName,
    range: tuple[Instant, Instant],
    sources: Sequence[SourceDatastream],
) -> ObservedProvenance:
    """Return the observations of a range, and their aggregate when all of them are included."""
    observations = await _read_range(context, range, sources)
    tracer = context.tracer(entity, name.name, sources)
    traced = await tracer.trace(observations[:TRACED_MAX], context.rights.role_at(entity))
    truncated = len(observations) > TRACED_MAX
    return ObservedProvenance(
        entity_id=entity,
        property=name.name,
        unit=name.unit,
        aggregate=_aggregate(traced) if not truncated else None,
        observations=[each.lineage for each in traced],
        truncated=truncated,
        links=context.links,
    )


def _aggregate(traced: Sequence[TracedObservation]) -> LineageAggregate:
    usable = [each.observation.value for each in traced if is_usable(each.observation.flags)]
    return LineageAggregate(
        count=len(usable),
        suspect=len(traced) - len(usable),
        mean=sum(usable) / len(usable) if usable else None,
        min=min(usable, default=None),
        max=max(usable, default=None),
    )


async def _trace_households(
    context: LineageContext,
    entity: str,
    name: ValueName,
    time: LineageTime,
    sources: list[SourceDatastream],
) -> ObservedProvenance:
    """Return the published value; for the role metering with the observations of its window."""
    published = await read_requested_values(context, entity, name, time)
    traced: list[TracedObservation] = []
    truncated = False
    readable = may_read_personal_data(context.rights.role_at(entity))
    if readable:
        context.rights.read_households.add(entity)
        range = time.range
        if range is None:
            end = context.api.clock() if published.time is None else published.time
            range = end - HOUSEHOLD_WINDOW, end
        observations = await _read_range(context, range, sources)
        tracer = context.tracer(entity, name.name, sources)
        traced = await tracer.trace(observations[:TRACED_MAX], context.rights.role_at(entity))
        truncated = len(observations) > TRACED_MAX
    return ObservedProvenance(
        entity_id=entity,
        property=name.name,
        unit=name.unit,
        value=published.value,
        values=published.values,
        observations=[each.lineage for each in traced],
        truncated=truncated,
        withheld=UNSET if readable else WITHHELD,
        links=context.links,
    )


class RequestedValues(NamedTuple):
    """The published value of a time, None where there is none, or those of a range; the other is unset."""

    value: LineageValue | UnsetType | None = UNSET
    values: list[LineageValue] | UnsetType = UNSET

    @property
    def time(self) -> Instant | None:
        """The phenomenon time of the value; None without it."""
        return parse_instant(self.value.phenomenon_time) if isinstance(self.value, LineageValue) else None


async def read_requested_values(
    context: LineageContext, entity: str, name: ValueName, time: LineageTime
) -> RequestedValues:
    """Return the requested published value, or those of a range."""
    if time.range is not None:
        values = await read_published_values(
            context.connection, entity, name.name, *time.range, PUBLISHED_MAX
        )
        return RequestedValues(values=[published_value(value, name) for value in values])
    if time.time is None:
        return RequestedValues(value=present_value(context, entity, name))
    published = await read_published_value(context.connection, entity, name.name, time.time)
    return RequestedValues(value=published_value(published, name) if published is not None else None)


def published_value(value: PublishedValue, name: ValueName) -> LineageValue:
    """Return a published value; that of an area says how many entities are behind it."""
    return LineageValue(
        value=value.value,
        unit=name.unit,
        phenomenon_time=format_instant(value.phenomenon_time),
        quality=quality_word(value.flags),
        count=value.count,
        revision=value.revision,
        members=value.members if name.rolled_up else UNSET,
        members_expected=value.members_expected if name.rolled_up else UNSET,
    )
