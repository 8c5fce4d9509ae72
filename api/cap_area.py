"""Areas of CAP: where an alarm is, as polygons or circles of latitude and longitude. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.entities.geometry import bounding_box, distance_m, positions
from twin.model.city_model import CityModel
from twin.model.entity import Geometry

# A point has no extent: what it tells is true of its surroundings, about a city block.
POINT_RADIUS_KM = 0.1

# 0.1 m.
DECIMALS = 6


def cap_polygons(geometry: Geometry) -> list[str]:
    """Return the outer rings of a geometry: `lat,lon` pairs, the last the same as the first.

    >>> cap_polygons({"type": "Polygon", "coordinates": [[[4.7, 52.6], [4.8, 52.6], [4.8, 52.7]]]})
    ['52.6,4.7 52.6,4.8 52.7,4.8 52.6,4.7']
    """
    return [_polygon(ring) for ring in _rings(geometry) if len(ring) >= 3]


def cap_circle(geometry: Geometry) -> str | None:
    """Return the circle around a geometry that has no polygon: `lat,lon radius`, in kilometres.

    >>> cap_circle({"type": "Point", "coordinates": [4.75, 52.63]})
    '52.63,4.75 0.1'
    """
    box = bounding_box(geometry)
    if box is None:
        return None
    centre = (box.west + box.east) / 2, (box.south + box.north) / 2
    farthest = max(
        distance_m({"type": "Point", "coordinates": list(one)}, centre) for one in positions(geometry)
    )
    return f"{_pair(centre)} {max(POINT_RADIUS_KM, round(farthest / 1000, 3)):g}"


def area_geometry(entity: str, model: CityModel) -> Geometry | None:
    """Return the geometry of an entity, or of the nearest area that has one."""
    found = model.entities.get(entity)
    seen: set[str] = set()
    while found is not None and found.geometry is None and found.id not in seen:
        seen.add(found.id)
        found = model.entities.get(found.parent) if found.parent is not None else None
    return found.geometry if found is not None else None


def _rings(geometry: Geometry) -> Iterator[Any]:
    for part in geometry.get("geometries", ()):
        yield from _rings(part)
    if geometry["type"] == "Polygon":
        yield from geometry["coordinates"][:1]
    elif geometry["type"] == "MultiPolygon":
        yield from (one[0] for one in geometry["coordinates"] if one)


def _polygon(ring: Any) -> str:
    pairs = [_pair(one) for one in ring]
    return " ".join(pairs if pairs[0] == pairs[-1] else [*pairs, pairs[0]])


def _pair(position: Any) -> str:
    longitude, latitude = position[0], position[1]
    return f"{round(latitude, DECIMALS):.10g},{round(longitude, DECIMALS):.10g}"
