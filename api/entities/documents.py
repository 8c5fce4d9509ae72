"""Renders entities, their state, their relations and their datastreams from the live view and the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import UNSET, UnsetType

from api.access.authorization import may_see_datastream
from api.access.rights import Rights
from api.entities import models
from api.http.models import Link
from api.live.live_view import LiveView
from cities.duration import format_duration
from twin.indicators.registry import REGISTRY
from twin.instant import Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES, Entity
from twin.model.names import ValueName, roll_up_of
from twin.model.sensor import Datastream
from twin.quality.quality_flags import DISAGREES, quality_word
from twin.state.freshness import Freshness, freshness
from twin.wire.messages import Update

_FRESHEST_FIRST: tuple[Freshness, ...] = ("live", "stale", "silent")


def entity_freshness(entity: str, view: LiveView, now: Instant) -> Freshness | None:
    """Return the freshness of an entity's freshest value.

    Where sensors observe the entity, its roll-ups do not count. `silent` when it has datastreams and nothing
    was ever observed; None when it has neither datastreams nor values.
    """
    state = view.entity(entity)
    observed = {datastream.property for datastream in view.model.datastreams_of(entity)}
    words = {
        view.freshness_of(value, now)
        for name, value in (state.values.items() if state is not None else ())
        if not observed or name in observed
    }
    for word in _FRESHEST_FIRST:
        if word in words:
            return word
    return "silent" if observed else None


def entity_model(entity: Entity, view: LiveView, now: Instant) -> models.EntityModel:
    """Return an entity."""
    datastreams = view.model.datastreams_of(entity.id)
    path = f"/v1/entities/{entity.id}"
    return models.EntityModel(
        id=entity.id,
        type=entity.type,
        name=entity.name,
        parent=entity.parent,
        geometry=entity.geometry,
        attributes=entity.attributes,
        themes=sorted(view.model.themes_of(entity.id)),
        properties=sorted({each.property for each in datastreams}),
        interval=format_duration(min(each.interval for each in datastreams)) if datastreams else None,
        freshness=entity_freshness(entity.id, view, now),
        links=models.EntityLinks(
            self_=Link(href=path),
            state=Link(href=f"{path}/state"),
            relations=Link(href=f"{path}/relations"),
            liveability=Link(href=f"{path}/liveability") if entity.type in AREA_TYPES else UNSET,
        ),
    )


def entity_feature(entity: models.EntityModel) -> models.EntityFeature:
    """Return an entity as a GeoJSON feature."""
    members = {name: getattr(entity, name) for name in models.EntityMembers.__struct_fields__}
    return models.EntityFeature(
        id=entity.id, geometry=entity.geometry, properties=models.EntityMembers(**members)
    )


def state_model(entity: Entity, view: LiveView, now: Instant, rights: Rights) -> models.State:
    """Return the present state of an entity, from the live view."""
    state = view.entity(entity.id)
    properties: dict[str, models.Value] = {}
    indicators: dict[str, models.Value] = {}
    if state is not None:
        for name, value in sorted(state.values.items()):
            value_freshness = view.freshness_of(value, now)
            value_name = view.resolve_name(name)
            if value_freshness is not None and value_name is not None:
                values = properties if value_name.observed else indicators
                values[name] = value_model(value.update, value_name, value_freshness, view.model, rights)
    datastreams = list(_datastream_states(entity, view, now, rights))
    return models.State(
        entity_id=entity.id,
        revision=state.revision_with(each.id for each in datastreams) if state is not None else 0,
        properties=properties,
        indicators=indicators,
        datastreams=datastreams,
        links=models.StateLinks(
            self_=Link(href=f"/v1/entities/{entity.id}/state"), entity=Link(href=f"/v1/entities/{entity.id}")
        ),
    )


def value_model(
    update: Update, name: ValueName, value_freshness: Freshness, model: CityModel, rights: Rights
) -> models.Value:
    """Return the value of a property, an indicator or a roll-up."""
    # Two calls: one of more than fifteen keywords takes three times as long.
    if name.observed:
        return models.Value(
            value=update.value,
            unit=name.unit,
            phenomenon_time=format_instant(update.phenomenon_time),
            received_time=format_instant(update.received_time),
            quality=quality_word(update.flags),
            freshness=value_freshness,
            revision=update.revision,
            count=update.count,
            last_good=_last_good(update),
            combination=model.properties[name.name].combination,
            sensor_ids=_visible_sensors(update.datastreams, model, rights),
            deviating_sensor_ids=_visible_sensors(update.deviating, model, rights),
        )
    return models.Value(
        value=update.value,
        unit=name.unit,
        phenomenon_time=format_instant(update.phenomenon_time),
        received_time=format_instant(update.received_time),
        quality=quality_word(update.flags),
        freshness=value_freshness,
        revision=update.revision,
        count=update.count,
        last_good=_last_good(update),
        members=update.members if name.rolled_up else UNSET,
        members_expected=update.members_expected if name.rolled_up else UNSET,
        preliminary=update.preliminary if name.rolled_up else UNSET,
        deviating_entity_ids=_entities_of(update.deviating, model) if name.rolled_up else UNSET,
    )


def _last_good(update: Update) -> models.LastGood | UnsetType:
    if update.last_good is None:
        return UNSET
    value, time = update.last_good
    return models.LastGood(value=value, phenomenon_time=format_instant(time))


def _entities_of(datastreams: Sequence[int], model: CityModel) -> list[str]:
    return sorted({model.datastreams[id].entity for id in datastreams if id in model.datastreams})


def _visible_sensors(datastreams: Sequence[int], model: CityModel, rights: Rights) -> list[str]:
    """Return the sensors of those datastreams that a principal may see."""
    known = [model.datastreams[id] for id in datastreams if id in model.datastreams]
    return sorted({each.sensor for each in known if may_see_datastream(rights, each, model)}) if known else []


def _datastream_states(
    entity: Entity, view: LiveView, now: Instant, rights: Rights
) -> Iterable[models.DatastreamStateModel]:
    state, model = view.entity(entity.id), view.model
    if state is None:
        return
    updates = [value.update for value in state.values.values()]
    deviating = {id for update in updates for id in update.deviating}
    deviating |= {id for update in updates if update.flags & DISAGREES for id in update.datastreams}
    for datastream in model.datastreams_of(entity.id):
        observation = state.datastreams.get(datastream.id)
        if observation is None or not may_see_datastream(rights, datastream, model):
            continue
        if model.policy_of(datastream).personal:
            rights.read_households.add(entity.id)
        flags = observation.flags | (DISAGREES if datastream.id in deviating else 0)
        yield models.DatastreamStateModel(
            id=datastream.id,
            sensor_id=datastream.sensor,
            property=datastream.property,
            value=observation.value,
            unit=model.properties[datastream.property].unit,
            phenomenon_time=format_instant(observation.phenomenon_time),
            received_time=format_instant(observation.received_time),
            quality=quality_word(flags),
            freshness=freshness(observation.phenomenon_time, datastream.interval, now),
        )


def relations_model(entity: Entity, model: CityModel) -> models.Relations:
    """Return the relations of an entity in both directions, its parent and its children."""
    outgoing = [(relation.type, relation.target) for relation in entity.relations]
    incoming = [
        (relation.type, other.id)
        for other in model.entities.values()
        for relation in other.relations
        if relation.target == entity.id
    ]
    return models.Relations(
        entity_id=entity.id,
        parent=entity.parent,
        children=sorted(child.id for child in model.entities.values() if child.parent == entity.id),
        outgoing=list(_related(sorted(outgoing), model)),
        incoming=list(_related(sorted(incoming), model)),
        links=models.RelationsLinks(self_=Link(href=f"/v1/entities/{entity.id}/relations")),
    )


def _related(relations: Iterable[tuple[str, str]], model: CityModel) -> Iterable[models.Related]:
    for kind, id in relations:
        other = model.entities.get(id)
        yield models.Related(type=kind, entity_id=id, name=other.name if other is not None else None)


def datastream_model(datastream: Datastream, model: CityModel) -> models.DatastreamModel:
    """Return a datastream."""
    observed = model.properties.get(datastream.property)
    return models.DatastreamModel(
        id=datastream.id,
        sensor_id=datastream.sensor,
        entity_id=datastream.entity,
        property=datastream.property,
        unit=observed.unit if observed is not None else None,
        interval=format_duration(datastream.interval),
        links=models.DatastreamLinks(
            self_=Link(href=f"/v1/datastreams/{datastream.id}"),
            entity=Link(href=f"/v1/entities/{datastream.entity}"),
            property=Link(href=f"/v1/properties/{datastream.property}"),
            observations=Link(href=f"/v1/datastreams/{datastream.id}/observations"),
        ),
    )


def property_model(name: ValueName, model: CityModel) -> models.PropertyModel:
    """Return an observed property, an indicator or a roll-up."""
    observed = model.properties[name.name] if name.observed else None
    indicator = None if name.observed or name.rolled_up else REGISTRY[name.name]
    path = "/v1/properties"
    return models.PropertyModel(
        name=name.name,
        kind=property_kind(name),
        unit=name.unit,
        theme=name.theme,
        aggregation=name.aggregation,
        roll_up="none" if name.rolled_up else roll_up_of(name.name, model),
        title=indicator.title if indicator is not None else UNSET,
        combination=observed.combination if observed is not None else UNSET,
        minimum=observed.minimum if observed is not None else UNSET,
        maximum=observed.maximum if observed is not None else UNSET,
        links=models.PropertyLinks(
            self_=Link(href=f"{path}/{name.name}"),
            datastreams=Link(href=f"/v1/datastreams?property={name.name}") if name.observed else UNSET,
            base=Link(href=f"{path}/{name.base}") if name.rolled_up else UNSET,
        ),
    )


def property_kind(name: ValueName) -> models.PropertyKind:
    """Return what a name stands for."""
    if name.observed:
        return "observed"
    return "roll-up" if name.rolled_up else "indicator"


def entity_type_models(model: CityModel) -> list[models.EntityTypeModel]:
    """Return the types of the entities of a city, by name."""
    counts = Counter(entity.type for entity in model.entities.values())
    return [
        models.EntityTypeModel(
            name=name,
            area=name in AREA_TYPES,
            count=count,
            links=models.EntityTypeLinks(entities=Link(href=f"/v1/entities?type={name}")),
        )
        for name, count in sorted(counts.items())
    ]
