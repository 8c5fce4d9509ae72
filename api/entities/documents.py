"""Documents: entities, their state and their datastreams as the API writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from api.http.access import Role, may_see_datastream
from api.live.live_view import LiveValue, LiveView
from cities.duration import format_duration
from twin.instant import Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES, Entity
from twin.model.names import ValueName
from twin.model.sensor import Datastream
from twin.quality.quality_flags import QualityFlag, quality_word
from twin.state.freshness import Freshness, freshness
from twin.wire.messages import Update

Document = dict[str, Any]

# A plain integer: the operators of an enumeration cost a microsecond each.
_DISAGREES = int(QualityFlag.DISAGREES)

_ORDER: tuple[Freshness, ...] = ("live", "stale", "silent")


def entity_freshness(entity: str, view: LiveView, now: Instant) -> Freshness | None:
    """Return the freshness of an entity's freshest value: whether anything speaks for it at present.

    Where sensors observe it, what is rolled up over it does not make up for their silence. `silent` when
    nothing was ever observed though it has datastreams; None when it has neither datastreams nor values.
    """
    known = view.entity(entity)
    own = {one.property for one in view.model.datastreams_of(entity)}
    found = [
        _fresh(value, view, now)
        for name, value in (known.values.items() if known is not None else ())
        if not own or name in own
    ]
    words = {one for one in found if one is not None}
    for word in _ORDER:
        if word in words:
            return word
    return "silent" if view.model.datastreams_of(entity) else None


def _fresh(value: LiveValue, view: LiveView, now: Instant) -> Freshness | None:
    if value.live_duration and now - value.update.phenomenon_time <= value.live_duration:
        return "live"  # As nearly always.
    interval = view.expected_interval(value.update)
    return None if interval is None else freshness(value.update.phenomenon_time, interval, now)


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
        "properties": sorted({one.property for one in datastreams}),
        "interval": format_duration(min(one.interval for one in datastreams)) if datastreams else None,
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
    known = view.entity(entity.id)
    properties: Document = {}
    indicators: Document = {}
    if known is not None:
        for name, value in sorted(known.values.items()):
            fresh = _fresh(value, view, now)
            what = view.resolve_name(name)
            if fresh is not None and what is not None:
                found = properties if what.observed else indicators
                found[name] = value_document(value.update, what, fresh, view.model, role)
    return {
        "entityId": entity.id,
        "revision": known.revision if known is not None else 0,
        "properties": properties,
        "indicators": indicators,
        "datastreams": list(_datastreams(entity, view, now, role)),
        "_links": {
            "self": {"href": f"/v1/entities/{entity.id}/state"},
            "entity": {"href": f"/v1/entities/{entity.id}"},
        },
    }


def value_document(
    update: Update, what: ValueName, fresh: Freshness, model: CityModel, role: Role
) -> Document:
    """Return the value of a property or an indicator."""
    document: Document = {
        "value": update.value,
        "unit": what.unit,
        "phenomenonTime": format_instant(update.phenomenon_time),
        "receivedTime": format_instant(update.received_time),
        "quality": quality_word(update.flags),
        "freshness": fresh,
        "revision": update.revision,
        "count": update.count,
    }
    if update.last_good is not None:
        value, time = update.last_good
        document["lastGood"] = {"value": value, "phenomenonTime": format_instant(time)}
    if what.observed:
        document["combination"] = model.properties[what.name].combination
        document["sensorIds"] = _sensors(update.datastreams, model, role)
        document["deviatingSensorIds"] = _sensors(update.deviating, model, role)
    if what.rolled_up:
        behind = (model.datastreams[one] for one in update.deviating if one in model.datastreams)
        document["deviatingEntityIds"] = sorted({one.entity for one in behind})
    return document


def _sensors(datastreams: Sequence[int], model: CityModel, role: Role) -> list[str]:
    """Return the sensors of datastreams, as far as a role may know them."""
    known = model.datastreams
    found = [known[one] for one in datastreams if one in known]
    return sorted({one.sensor for one in found if may_see_datastream(role, one, model)}) if found else []


def _datastreams(entity: Entity, view: LiveView, now: Instant, role: Role) -> Iterable[Document]:
    known, model = view.entity(entity.id), view.model
    if known is None:
        return
    updates = [value.update for value in known.values.values()]
    deviating = {id for one in updates for id in one.deviating}
    deviating |= {id for one in updates if one.flags & _DISAGREES for id in one.datastreams}
    for datastream in model.datastreams_of(entity.id):
        observation = known.datastreams.get(datastream.id)
        if observation is None or not may_see_datastream(role, datastream, model):
            continue
        flags = observation.flags | (_DISAGREES if datastream.id in deviating else 0)
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
    """Return what an entity is linked to, in both directions."""
    outgoing = [(one.type, one.target) for one in entity.relations]
    incoming = [
        (one.type, other.id)
        for other in model.entities.values()
        for one in other.relations
        if one.target == entity.id
    ]
    children = sorted(one.id for one in model.entities.values() if one.parent == entity.id)
    return {
        "entityId": entity.id,
        "parent": entity.parent,
        "children": children,
        "outgoing": list(_linked(sorted(outgoing), model)),
        "incoming": list(_linked(sorted(incoming), model)),
        "_links": {"self": {"href": f"/v1/entities/{entity.id}/relations"}},
    }


def _linked(relations: Iterable[tuple[str, str]], model: CityModel) -> Iterable[Document]:
    for kind, id in relations:
        other = model.entities.get(id)
        yield {"type": kind, "entityId": id, "name": other.name if other is not None else None}


def datastream_document(datastream: Datastream, model: CityModel) -> Document:
    """Return a datastream."""
    known = model.properties.get(datastream.property)
    return {
        "id": datastream.id,
        "sensorId": datastream.sensor,
        "entityId": datastream.entity,
        "property": datastream.property,
        "unit": known.unit if known is not None else None,
        "interval": format_duration(datastream.interval),
        "_links": {"observations": {"href": f"/v1/datastreams/{datastream.id}/observations"}},
    }
