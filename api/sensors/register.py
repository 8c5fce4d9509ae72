"""The entries of the sensor register: those of the city model and of earlier ones. Pure.

Meters of households are never entries by themselves: those of an area are one, without a number where they
are fewer than the connections of which a sum is published (decision 0009).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import UNSET
from msgspec.structs import replace

from api.access.rights import Rights
from api.entities.selection import select_entities
from api.http.models import Link
from api.sensors.models import (
    ObservedBySensor,
    SensorDevice,
    SensorFeature,
    SensorLinks,
    SensorMembers,
    SensorModel,
    SensorStatus,
)
from api.sensors.schemas import SensorParameters
from cities.duration import format_duration
from storage.stores.retired_sensors import RetiredSensor
from twin.instant import Duration, Instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES
from twin.model.sensor import Sensor
from twin.model.sensor_register import RegisterEntry
from twin.privacy.cohort import CONNECTIONS_MIN

HOUSEHOLDS = "households~"
"""Beginning of the id of an entry for the household meters of an area; no id of a sensor has a tilde."""


class RegisteredSensor(NamedTuple):
    """An entry of the register before it is rendered; `device` is empty where it is nobody's."""

    id: str
    status: SensorStatus
    sensors: int  #: behind it
    entity: str
    entry: RegisterEntry  #: as the folder has it
    properties: tuple[str, ...]
    interval: Duration
    feed: str = ""
    device: str = ""
    is_personal: bool = False


def active_sensors(model: CityModel, now: Instant) -> list[RegisteredSensor]:
    """Return the entries of the present model, by id."""
    today = _date(now, model)
    entries = [_entry(sensor, model, today) for sensor in model.sensors.values() if not sensor.personal]
    return sorted([*entries, *_households(model)], key=lambda one: one.id)


def _entry(sensor: Sensor, model: CityModel, today: str) -> RegisteredSensor:
    until = sensor.register.until
    return RegisteredSensor(
        id=sensor.id,
        status="retired" if until and until <= today else "active",
        sensors=1,
        entity=sensor.entity,
        entry=sensor.register,
        properties=tuple(
            sorted(each.property for each in model.datastreams_of(sensor.entity) if each.sensor == sensor.id)
        ),
        interval=sensor.interval,
        feed=sensor.feed,
        device=sensor.device,
    )


def _households(model: CityModel) -> Iterator[RegisteredSensor]:
    meters: defaultdict[str, list[Sensor]] = defaultdict(list)
    for sensor in model.sensors.values():
        area = _area(sensor.entity, model) if sensor.personal else None
        if area is not None:
            meters[area].append(sensor)
    for area, sensors in meters.items():
        ids = {sensor.id for sensor in sensors}
        observed = {
            each.property
            for entity in {sensor.entity for sensor in sensors}
            for each in model.datastreams_of(entity)
            if each.sensor in ids
        }
        # What a household says of itself would be a reading of it: only its kind counts.
        kinds = {sensor.register.kind for sensor in sensors}
        yield RegisteredSensor(
            id=f"{HOUSEHOLDS}{area}",
            status="active",
            sensors=len(sensors),
            entity=area,
            entry=RegisterEntry(kind=kinds.pop() if len(kinds) == 1 else ""),
            properties=tuple(sorted(observed)),
            interval=min(sensor.interval for sensor in sensors),
            is_personal=True,
        )


def _area(entity: str, model: CityModel) -> str | None:
    """Return the nearest area around an entity; None where the model has none."""
    known = model.entities.get(entity)
    visited: set[str] = set()
    while known is not None and known.type not in AREA_TYPES and known.id not in visited:
        visited.add(known.id)
        known = model.entities.get(known.parent) if known.parent is not None else None
    return known.id if known is not None else None


