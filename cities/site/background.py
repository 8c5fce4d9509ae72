"""background.geojson: what the map shows below the data, such as water, roads and buildings.

A FeatureCollection (RFC 7946) whose features have a `kind`, and perhaps a `name` and a `class`, by which the
page chooses how to draw them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cities.files.faults import describe_value
from cities.files.items import suggestion
from cities.model.geometry import BoundingBox, geometry_faults
from twin.model.plain_text import control_character
from twin.wire.json_nesting import JsonNestingError, check_json_nesting

BACKGROUND_BYTES_MAX = 1024 * 1024
FEATURES_MAX = 20_000
NAME_CHARACTERS_MAX = 200
FAULTS_MAX = 100
"""A file of a program that swaps coordinates has one in each feature: the first ones are enough."""

KINDS = ("land", "dune", "built", "green", "building", "water", "canal", "ditch", "rail", "road", "label")
"""What a feature can be, in the order in which the page draws them."""

CLASSES = ("motorway", "main", "street", "path", "park", "nature", "station", "place", "water")
"""What a feature can be more exactly."""

_MEMBERS = ("kind", "class", "name")


def background_faults(content: bytes, home: BoundingBox | None) -> Iterator[str]:
    """Yield the first faults of a file; `home` as in `cities.model.geometry.geometry_faults`."""
    if len(content) > BACKGROUND_BYTES_MAX:
        yield f"found {len(content)} bytes, expected at most {BACKGROUND_BYTES_MAX}"
        return
    try:
        check_json_nesting(content)
        document = json.loads(content, parse_constant=_refuse_constant)
    except (JsonNestingError, ValueError) as error:  # also of UTF-8
        yield f"is no JSON: {error}"
        return
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        yield "expected a GeoJSON FeatureCollection"
        return
    if len(features) > FEATURES_MAX:
        yield f"found {len(features)} features, expected at most {FEATURES_MAX}"
        return
    found = (
        f"features[{index}]: {message}"
        for index, feature in enumerate(features)
        for message in _feature_faults(feature, home)
    )
    for number, message in enumerate(found):
        if number == FAULTS_MAX:
            yield "further faults are left out"
            return
        yield message


def _feature_faults(feature: Any, home: BoundingBox | None) -> Iterator[str]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        yield f"found {describe_value(feature)}, expected a Feature"
        return
    for fault in geometry_faults(feature.get("geometry"), home):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in fault.location)
        yield f"geometry{place}: {fault.message}"
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        yield f"properties: found {describe_value(properties)}, expected a mapping"
        return
    for key in properties:
        if key not in _MEMBERS:
            yield f"properties: unknown key{suggestion(str(key), _MEMBERS)}: expected {', '.join(_MEMBERS)}"
    for key, known in (("kind", KINDS), ("class", CLASSES)):
        value = properties.get(key)
        if value not in known and not (key == "class" and value is None):
            yield f"properties.{key}: found {describe_value(value)}, expected one of {', '.join(known)}"
    name = properties.get("name", "")
    if not isinstance(name, str) or len(name) > NAME_CHARACTERS_MAX or control_character(name):
        yield (
            f"properties.name: found {describe_value(name)}, expected one line of at most "
            f"{NAME_CHARACTERS_MAX} characters"
        )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"found {name}, expected a finite number")
