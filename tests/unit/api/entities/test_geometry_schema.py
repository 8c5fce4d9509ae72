"""The schema of a geometry takes what a city's model may have, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from api.entities.models import Geometry
from cities.model.geometry import POSITION_DEPTHS, geometry_faults

VALIDATOR = Draft202012Validator(msgspec.json.schema(Geometry))
RING = [[4.7, 52.6], [4.8, 52.6], [4.8, 52.7], [4.7, 52.6]]


def geometry_of(kind: str) -> dict[str, Any]:
    coordinates: Any = {"Point": RING[0], "MultiPoint": RING, "LineString": RING}.get(kind, [RING])
    return {"type": kind, "coordinates": [coordinates] if kind == "MultiPolygon" else coordinates}


@pytest.mark.parametrize("kind", POSITION_DEPTHS)
def test_positions_are_as_deep_as_the_type_says(kind: str) -> None:
    geometry = geometry_of(kind)
    assert list(geometry_faults(geometry)) == []
    assert VALIDATOR.is_valid(geometry)
    assert not VALIDATOR.is_valid({**geometry, "coordinates": [geometry["coordinates"]]})
    assert not VALIDATOR.is_valid({"type": kind})


def test_collections_may_nest() -> None:
    inner = {"type": "GeometryCollection", "geometries": [geometry_of("Point")]}
    outer = {"type": "GeometryCollection", "geometries": [inner, geometry_of("MultiPolygon")]}
    assert list(geometry_faults(outer)) == []
    assert VALIDATOR.is_valid(outer)
    assert not VALIDATOR.is_valid({"type": "GeometryCollection", "geometries": [{"type": "Circle"}]})
