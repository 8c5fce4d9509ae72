"""The sensor register: everything about sensors in public space, nothing about one household."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from api.access.rights import PUBLIC, rights_of_role
from api.sensors.register import HOUSEHOLDS, active_sensors, retired_sensors, sensor_model
from storage.stores.retired_sensors import RetiredSensor
from tests.support.cities.city_builder import CityBuilder
from tests.unit.api.conftest import NOW
from twin.instant import DAY, MINUTE
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.role import Role
from twin.model.sensor_register import RegisterEntry, SensorRegister
from twin.privacy.cohort import CONNECTIONS_MIN

OPERATOR = {"Authorization": "Bearer sesame"}
REGISTER = SensorRegister(
    RegisterEntry(owner="City", contact="mailto:sensors@city.example", personal_data=False),
    {
        "air": RegisterEntry(
            device=BilingualText("Air meter", "Luchtmeter"),
            observes_not=BilingualText("No pictures", "Geen beeld"),
        ),
        "meter": RegisterEntry(owner="Households"),
    },
)


@pytest.fixture
def model(model: CityModel) -> CityModel:
    """The city with a register: an air meter with a radio address, and one that is removed in a week."""
    sensors = dict(model.sensors)
    sensors["aq-1"] = replace(
        sensors["aq-1"], device="eui-a8175", register=RegisterEntry(kind="air", since="2024-03-01")
    )
    sensors["aq-2"] = replace(sensors["aq-2"], register=RegisterEntry(kind="air", until="2026-11-23"))
    sensors["meter-1"] = replace(sensors["meter-1"], register=RegisterEntry(kind="meter", since="2020-01-01"))
    entities = dict(model.entities)
    return replace(
        model, city=replace(model.city, sensor_register=REGISTER), sensors=sensors, entities=entities
    )


async def ids(client: httpx.AsyncClient, **query: str) -> list[str]:
    """Return the ids of the entries that a query selects."""
    answer = await client.get("/v1/sensors", params=query)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["items"]]


async def test_a_sensor_is_described_without_its_address(client: httpx.AsyncClient) -> None:
    found = (await client.get("/v1/sensors/aq-1")).json()
    assert found["observesNot"] == {"en": "No pictures", "nl": "Geen beeld"}
    assert (found["owner"], found["contact"]) == ("City", "mailto:sensors@city.example")
    assert (found["personalData"], found["since"], found["until"]) == (False, "2024-03-01", None)
    assert found["properties"] == [
        {"property": "no2", "unit": "ug/m3", "interval": "PT10M"},
        {"property": "pm2_5", "unit": "ug/m3", "interval": "PT10M"},
    ]
    assert (found["entityId"], found["status"], found["count"]) == ("city.east.hill", "active", 1)
    assert found["device"] is None
    assert found["_links"]["datastreams"] == {"href": "/v1/datastreams?sensor=aq-1"}


async def test_staff_sees_the_address_of_a_device(client: httpx.AsyncClient) -> None:
    found = (await client.get("/v1/sensors/aq-1", headers=OPERATOR)).json()
    assert found["device"] == {"feed": "ttn", "address": "eui-a8175"}


@pytest.mark.parametrize("headers", [{}, OPERATOR])
async def test_households_are_one_entry_for_an_area(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.get("/v1/sensors", headers=headers)
    assert "meter-1" not in answer.text
    assert "2020-01-01" not in answer.text
    (entry,) = [each for each in answer.json()["items"] if each["id"].startswith(HOUSEHOLDS)]
    # The only meter of the district: how many there are would be about one household.
    assert (entry["id"], entry["count"], entry["device"]) == (f"{HOUSEHOLDS}city.west", None, None)
    assert (entry["owner"], entry["personalData"], entry["entityId"]) == ("Households", True, "city.west")
    assert [each["property"] for each in entry["properties"]] == ["power_import"]
    assert "datastreams" not in entry["_links"]
    assert (await client.get(f"/v1/sensors/{HOUSEHOLDS}city.west", headers=headers)).status_code == 200


async def test_the_meter_of_a_household_is_answered_as_one_that_is_unknown(client: httpx.AsyncClient) -> None:
    # There is no database, which has the retired ones.
    answers = [await client.get(f"/v1/sensors/{id}", headers=OPERATOR) for id in ("meter-1", "nowhere")]
    assert [each.status_code for each in answers] == [503, 503]


@pytest.mark.parametrize(("meters", "count"), [(CONNECTIONS_MIN - 1, None), (CONNECTIONS_MIN, 10)])
def test_enough_households_are_counted(meters: int, count: int | None) -> None:
    builder = CityBuilder("city", "City").entity("city", "Municipality").entity("city.house", "Building")
    for number in range(meters):
        builder.sensor(f"m-{number}", "city.house", "power_import", feed="dsmr", personal=True)
    model = builder.model()
    (entry,) = active_sensors(model, NOW)
    assert (entry.entity, sensor_model(entry, model, PUBLIC).count) == ("city", count)


async def test_sensors_are_selected(client: httpx.AsyncClient) -> None:
    assert await ids(client) == ["aq-1", f"{HOUSEHOLDS}city.west", "level-1"]
    assert await ids(client, parent="city.east") == ["aq-1"]
    assert await ids(client, type="Waterway,District") == [f"{HOUSEHOLDS}city.west", "level-1"]
    assert await ids(client, property="water_level") == ["level-1"]
    assert await ids(client, bbox="4.73,52.63,4.75,52.65") == ["level-1"]
    assert await ids(client, q="LUCHTMETER") == ["aq-1"]
    assert await ids(client, q="geen beeld") == ["aq-1"]
    assert await ids(client, q="nothing of this") == []


async def test_pages_follow_one_another(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/sensors?limit=2")).json()
    rest = (await client.get(first["_links"]["next"]["href"])).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == await ids(client)
    assert "next" not in rest["_links"]


async def test_the_register_is_geojson_for_who_asks(client: httpx.AsyncClient) -> None:
    headers = {"Accept": "application/geo+json"}
    found = (await client.get("/v1/sensors", headers=headers)).json()
    assert (found["type"], len(found["features"])) == ("FeatureCollection", 3)
    one = (await client.get("/v1/sensors/level-1", headers=headers)).json()
    assert (one["type"], one["id"], one["geometry"]["coordinates"]) == ("Feature", "level-1", [4.74, 52.64])
    assert one["properties"]["owner"] == "City"


def test_a_sensor_whose_last_day_is_over_is_retired(model: CityModel) -> None:
    states = {each.id: each.status for each in active_sensors(model, NOW)}
    assert (states["aq-1"], states["aq-2"]) == ("active", "retired")
    earlier = {each.id: each.status for each in active_sensors(model, NOW - DAY)}
    assert earlier["aq-2"] == "active"


@pytest.mark.parametrize(("role", "shown"), [("anonymous", False), ("viewer", True)])
def test_a_sensor_that_was_removed_has_the_days_of_its_datastreams(
    model: CityModel, role: Role, *, shown: bool
) -> None:
    found = RetiredSensor(
        id="old-1",
        feed="ttn",
        device="eui-0",
        entity="city.gone",
        interval=10 * MINUTE,
        register=RegisterEntry(kind="air"),
        properties=("pm2_5",),
        created=NOW - 400 * DAY,
        retired=NOW - DAY,
    )
    present = found._replace(id="aq-1")
    (entry,) = retired_sensors([found, present], model)
    sensor = sensor_model(entry, model, rights_of_role(role))
    assert (sensor.status, sensor.since, sensor.until) == ("retired", "2025-10-19", "2026-11-22")
    assert (sensor.entity_name, sensor.geometry) == (None, None)
    assert (sensor.device is not None) is shown
