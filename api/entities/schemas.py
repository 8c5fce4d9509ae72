"""Query parameters of entities and datastreams."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from api.entities.geometry import Position
from api.entities.known_names import EntityIds, EntityTypes, PropertyNames, SensorIds
from api.entities.models import PropertyKind
from api.entities.selection import EntityFilter
from api.http.parameters import PageParameters, Themes, parsed_by, split_names
from cities.model.geometry import BoundingBox
from twin.state.freshness import Freshness

RADIUS_DEFAULT_M = 1_000.0
RADIUS_MAX_M = 100_000.0

_BOX_EXPECTED = "west,south,east,north in degrees, such as 4.70,52.60,4.80,52.67"


def parse_box(text: str) -> BoundingBox:
    """Return the box `west,south,east,north`; raise ValueError for anything else."""
    box = BoundingBox(*_numbers(text, 4, _BOX_EXPECTED))
    if not (-180 <= box.west <= box.east <= 180 and -90 <= box.south <= box.north <= 90):
        raise ValueError(
            "expected longitudes from -180 to 180, west at most east, and latitudes from -90 to 90, south at "
            "most north; a box over the 180th meridian is two requests"
        )
    return box


def clip_box(text: str) -> str:
    """Return a box cut at the poles and at the 180th meridian: no geometry is beyond them.

    Raises ValueError for anything but a box.

    >>> clip_box("-200,52.6,4.8,91")
    '-180,52.6,4.8,90'
    """
    limits = (180.0, 90.0, 180.0, 90.0)
    numbers = zip(_numbers(text, 4, _BOX_EXPECTED), limits, strict=True)
    return ",".join(f"{min(max(number, -limit), limit):.15g}" for number, limit in numbers)


def parse_position(text: str) -> Position:
    """Return the position `longitude,latitude`; raise ValueError for anything else."""
    longitude, latitude = _numbers(text, 2, "longitude,latitude in degrees, such as 4.75,52.63")
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise ValueError("expected a longitude from -180 to 180 and a latitude from -90 to 90")
    return longitude, latitude


def _numbers(text: str, count: int, expected: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    # The negated comparison refuses NaN as well.
    if len(numbers) != count or any(not abs(number) <= 360 for number in numbers):
        raise ValueError(f"expected {expected}")
    return numbers


BOX = "west,south,east,north in degrees (WGS 84): what shares a point with the box."
BoxText = Annotated[str, parsed_by(parse_box)]
PositionText = Annotated[str, parsed_by(parse_position)]


class EntityParameters(PageParameters):
    """Which entities."""

    type: EntityTypes = Field(default=[], description="Entity types, any of them.")
    parent: EntityIds = Field(default=[], description="Ids of areas; everything inside them.")
    theme: Themes = Field(default=[], description="Themes, any of them.")
    bbox: BoxText | None = Field(default=None, description=BOX)
    near: PositionText | None = Field(default=None, description="longitude,latitude; with `radius`.")
    radius: float | None = Field(
        default=None, gt=0, le=RADIUS_MAX_M, description="Metres around `near`; 1000 by default."
    )
    q: str | None = Field(default=None, max_length=200, description="Part of the id or the name.")
    freshness: Annotated[list[Freshness], BeforeValidator(split_names)] = Field(
        default=[], description="Freshness of the entity, which is that of its freshest value."
    )

    def filter(self) -> EntityFilter:
        """Return the conditions that the city model alone decides."""
        return EntityFilter(
            types=frozenset(self.type),
            parents=frozenset(self.parent),
            themes=frozenset(self.theme),
            bbox=parse_box(self.bbox) if self.bbox else None,
        )


class PropertyParameters(PageParameters):
    """Which properties."""

    kind: Annotated[list[PropertyKind], BeforeValidator(split_names)] = Field(
        default=[], description="Kinds, any of them."
    )
    theme: Themes = Field(default=[], description="Themes, any of them.")


class DatastreamParameters(PageParameters):
    """Which datastreams."""

    entity: EntityIds = Field(default=[], description="Ids of entities.")
    sensor: SensorIds = Field(default=[], description="Ids of sensors.")
    property: PropertyNames = Field(default=[], description="Observed properties.")
