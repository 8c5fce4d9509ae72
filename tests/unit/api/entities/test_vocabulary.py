"""What may be asked for: properties, types of entities, and single datastreams."""

from __future__ import annotations

from typing import Any, get_args

import httpx
import pytest

from api.access.rights import rights_of_role
from api.context import ApiContext
from api.entities.datastream_routes import lookup_datastream
from api.http.problems import ProblemError
from twin.model.names import all_value_names
from twin.model.role import Role

METER = 5  # the datastream of `meter-1` on `city.house`


async def all_pages(client: httpx.AsyncClient, url: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    while url:
        page = (await client.get(url)).json()
        items += page["items"]
        url = page["_links"].get("next", {}).get("href", "")
    return items


async def test_every_name_that_can_have_a_value_is_listed_once(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    listed = [each["name"] for each in await all_pages(client, "/v1/properties?limit=7")]
    assert listed == sorted({name.name for name in all_value_names(parts.model)})


@pytest.mark.parametrize(
    ("query", "expected", "left_out"),
    [
        ("kind=indicator", "lki", "pm2_5"),
        ("kind=roll-up,observed", "area_pm2_5", "lki"),
        ("theme=water", "water_level", "pm2_5"),
        ("kind=observed&theme=environment", "pm2_5", "area_pm2_5"),
    ],
)
async def test_properties_are_filtered(
    client: httpx.AsyncClient, query: str, expected: str, left_out: str
) -> None:
    names = {each["name"] for each in await all_pages(client, f"/v1/properties?{query}")}
    assert expected in names
    assert left_out not in names


async def test_each_kind_of_property_has_its_own_members(client: httpx.AsyncClient) -> None:
    observed = (await client.get("/v1/properties/pm2_5")).json()
    assert observed == {
        "name": "pm2_5",
        "kind": "observed",
        "unit": "ug/m3",
        "theme": "environment",
        "aggregation": "mean",
        "rollUp": "mean",
        "combination": "mean",
        "minimum": -100.0,
        "maximum": 5_000.0,
        "_links": {
            "self": {"href": "/v1/properties/pm2_5"},
            "datastreams": {"href": "/v1/datastreams?property=pm2_5"},
        },
    }
    rolled_up = (await client.get("/v1/properties/area_pm2_5")).json()
    assert (rolled_up["kind"], rolled_up["rollUp"]) == ("roll-up", "none")
    assert rolled_up["_links"]["base"] == {"href": "/v1/properties/pm2_5"}
    indicator = (await client.get("/v1/properties/lki")).json()
    assert indicator["title"] == {"en": "Dutch air-quality index", "nl": "Luchtkwaliteitsindex (LKI)"}
    assert "minimum" not in indicator


async def test_links_of_properties_and_datastreams_lead_somewhere(client: httpx.AsyncClient) -> None:
    for url in ("/v1/properties?theme=environment", "/v1/datastreams", "/v1/entity-types"):
        for item in await all_pages(client, url):
            for name, link in item["_links"].items():
                # Readings come from the database, which is away.
                expected = 503 if name == "observations" else 200
                assert (await client.get(link["href"])).status_code == expected, link


async def test_types_of_entities_are_counted(client: httpx.AsyncClient) -> None:
    listed = await all_pages(client, "/v1/entity-types")
    found = [(each["name"], each["area"], each["count"]) for each in listed]
    assert found == [
        ("District", True, 2),
        ("Municipality", True, 1),
        ("Neighbourhood", True, 1),
        ("TransformerArea", False, 1),
        ("Waterway", False, 1),
    ]


async def test_a_datastream_is_as_it_is_listed(client: httpx.AsyncClient) -> None:
    (listed,) = [each for each in await all_pages(client, "/v1/datastreams") if each["id"] == 1]
    assert (await client.get("/v1/datastreams/1")).json() == listed
    assert listed["_links"]["self"] == {"href": "/v1/datastreams/1"}


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/v1/properties/joy", 404, "There is no property 'joy'; /v1/properties lists them."),
        ("/v1/properties/area_wind_direction", 404, "There is no property"),
        ("/v1/properties?kind=derived", 400, "1 fault"),
        ("/v1/properties?cursor=%21", 400, "1 fault"),
        ("/v1/entity-types?limit=1", 400, "1 fault"),
        ("/v1/datastreams/99", 404, "There is no datastream 99"),
        ("/v1/datastreams/many", 400, "1 fault"),
        (f"/v1/datastreams/{METER}", 403, "role metering"),
    ],
)
async def test_what_does_not_exist_or_is_personal_is_refused(
    client: httpx.AsyncClient, path: str, status: int, detail: str
) -> None:
    response = await client.get(path)
    assert response.status_code == status
    assert detail in response.json()["detail"]


@pytest.mark.parametrize("role", get_args(Role))
def test_only_the_role_metering_sees_the_datastream_of_a_household(parts: ApiContext, role: Role) -> None:
    if role == "metering":
        assert lookup_datastream(parts.model, METER, rights_of_role(role)).sensor == "meter-1"
        return
    with pytest.raises(ProblemError, match="personal data"):
        lookup_datastream(parts.model, METER, rights_of_role(role))
