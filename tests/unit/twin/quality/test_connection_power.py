"""The power that a household's meter reports is bounded by its connection."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.cities.city_builder import CityBuilder
from tests.support.pipelines.intake import make_intake, make_message

METER_TOPIC = "livetwin/town/meter-1/observations"


def reported(
    power: float, property: str = "power_import", *, personal: bool = True, **attributes: Any
) -> str:
    """Return why a power is refused, or an empty text."""
    city = (
        CityBuilder()
        .entity("town.transformer", "TransformerArea", attributes=attributes)
        .sensor("meter-1", "town.transformer", property, personal=personal)
        .model()
    )
    payload = json.dumps({"time": "2026-11-23T11:59:58Z", "values": {property: power}}).encode()
    taken = make_intake(city).process(make_message(payload, METER_TOPIC), 0)
    assert bool(taken.observations) == (taken.quarantined is None)
    return taken.quarantined.detail if taken.quarantined is not None else ""


@pytest.mark.parametrize("property", ["power_import", "power_export"])
def test_a_meter_cannot_report_more_than_its_connection_can_take(property: str) -> None:
    assert reported(60.0, property) == ""
    assert reported(99_999.999, property) == f"{property} is 100000 kW, expected 0 to 60.72"
    assert reported(18.9, property, connectionPower={"kW": 19}) == ""
    assert reported(19.1, property, connectionPower={"kW": 19}) == f"{property} is 19.1 kW, expected 0 to 19"


def test_other_sensors_of_the_entity_are_not_bounded_by_one_connection() -> None:
    assert reported(250.0, personal=False, connectionPower={"kW": 19}) == ""


@pytest.mark.parametrize("given", [0, -1, "19", True, {"kVA": 3}, float("nan"), None])
def test_an_unusable_attribute_leaves_the_default(given: object) -> None:
    assert reported(60.0, connectionPower=given) == ""
    assert reported(61.0, connectionPower=given).endswith("expected 0 to 60.72")
