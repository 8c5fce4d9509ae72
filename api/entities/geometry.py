"""GeoJSON geometries: bounding boxes, whether they intersect one, and distances to them.

Intersections are exact, on the plane of longitude and latitude, on which RFC 7946 draws straight lines.
Distances are computed on a plane that touches the earth at the given point. Within 10 km, and so within a
city, the error is a metre or two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeAlias

from cities.model.geometry import BoundingBox
from twin.model.entity import Geometry

Position: TypeAlias = tuple[float, float]
"""Longitude, latitude; degrees, WGS 84."""

# Mean earth radius of the IUGG (Moritz, Geodetic Reference System 1980, R1), in metres.
EARTH_RADIUS_M = 6_371_008.8

# Bounds of the error of `_side` in floating point, twice as large as needed. Relative: two differences, a
# product and the last difference are rounded by 2^-53 each. Absolute: of products that underflow.
SIDE_ERROR = 8 * 2.0**-53
SIDE_UNDERFLOW = 1e-300


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


def intersects(geometry: Geometry, box: BoundingBox) -> bool:
    """Whether a geometry and a box share a point; borders belong to both, holes to neither.

    >>> water = {"type": "LineString", "coordinates": [[4.0, 52.0], [5.0, 53.0]]}
    >>> intersects(water, BoundingBox(4.4, 52.4, 4.6, 52.6)), intersects(water, BoundingBox(4, 52.5, 4.4, 53))
    (True, False)
    """
    if geometry["type"] == "GeometryCollection":
        return any(intersects(part, box) for part in geometry["geometries"])
    extent = bounding_box(geometry)
    if extent is None or not extent.intersects(box):
        return False
    if any(_meets(path, box) for path in _paths(geometry)):
        return True
    # No border is in the box, so all of it is inside a polygon or none of it.
    corner = (box.west, box.south)
    return any(_covers(rings, corner) for rings in _polygons(geometry))


def _meets(path: Sequence[Any], box: BoundingBox) -> bool:
    """Whether a path, or a single position, shares a point with a box."""
    if any(box.contains(position[0], position[1]) for position in path):
        return True
    corners = [(x, y) for x in (box.west, box.east) for y in (box.south, box.north)]
    for start, end in pairwise(path):
        extent = BoundingBox(*map(min, start[:2], end[:2]), *map(max, start[:2], end[:2]))
        # Both ends are outside, so the segment crosses the box unless all of it is on one side of the line.
        if extent.intersects(box) and {_side(start, end, corner) for corner in corners} not in ({1}, {-1}):
            return True
    return False


def _polygons(geometry: Geometry) -> Sequence[Any]:
    """Return the polygons of a geometry, each a list of rings."""
    if geometry["type"] == "Polygon":
        return [geometry["coordinates"]]
    polygons: Sequence[Any] = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else ()
    return polygons


def _covers(rings: Iterable[Sequence[Any]], point: Position) -> bool:
    """Whether a polygon covers a point that is not on its border; one in a hole is inside two rings."""
    return sum(_encloses(ring, point) for ring in rings) % 2 == 1


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

    if any(_covers(rings, point) for rings in _polygons(geometry)):
        return 0.0
    paths = [[to_plane(position) for position in path] for path in _paths(geometry)]
    return min((_to_path(path) for path in paths), default=math.inf)


def _paths(geometry: Geometry) -> Iterator[list[Any]]:
    """Yield the lines and rings of a geometry; a point is a path of one position."""
    if geometry["type"] == "MultiPoint":
        yield from ([position] for position in geometry["coordinates"])
    else:
        yield from _nested_paths(geometry["coordinates"])


def _nested_paths(coordinates: Any) -> Iterator[list[Any]]:
    if coordinates and isinstance(coordinates[0], (int, float)):
        yield [coordinates]
    elif coordinates and isinstance(coordinates[0][0], (int, float)):
        yield coordinates
    else:
        for part in coordinates:
            yield from _nested_paths(part)


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


def _encloses(ring: Sequence[Any], point: Position) -> bool:
    """Whether a ring encloses a point: a ray to the east crosses it an odd number of times."""
    inside = False
    for start, end in pairwise(ring):
        rises = start[1] <= point[1] < end[1]
        if (rises or end[1] <= point[1] < start[1]) and _side(start, end, point) == (1 if rises else -1):
            inside = not inside
    return inside


def _side(start: Sequence[float], end: Sequence[float], point: Position) -> int:
    """Return 1 for a point on the left of the line through two positions, -1 on its right, 0 on it. Exact."""
    left = (end[0] - start[0]) * (point[1] - start[1])
    right = (end[1] - start[1]) * (point[0] - start[0])
    if abs(left - right) > SIDE_ERROR * (abs(left) + abs(right)) + SIDE_UNDERFLOW:
        return 1 if left > right else -1
    x, y, x1, y1, x2, y2 = map(Fraction, (*point, *start[:2], *end[:2]))
    exact = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    return (exact > 0) - (exact < 0)
