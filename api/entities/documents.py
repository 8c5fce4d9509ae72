"""Documents of entities, their state, their relations and their datastreams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from api.http.access import Role, may_see_datastream
from api.http.responses import Document
from api.live.live_view import LiveView
from cities.duration import format_duration
from twin.instant import Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES, Entity
from twin.model.names import ValueName
from twin.model.sensor import Datastream
from twin.quality.quality_flags import DISAGREES, quality_word
from twin.state.freshness import Freshness, freshness
from twin.wire.messages import Update

# A plain integer: an operator of an enumeration costs a microsecond.

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


def entity_document(entity: Entity, view: LiveView, now: Instant) -> Document:
    """Return an entity."""
    datastreams = view.model.datastreams_of(entity.id)
    path = f"/v1/entities/{entity.id}"
    card = {"liveability": {"href": f"{path}/liveability"}} if entity.type in AREA_TYPES else {}
    return {
        "id": entity.id,
        "type": entity.type,
        "name": entity.name,
        "parent": entity.parent,
        "geometry": entity.geometry,
        "attributes": dict(entity.attributes),
        "themes": sorted(view.model.themes_of(entity.id)),
        "properties": sorted({each.property for each in datastreams}),
        "interval": format_duration(min(each.interval for each in datastreams)) if datastreams else None,
        "freshness": entity_freshness(entity.id, view, now),
        "_links": {
            "self": {"href": path},
            "state": {"href": f"{path}/state"},
            "relations": {"href": f"{path}/relations"},
            **card,
        },
    }


def geojson_feature(document: Document) -> Document:
    """Return an entity's document as a GeoJSON feature (RFC 7946)."""
    return {
        "type": "Feature",
        "id": document["id"],
        "geometry": document["geometry"],
        "properties": {name: value for name, value in document.items() if name != "geometry"},
    }


def state_document(entity: Entity, view: LiveView, now: Instant, role: Role) -> Document:
    """Return the present state of an entity, from the live view."""
    state = view.entity(entity.id)
    properties: Document = {}
    indicators: Document = {}
    if state is not None:
        for name, value in sorted(state.values.items()):
            value_freshness = view.freshness_of(value, now)
            value_name = view.resolve_name(name)
            if value_freshness is not None and value_name is not None:
                documents = properties if value_name.observed else indicators
                documents[name] = value_document(value.update, value_name, value_freshness, view.model, role)
    return {
        "entityId": entity.id,
        "revision": state.revision if state is not None else 0,
        "properties": properties,
        "indicators": indicators,
        "datastreams": list(_datastream_states(entity, view, now, role)),
        "_links": {
            "self": {"href": f"/v1/entities/{entity.id}/state"},
            "entity": {"href": f"/v1/entities/{entity.id}"},
        },
    }


def value_document(
    update: Update, name: ValueName, value_freshness: Freshness, model: CityModel, role: Role
) -> Document:
    """Return the value of a property, an indicator or a roll-up."""
    document: Document = {
        "value": update.value,
        "unit": name.unit,
        "phenomenonTime": format_instant(update.phenomenon_time),
        "receivedTime": format_instant(update.received_time),
        "quality": quality_word(update.flags),
        "freshness": value_freshness,
        "revision": update.revision,
        "count": update.count,
    }
    if update.last_good is not None:
        value, time = update.last_good
        document["lastGood"] = {"value": value, "phenomenonTime": format_instant(time)}
    if name.observed:
        document["combination"] = model.properties[name.name].combination
        document["sensorIds"] = _visible_sensors(update.datastreams, model, role)
        document["deviatingSensorIds"] = _visible_sensors(update.deviating, model, role)
    if name.rolled_up:
        document["members"], document["membersExpected"] = update.members, update.members_expected
        document["preliminary"] = update.preliminary
        deviating = (model.datastreams[id] for id in update.deviating if id in model.datastreams)
        document["deviatingEntityIds"] = sorted({datastream.entity for datastream in deviating})
    return document


def _visible_sensors(datastreams: Sequence[int], model: CityModel, role: Role) -> list[str]:
    """Return the sensors of those datastreams that a role may see."""
    known = [model.datastreams[id] for id in datastreams if id in model.datastreams]
    return sorted({each.sensor for each in known if may_see_datastream(role, each, model)}) if known else []


def _datastream_states(entity: Entity, view: LiveView, now: Instant, role: Role) -> Iterable[Document]:
    state, model = view.entity(entity.id), view.model
    if state is None:
        return
    updates = [value.update for value in state.values.values()]
    deviating = {id for update in updates for id in update.deviating}
    deviating |= {id for update in updates if update.flags & DISAGREES for id in update.datastreams}
    for datastream in model.datastreams_of(entity.id):
        observation = state.datastreams.get(datastream.id)
        if observation is None or not may_see_datastream(role, datastream, model):
            continue
        flags = observation.flags | (DISAGREES if datastream.id in deviating else 0)
        yield {
            "id": datastream.id,
            "sensorId": datastream.sensor,
            "property": datastream.property,
            "value": observation.value,
            "unit": model.properties[datastream.property].unit,
            "phenomenonTime": format_instant(observation.phenomenon_time),
            "receivedTime": format_instant(observation.received_time),
            "quality": quality_word(flags),
            "freshness": freshness(observation.phenomenon_time, datastream.interval, now),
        }


def relations_document(entity: Entity, model: CityModel) -> Document:
    """Return the relations of an entity in both directions, its parent and its children."""
    outgoing = [(relation.type, relation.target) for relation in entity.relations]
    incoming = [
        (relation.type, other.id)
        for other in model.entities.values()
        for relation in other.relations
        if relation.target == entity.id
    ]
    children = sorted(child.id for child in model.entities.values() if child.parent == entity.id)
    return {
        "entityId": entity.id,
        "parent": entity.parent,
        "children": children,
        "outgoing": list(_related(sorted(outgoing), model)),
        "incoming": list(_related(sorted(incoming), model)),
        "_links": {"self": {"href": f"/v1/entities/{entity.id}/relations"}},
    }


def _related(relations: Iterable[tuple[str, str]], model: CityModel) -> Iterable[Document]:
    for kind, id in relations:
        other = model.entities.get(id)
        yield {"type": kind, "entityId": id, "name": other.name if other is not None else None}


def datastream_document(datastream: Datastream, model: CityModel) -> Document:
    """Return a datastream."""
    observed = model.properties.get(datastream.property)
    return {
        "id": datastream.id,
        "sensorId": datastream.sensor,
        "entityId": datastream.entity,
        "property": datastream.property,
        "unit": observed.unit if observed is not None else None,
        "interval": format_duration(datastream.interval),
        "_links": {"observations": {"href": f"/v1/datastreams/{datastream.id}/observations"}},
    }
