"""Bounding boxes of GeoJSON geometries, and distances to them.

Distances are computed on a plane that touches the earth at the given point. Within 10 km, and so within a
city, the error is a metre or two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeAlias

from cities.model.geometry import BoundingBox
from twin.model.entity import Geometry

Position: TypeAlias = tuple[float, float]
"""Longitude, latitude; degrees, WGS 84."""

# Mean earth radius of the IUGG (Moritz, Geodetic Reference System 1980, R1), in metres.
EARTH_RADIUS_M = 6_371_008.8


def positions(geometry: Geometry) -> Iterator[Position]:
    """Yield every position of a geometry."""
    for part in geometry.get("geometries", ()):
        yield from positions(part)
    yield from _flat(geometry.get("coordinates", ()))


def _flat(coordinates: Any) -> Iterator[Position]:
    if coordinates and isinstance(coordinates[0], (int, float)):
        yield float(coordinates[0]), float(coordinates[1])
        return
    for part in coordinates:
        yield from _flat(part)


def bounding_box(geometry: Geometry) -> BoundingBox | None:
    """Return the smallest box around a geometry, or None when it is empty."""
    all_positions = list(positions(geometry))
    if not all_positions:
        return None
    longitudes = [position[0] for position in all_positions]
    latitudes = [position[1] for position in all_positions]
    return BoundingBox(min(longitudes), min(latitudes), max(longitudes), max(latitudes))


def distance_m(geometry: Geometry, point: Position) -> float:
    """Return the metres from a point to the nearest part of a geometry; 0 inside a polygon.

    >>> round(distance_m({"type": "Point", "coordinates": [4.75, 52.64]}, (4.75, 52.63)))
    1112
    """
    if geometry["type"] == "GeometryCollection":
        return min((distance_m(part, point) for part in geometry["geometries"]), default=math.inf)
    east = math.cos(math.radians(point[1]))

    def to_plane(position: Any) -> Position:
        return (
            math.radians(position[0] - point[0]) * EARTH_RADIUS_M * east,
            math.radians(position[1] - point[1]) * EARTH_RADIUS_M,
        )

    polygons: list[Any] = []
    if geometry["type"] == "Polygon":
        polygons = [geometry["coordinates"]]
    elif geometry["type"] == "MultiPolygon":
        polygons = geometry["coordinates"]
    for rings in polygons:
        # A point in a hole is inside two rings.
        if sum(_encloses([to_plane(position) for position in ring]) for ring in rings) % 2:
            return 0.0
    paths = [[to_plane(position) for position in path] for path in _paths(geometry["coordinates"])]
    return min((_to_path(path) for path in paths), default=math.inf)


def _paths(coordinates: Any) -> Iterator[list[Any]]:
    if coordinates and isinstance(coordinates[0], (int, float)):
        yield [coordinates]
    elif coordinates and isinstance(coordinates[0][0], (int, float)):
        yield coordinates
    else:
        for part in coordinates:
            yield from _paths(part)


def _to_path(path: list[Position]) -> float:
    """Return the distance from the origin to a path."""
    nearest = min(math.hypot(*position) for position in path)
    for (x1, y1), (x2, y2) in pairwise(path):
        dx, dy = x2 - x1, y2 - y1
        squared = dx * dx + dy * dy
        if squared:
            along = min(1.0, max(0.0, -(x1 * dx + y1 * dy) / squared))
            nearest = min(nearest, math.hypot(x1 + along * dx, y1 + along * dy))
    return nearest


def _encloses(ring: list[Position]) -> bool:
    """Whether a ring encloses the origin: a ray to the east crosses it an odd number of times."""
    inside = False
    for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
        if (y1 > 0) != (y2 > 0) and x1 - y1 * (x2 - x1) / (y2 - y1) > 0:
            inside = not inside
    return inside