def retired_sensors(found: Iterable[RetiredSensor], model: CityModel) -> list[RegisteredSensor]:
    """Return the entries of sensors that are not in the model, by id."""
    return [
        RegisteredSensor(
            id=each.id,
            status="retired",
            sensors=1,
            entity=each.entity,
            entry=replace(
                each.register,
                since=each.register.since or (_date(each.created, model) if each.created is not None else ""),
                until=each.register.until or (_date(each.retired, model) if each.retired is not None else ""),
            ),
            properties=each.properties,
            interval=each.interval,
            feed=each.feed,
            device=each.device,
        )
        for each in found
        if each.id not in model.sensors
    ]


def select_sensors(
    entries: Sequence[RegisteredSensor], parameters: SensorParameters, model: CityModel
) -> list[RegisteredSensor]:
    """Return the entries that a request selects, in their order."""
    filter = parameters.filter()
    selected = (
        {entity.id for entity in select_entities(filter, model)}
        if parameters.parent or parameters.type or parameters.bbox
        else None
    )
    properties = set(parameters.property)
    text = (parameters.q or "").casefold()
    return [
        each
        for each in entries
        if each.status == parameters.status
        and (selected is None or each.entity in selected)
        and (not properties or properties & set(each.properties))
        and (not text or text in _searched(each, model))
    ]


def _searched(each: RegisteredSensor, model: CityModel) -> str:
    entry, entity = model.city.sensor_register.complete(each.entry), model.entities.get(each.entity)
    texts = (entry.device, entry.purpose, entry.observes, entry.observes_not)
    words = [each.id, entity.name if entity is not None else "", entry.owner, entry.kind]
    words += [word for text in texts if text is not None for word in (text.en, text.nl)]
    return "\n".join(words).casefold()


def sensor_model(each: RegisteredSensor, model: CityModel, rights: Rights) -> SensorModel:
    """Return an entry as a principal may see it: the address of the device is for staff."""
    entry = model.city.sensor_register.complete(each.entry)
    entity = model.entities.get(each.entity)
    is_staff = rights.includes_at("viewer", each.entity)
    shown = each.status == "active" and not each.is_personal
    return SensorModel(
        id=each.id,
        status=each.status,
        count=None if each.is_personal and each.sensors < CONNECTIONS_MIN else each.sensors,
        kind=entry.kind or None,
        device_kind=entry.device,
        owner=entry.owner or None,
        contact=entry.contact or None,
        purpose=entry.purpose,
        observes=entry.observes,
        observes_not=entry.observes_not,
        legal_basis=entry.legal_basis,
        personal_data=True if each.is_personal else entry.personal_data,
        properties=[_observed(each, name, model) for name in each.properties],
        interval=format_duration(each.interval),
        entity_id=each.entity,
        entity_name=entity.name if entity is not None else None,
        since=entry.since or None,
        until=entry.until or None,
        device=SensorDevice(feed=each.feed, address=each.device) if is_staff and each.device else None,
        geometry=entity.geometry if entity is not None else None,
        links=SensorLinks(
            self_=Link(href=f"/v1/sensors/{each.id}"),
            entity=Link(href=f"/v1/entities/{each.entity}"),
            datastreams=Link(href=f"/v1/datastreams?sensor={each.id}") if shown else UNSET,
        ),
    )


def _observed(each: RegisteredSensor, name: str, model: CityModel) -> ObservedBySensor:
    known = model.properties.get(name)
    intervals = [
        one.interval for one in model.datastreams_of(each.entity, name) if one.sensor == each.id
    ] or [each.interval]
    return ObservedBySensor(
        property=name,
        unit=known.unit if known is not None else None,
        interval=format_duration(min(intervals)),
    )


def sensor_feature(sensor: SensorModel) -> SensorFeature:
    """Return an entry as a GeoJSON feature."""
    members = {name: getattr(sensor, name) for name in SensorMembers.__struct_fields__}
    return SensorFeature(id=sensor.id, geometry=sensor.geometry, properties=SensorMembers(**members))


def _date(instant: Instant, model: CityModel) -> str:
    return to_datetime(instant).astimezone(ZoneInfo(model.city.timezone)).date().isoformat()
