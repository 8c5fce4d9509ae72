"""Renders maintenance windows, and decides who may see and change which.

A window may list meters of households. Only who may read their values sees that they exist.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from api.access.authorization import require
from api.access.rights import Rights
from api.http.models import Link
from api.http.problems import RequestFault, bad_request
from api.maintenance.models import (
    RESPONSE_MEMBERS,
    MaintenanceWindowContent,
    MaintenanceWindowLinks,
    MaintenanceWindowModel,
    OccurrenceModel,
)
from cities.model.maintenance_windows import WindowContext, window_document
from storage.model.content_version import WindowVersion
from twin.instant import INSTANT_MAX, Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.maintenance_window import MaintenanceWindow, next_occurrences
from twin.model.recurrence import RecurringPeriod, occurrences_between
from twin.model.role import may_read_personal_data, role_includes


def window_path(id: str) -> str:
    """Return the path of a maintenance window."""
    return f"/v1/maintenance-windows/{id}"


class Viewing(NamedTuple):
    """Who reads windows, when, and how many occurrences of each."""

    model: CityModel
    rights: Rights
    now: Instant
    occurrences: int


def window_model(
    window: MaintenanceWindow, stored: WindowVersion | None, viewing: Viewing
) -> MaintenanceWindowModel:
    """Return a window in force with its occurrences from now on; only a stored one has its editor."""
    model, rights, now, count = viewing
    shown = msgspec.structs.replace(
        window, sensors=tuple(one for one in window.sensors if _is_visible(one, model, rights))
    )
    content = msgspec.convert(window_document(shown), MaintenanceWindowContent)
    period = window.period(model.city.timezone)
    names_editor = stored is not None and role_includes(rights.role, "viewer")
    return MaintenanceWindowModel(
        **{name: getattr(content, name) for name in MaintenanceWindowContent.__struct_fields__},
        active=is_active(period, now),
        occurrences=[
            OccurrenceModel(
                start=format_instant(start), end=format_instant(end) if end != INSTANT_MAX else None
            )
            for start, end in next_occurrences(period, now, count)
        ],
        version=window.version,
        origin=stored.origin if stored is not None else None,
        changed_time=format_instant(stored.changed_at) if stored is not None else None,
        changed_by=stored.changed_by if stored is not None and names_editor else None,
        links=MaintenanceWindowLinks(self_=Link(href=window_path(window.id))),
    )


def is_active(period: RecurringPeriod, time: Instant) -> bool:
    """Return whether an occurrence of a period includes a time."""
    return bool(occurrences_between(period, time, time + 1))


def concerns(window: MaintenanceWindow, entities: Collection[str], model: CityModel, rights: Rights) -> bool:
    """Return whether a window covers something of one of these entities, as far as a principal may know."""
    places = {place for one in entities for place in model.around(one)}
    if not places.isdisjoint(window.areas) or not set(entities).isdisjoint(window.entities):
        return True
    listed = set(window.sensors)
    return any(
        one.sensor in listed and _is_visible(one.sensor, model, rights)
        for entity in entities
        for one in model.datastreams_of(entity)
    )


def requested_document(body: Mapping[str, Any], id: str) -> dict[str, Any]:
    """Return the window in a body without the members of answers; raise a problem for another one's id."""
    document = {name: value for name, value in body.items() if name not in RESPONSE_MEMBERS}
    if document.setdefault("id", id) != id:
        raise bad_request(
            RequestFault("body", "/id", "other", f"found another id, expected {id!r}, as in the path")
        )
    return document


def window_context(model: CityModel, rights: Rights) -> WindowContext:
    """Return the names that a principal may use in a window."""
    return WindowContext(
        sensors=frozenset(one for one in model.sensors if _is_visible(one, model, rights)),
        entities=model.entities,
        properties=model.properties,
        zone=model.city.timezone,
    )


def with_hidden_sensors(
    window: MaintenanceWindow, before: MaintenanceWindow | None, model: CityModel, rights: Rights
) -> MaintenanceWindow:
    """Return a window with the sensors that it had and that the principal cannot see: they stay covered."""
    hidden = () if before is None else before.sensors
    kept = tuple(one for one in hidden if one not in window.sensors and not _is_visible(one, model, rights))
    return msgspec.structs.replace(window, sensors=window.sensors + kept) if kept else window


def require_operator_of(window: MaintenanceWindow, model: CityModel, rights: Rights) -> None:
    """Raise a problem (401, 403) unless the principal is an operator of all that a window covers."""
    if rights.principal.areas is None:
        granted = role_includes(rights.role, "operator")
    else:
        places = {*window.entities, *window.areas, *_places_of(window.sensors, model)}
        granted = all(rights.includes_at("operator", place) for place in places)
    require(granted, rights, "operator")


def _places_of(sensors: Iterable[str], model: CityModel) -> set[str]:
    """Return the entities where sensors are, and those that they observe; an unknown one is nowhere."""
    listed = set(sensors)
    places = {model.sensors[one].entity if one in model.sensors else "" for one in listed}
    return places | {one.entity for one in model.datastreams.values() if one.sensor in listed}


def _is_visible(sensor: str, model: CityModel, rights: Rights) -> bool:
    known = model.sensors.get(sensor)
    return known is None or not known.personal or may_read_personal_data(rights.role_at(known.entity))
