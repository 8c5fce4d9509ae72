"""Adding one sensor to a city."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cities.extension import with_sensor
from cities.files.faults import CityError
from tests.support.cities.noise_city import noise_city
from twin.model.city_model import CityModel

ITEM = {
    "id": "town-air-1",
    "feed": "native",
    "entity": "town.street-0",
    "interval": "PT10M",
    "observes": [{"property": "pm2_5", "field": "pm2_5", "unit": "mg/m3"}],
}


@pytest.fixture
def model() -> CityModel:
    plan = noise_city(2)
    return replace(plan, entities=plan.entities).model(1)


def test_a_sensor_is_added_by_the_rules_of_the_folder(model: CityModel) -> None:
    plan = with_sensor(model, ITEM)
    assert {one.id for one in plan.sensors} == {*model.sensors, "town-air-1"}
    (added,) = [one for one in plan.datastreams if one.sensor == "town-air-1"]
    assert (added.property, added.entity, added.scale) == ("pm2_5", "town.street-0", 1000.0)


def test_every_fault_of_the_sensor_is_reported_at_once(model: CityModel) -> None:
    wrong = {**ITEM, "id": "town-noise-1", "entity": "town.nowhere", "interval": "soon"}
    with pytest.raises(CityError) as caught:
        with_sensor(model, wrong)
    text = "\n".join(f"{one.subject}: {one.message}" for one in caught.value.faults)
    assert "town.nowhere" in text
    assert "soon" in text
    assert {one.file for one in caught.value.faults} == {"sensors.yaml"}
