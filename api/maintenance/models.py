"""Models of maintenance windows."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from api.entities.models import EntityId, PropertyName
from api.http.models import Link, Model, Time
from api.rules.models import Version
from storage.model.content_version import Origin

LocalDateText = Annotated[str, Meta(extra_json_schema={"format": "date"}, examples=["2026-05-05"])]


class RecurrenceModel(Model, frozen=True, kw_only=True):
    """When a window recurs, by local times of the city."""

    rule: Annotated[
        str,
        Meta(description="The value of an RRULE (RFC 5545).", examples=["FREQ=WEEKLY;BYDAY=TU"]),
    ]
    exdates: (
        Annotated[list[LocalDateText], Meta(description="Local dates on which no occurrence begins.")]
        | UnsetType
    ) = UNSET


class MaintenanceWindowContent(Model, frozen=True, kw_only=True):
    """A window as maintenance.yaml has it; a missing member has its default."""

    id: Annotated[str, Meta(examples=["weekly-flushing"])]
    title: Annotated[str, Meta(examples=["Weekly flushing"])]
    note: str | UnsetType = UNSET
    sensors: list[str] | UnsetType = UNSET
    entities: list[EntityId] | UnsetType = UNSET
    areas: Annotated[list[EntityId], Meta(description="Each with all that lies in it.")] | UnsetType = UNSET
    properties: (
        Annotated[list[PropertyName], Meta(description="Of what is covered only these; all without it.")]
        | UnsetType
    ) = UNSET
    start: Time
    end: Annotated[Time, Meta(description="Exclusive; without it the window is open.")] | UnsetType = UNSET
    recurrence: RecurrenceModel | UnsetType = UNSET


class OccurrenceModel(Model, frozen=True, kw_only=True):
    """One time of maintenance."""

    start: Time
    end: Time | None  #: null while it is open


class MaintenanceWindowLinks(Model, frozen=True, kw_only=True):
    """Links of a maintenance window."""

    self_: Link


class MaintenanceWindowModel(MaintenanceWindowContent, frozen=True, kw_only=True):
    """A window in force; origin, time and editor of its last change are null while the database is away."""

    active: Annotated[bool, Meta(description="Whether an occurrence lasts at the time of the answer.")]
    occurrences: Annotated[
        list[OccurrenceModel], Meta(description="The present one and the next, within a year.")
    ]
    version: Version
    origin: Origin | None
    changed_time: Time | None
    changed_by: str | None  #: null for anonymous clients
    links: MaintenanceWindowLinks


RESPONSE_MEMBERS = frozenset(MaintenanceWindowModel.__struct_encode_fields__) - {
    *MaintenanceWindowContent.__struct_encode_fields__
}
"""What an answer adds to a window; a client may send it back unchanged."""
