"""Query parameters of the sensor register."""

from __future__ import annotations

from pydantic import Field

from api.entities.known_names import EntityIds, EntityTypes, PropertyNames
from api.entities.schemas import BOX, BoxText, parse_box
from api.entities.selection import EntityFilter
from api.http.parameters import PageParameters
from api.sensors.models import SensorStatus


class SensorParameters(PageParameters):
    """Which sensors."""

    status: SensorStatus = Field(default="active", description="Present ones, or earlier ones.")
    parent: EntityIds = Field(default=[], description="Ids of areas; everything inside them.")
    type: EntityTypes = Field(default=[], description="Types of the observed entities, any of them.")
    property: PropertyNames = Field(default=[], description="Observed properties, any of them.")
    bbox: BoxText | None = Field(default=None, description=BOX)
    q: str | None = Field(
        default=None,
        max_length=200,
        description="Part of the id, the name of the entity, the owner, or a text in either language.",
    )

    def filter(self) -> EntityFilter:
        """Return the conditions on the entities that sensors observe."""
        return EntityFilter(
            types=frozenset(self.type),
            parents=frozenset(self.parent),
            bbox=parse_box(self.bbox) if self.bbox else None,
        )
