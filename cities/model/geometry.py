"""GeoJSON geometries (RFC 7946): checks of types, nesting, closed rings and coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cities.files.faults import describe_value

# The depth of positions in the `coordinates` of each type.
POSITION_DEPTHS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
GEOMETRY_TYPES = (*POSITION_DEPTHS, "GeometryCollection")

# Positions of one geometry; the most detailed outline of a Dutch province has fewer.
POSITIONS_MAX = 100_000


class BoundingBox(NamedTuple):
    """Longitudes and latitudes in degrees, all inclusive."""

    west: float
    south: float
    east: float
    north: float

    def contains(self, longitude: float, latitude: float) -> bool:
        """Whether a position lies in the box."""
        return self.west <= longitude <= self.east and self.south <= latitude <= self.north

    def intersects(self, other: BoundingBox) -> bool:
        """Whether the two boxes share a point.

        >>> (BoundingBox(4, 52, 5, 53).intersects(BoundingBox(5, 53, 6, 54)),
        ...  BoundingBox(4, 52, 5, 53).intersects(BoundingBox(6, 52, 7, 53)))
        (True, False)
        """
        return (
            self.west <= other.east
            and other.west <= self.east
            and self.south <= other.north
            and other.south <= self.north
        )


_EARTH = BoundingBox(-180.0, -90.0, 180.0, 90.0)

# The mainland of the Netherlands with its sea. With swapped coordinates it is open sea off Somalia.
NETHERLANDS = BoundingBox(2.5, 50.6, 7.4, 55.8)


class GeometryFault(NamedTuple):
    """The cause of a fault, and its place in the geometry."""

    location: tuple[str | int, ...]
    message: str


def geometry_faults(geometry: Any, home: BoundingBox | None = None) -> Iterator[GeometryFault]:
    """Yield the faults of a geometry; at most one for each list of positions.

    With a `home`, a position that lies in it only with swapped coordinates is a fault, too.
    """
    if not isinstance(geometry, dict):
        yield GeometryFault((), f"found {describe_value(geometry)}, expected a GeoJSON geometry")
        return
    kind = geometry.get("type")
    if not isinstance(kind, str) or kind not in GEOMETRY_TYPES:
        yield GeometryFault(
            ("type",), f"found {describe_value(kind)}, expected one of {', '.join(GEOMETRY_TYPES)}"
        )
        return
    member = "geometries" if kind == "GeometryCollection" else "coordinates"
    for key in geometry:
        if key not in ("type", member):
            yield GeometryFault((key,), f"unknown key: expected only type and {member}")
    if member not in geometry:
        yield GeometryFault((), f"key {member!r} is missing")
    elif kind == "GeometryCollection":
        yield from _collection_faults(geometry["geometries"], home)
    else:
        yield from _nested_faults(
            kind, geometry["coordinates"], POSITION_DEPTHS[kind], ("coordinates",), home
        )


def _collection_faults(geometries: Any, home: BoundingBox | None) -> Iterator[GeometryFault]:
    if not isinstance(geometries, list):
        yield GeometryFault(
            ("geometries",), f"found {describe_value(geometries)}, expected a list of geometries"
        )
        return
    for index, geometry in enumerate(geometries):
        for fault in geometry_faults(geometry, home):
            yield GeometryFault(("geometries", index, *fault.location), fault.message)


def _nested_faults(
    kind: str, value: Any, depth: int, location: tuple[str | int, ...], home: BoundingBox | None
) -> Iterator[GeometryFault]:
    if depth == 0:
        message = _position_fault(value, home)
        if message:
            yield GeometryFault(location, message)
        return
    if not isinstance(value, list) or not value:
        yield GeometryFault(location, f"found {describe_value(value)}, expected a list that is not empty")
        return
    if depth > 1:
        for index, nested in enumerate(value):
            yield from _nested_faults(kind, nested, depth - 1, (*location, index), home)
        return
    if len(value) > POSITIONS_MAX:
        yield GeometryFault(location, f"found {len(value)} positions, expected at most {POSITIONS_MAX}")
        return
    for index, position in enumerate(value):
        message = _position_fault(position, home)
        if message:
            yield GeometryFault((*location, index), message)
            return
    message = _line_fault(kind, value)
    if message:
        yield GeometryFault(location, message)


def _line_fault(kind: str, positions: list[Any]) -> str | None:
    if kind.endswith("Polygon"):
        if len(positions) < 4:
            return f"found a ring of {len(positions)} positions, expected at least 4, the last as the first"
        if positions[0] != positions[-1]:
            return f"ring is not closed: found the last position {positions[-1]}, expected {positions[0]}"
    elif kind.endswith("LineString") and len(positions) < 2:
        return f"found a line of {len(positions)} position, expected at least 2"
    return None


def _position_fault(position: Any, home: BoundingBox | None) -> str | None:
    if (
        not isinstance(position, list)
        or len(position) not in (2, 3)
        or any(isinstance(one, bool) or not isinstance(one, int | float) for one in position)
    ):
        shown = position if isinstance(position, list) and len(position) <= 4 else describe_value(position)
        return f"found {shown}, expected a position [longitude, latitude] in degrees"
    longitude, latitude = position[0], position[1]
    if not _EARTH.contains(longitude, latitude):
        return f"found {position}, expected longitude -180 to 180, then latitude -90 to 90"
    if home is not None and not home.contains(longitude, latitude) and home.contains(latitude, longitude):
        return f"found {position}, expected longitude before latitude: [{latitude}, {longitude}]"
    return None
