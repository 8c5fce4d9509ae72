"""A box selects exactly the geometries that share a point with it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.entities.geometry import intersects
from cities.model.geometry import BoundingBox

NUMBERS = st.integers(-6, 6)
POSITIONS = st.tuples(NUMBERS, NUMBERS).map(list)
LINES = st.lists(POSITIONS, min_size=2, max_size=6)
RINGS = st.lists(POSITIONS, min_size=3, max_size=6).map(lambda ring: [*ring, ring[0]])
SPANS = st.tuples(NUMBERS, NUMBERS).map(sorted) | NUMBERS.map(lambda number: [number, number])
BOXES = st.builds(lambda x, y: BoundingBox(x[0], y[0], x[1], y[1]), SPANS, SPANS)


def geometry(kind: str, coordinates: Any) -> dict[str, Any]:
    return {"type": kind, "coordinates": coordinates}


GEOMETRIES = st.one_of(
    st.builds(geometry, st.just("Point"), POSITIONS),
    st.builds(geometry, st.just("MultiPoint"), st.lists(POSITIONS, min_size=1, max_size=4)),
    st.builds(geometry, st.just("LineString"), LINES),
    st.builds(geometry, st.just("MultiLineString"), st.lists(LINES, min_size=1, max_size=3)),
    st.builds(geometry, st.just("Polygon"), st.lists(RINGS, min_size=1, max_size=3)),
    st.builds(
        geometry,
        st.just("MultiPolygon"),
        st.lists(st.lists(RINGS, min_size=1, max_size=2), min_size=1, max_size=2),
    ),
)
COLLECTIONS = st.lists(GEOMETRIES, max_size=3).map(
    lambda parts: {"type": "GeometryCollection", "geometries": parts}
)


def turn(a: Any, b: Any, c: Any) -> int:
    return int((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def is_on(point: Any, a: Any, b: Any) -> bool:
    between = all(min(a[i], b[i]) <= point[i] <= max(a[i], b[i]) for i in (0, 1))
    return between and turn(a, b, point) == 0


def cross(a: Any, b: Any, c: Any, d: Any) -> bool:
    """Whether two segments of whole numbers share a point."""
    if is_on(a, c, d) or is_on(b, c, d) or is_on(c, a, b) or is_on(d, a, b):
        return True
    return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0


def paths_of(kind: str, coordinates: Any) -> Iterator[Any]:
    """Yield the paths of a geometry; a point is a path of one position."""
    match kind:
        case "Point":
            yield [coordinates]
        case "MultiPoint":
            yield from ([position] for position in coordinates)
        case "LineString":
            yield coordinates
        case "MultiLineString" | "Polygon":
            yield from coordinates
        case _:
            for polygon in coordinates:
                yield from polygon


def is_inside(rings: Any, point: Any) -> bool:
    """Whether a point that is on no ring is inside an odd number of them.

    A ray goes just above the points of the grid, so that it meets no end of a segment: coordinates are
    multiplied by 1,000, the slope is one in 100, and no segment is that flat.
    """
    far = (point[0] + 100, point[1] + 1)
    scaled = [[(1_000 * x, 1_000 * y) for x, y in ring] for ring in rings]
    a = (1_000 * point[0], 1_000 * point[1])
    b = (1_000 * far[0], 1_000 * far[1])
    return sum(cross(a, b, start, end) for ring in scaled for start, end in pairwise(ring)) % 2 == 1


def expected(shape: dict[str, Any], box: BoundingBox) -> bool:
    """Whether they share a point, by every pair of segments; for whole numbers of this size only."""
    corners = [
        (box.west, box.south),
        (box.east, box.south),
        (box.east, box.north),
        (box.west, box.north),
        (box.west, box.south),
    ]
    kind, coordinates = shape["type"], shape["coordinates"]
    for path in paths_of(kind, coordinates):
        if any(box.contains(*position) for position in path):
            return True
        if any(cross(*one, *other) for one in pairwise(path) for other in pairwise(corners)):
            return True
    polygons = {"Polygon": [coordinates], "MultiPolygon": coordinates}.get(kind, [])
    return any(is_inside(rings, corners[0]) for rings in polygons)


@given(GEOMETRIES, BOXES)
def test_a_box_selects_what_shares_a_point_with_it(shape: dict[str, Any], box: BoundingBox) -> None:
    assert intersects(shape, box) == expected(shape, box)


@given(COLLECTIONS, BOXES)
def test_a_collection_is_selected_with_any_of_its_parts(shape: dict[str, Any], box: BoundingBox) -> None:
    assert intersects(shape, box) == any(intersects(part, box) for part in shape["geometries"])


DEGREES = st.floats(-170, 170, allow_subnormal=True)
CORNERS = st.tuples(DEGREES, DEGREES).map(sorted)


@given(
    st.lists(st.lists(st.tuples(DEGREES, DEGREES), min_size=3, max_size=5), min_size=1, max_size=2),
    CORNERS,
    CORNERS,
    st.floats(0, 1),
)
def test_what_a_box_selects_one_of_its_halves_selects(
    rings: list[list[tuple[float, float]]], x: list[float], y: list[float], share: float
) -> None:
    shape = geometry("Polygon", [[*ring, ring[0]] for ring in rings])
    middle = min(max(x[0] + share * (x[1] - x[0]), x[0]), x[1])
    halves = [BoundingBox(x[0], y[0], middle, y[1]), BoundingBox(middle, y[0], x[1], y[1])]
    whole = BoundingBox(x[0], y[0], x[1], y[1])
    assert intersects(shape, whole) == any(intersects(shape, half) for half in halves)


SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]
HOLE = [[3, 3], [6, 3], [6, 6], [3, 6], [3, 3]]
RIVER = geometry("LineString", [[0, 0], [9, 9]])
LAKE = geometry("Polygon", [SQUARE, HOLE])


@pytest.mark.parametrize(
    ("shape", "box", "selected"),
    [
        (LAKE, (1, 1, 2, 2), True),  # the box inside the polygon
        (LAKE, (-1, -1, 10, 10), True),  # the polygon inside the box
        (LAKE, (4, 4, 5, 5), False),  # the box inside the hole
        (LAKE, (3, 3, 6, 6), True),  # the border of the hole
        (LAKE, (5, 4, 7, 5), True),  # over the border of the hole
        (LAKE, (9, 2, 12, 3), True),  # a common edge
        (LAKE, (9, 9, 12, 12), True),  # a common corner
        (LAKE, (9.1, 9, 12, 12), False),
        (RIVER, (4, 4.5, 5, 6), True),  # a line without a vertex in the box
        (RIVER, (5, 0, 9, 4), False),  # in the envelope of the line alone
        (RIVER, (4, 4, 4, 4), True),  # a box of a point, on the line
        (RIVER, (5, 2, 5, 4), False),
        (geometry("MultiPoint", [[0, 0], [9, 9]]), (4, 4, 5, 5), False),  # two points are no line
        (geometry("Point", [4.7, 52.6, 1.5]), (4.7, 52.6, 5, 53), True),  # with a height
        (
            geometry("MultiPolygon", [[SQUARE], [[[20, 0], [22, 0], [20, 2], [20, 0]]]]),
            (21.5, 1.5, 23, 3),
            False,
        ),
        ({"type": "GeometryCollection", "geometries": []}, (0, 0, 9, 9), False),
    ],
)
def test_a_box_is_compared_with_the_geometry_and_not_with_its_envelope(
    shape: dict[str, Any], box: tuple[float, float, float, float], selected: bool
) -> None:
    assert intersects(shape, BoundingBox(*box)) is selected


def test_a_position_that_floating_point_puts_on_the_wrong_side_is_compared_exactly() -> None:
    """In floating point the cross product is 0, as if the second position were on the line."""
    line = geometry("LineString", [[-12.0, -12.0], [12.0, 12.0]])
    near = 0.5 + 2.0**-53
    assert near > 0.5
    assert intersects(line, BoundingBox(0.5, 0.5, 0.5, 0.5))
    assert not intersects(line, BoundingBox(0.5, near, 0.5, near))
