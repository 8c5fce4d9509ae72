"""Query parameters and bodies of maintenance windows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from api.entities.known_names import EntityIds
from api.http.parameters import PageParameters, Parameters, TimeText
from api.rules.schemas import without_default
from cities.files.schema import MaintenanceWindowItem
from cities.files.values import Id

OCCURRENCES_SHOWN = 5
OCCURRENCES_SHOWN_MAX = 50

_IGNORED = Field(default=None, description="Ignored.", json_schema_extra={"readOnly": True})
Occurrences = Annotated[
    int,
    Field(ge=0, le=OCCURRENCES_SHOWN_MAX, description="The largest number of occurrences of a window."),
]


class MaintenanceWindowParameters(Parameters):
    """How much of a window is answered."""

    occurrences: Occurrences = OCCURRENCES_SHOWN


class MaintenanceWindowsParameters(PageParameters):
    """Which windows, by id."""

    entity: EntityIds = Field(
        default=[], description="Those that cover something of these entities, any of them."
    )
    active_at: TimeText | None = Field(default=None, description="Those with an occurrence at this time.")
    occurrences: Occurrences = OCCURRENCES_SHOWN


class PutMaintenanceWindowBody(MaintenanceWindowItem):
    """A window, as one of `windows` in maintenance.yaml, with the id of the path.

    What answers add to a window is ignored.
    """

    id: Annotated[Id, Field(json_schema_extra=without_default)] = ""
    active: Any = _IGNORED
    occurrences: Any = _IGNORED
    version: Any = _IGNORED
    origin: Any = _IGNORED
    changed_time: Any = _IGNORED
    changed_by: Any = _IGNORED
    links: Annotated[Any, Field(alias="_links")] = _IGNORED
