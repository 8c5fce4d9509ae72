"""A filter that names what the city does not have is refused, with the nearest name that it has."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.access.principal import Principal
from api.access.rights import PUBLIC
from api.context import ApiContext
from api.entities.known_names import COMPARED_MAX, SUGGESTIONS_MAX, KnownNames
from api.live.alarm_view import AlarmView
from api.live.schemas import LiveFilter
from tests.support.cities.city_builder import CityBuilder
from twin.model.city_model import CityModel
from twin.model.role import Role

OPERATOR = {"Authorization": "Bearer sesame"}


@pytest.mark.parametrize(
    ("query", "parameter", "hints"),
    [
        ("/v1/live?property=pm25", "property", ["did you mean pm2_5 or"]),
        ("/v1/live?type=Neighborhood", "type", ["did you mean Neighbourhood?", "Municipality", "Waterway"]),
        ("/v1/live?entity=city.canals", "entity", ["did you mean city.canal", "/v1/entities lists them"]),
        ("/v1/live?parent=City", "parent", ["did you mean city"]),
        ("/v1/live?theme=watr", "theme", ["'water'"]),
        ("/v1/live?prope=pm2_5", "prope", ["did you mean 'property'?"]),
        ("/v1/live?property=", "property", ["omit it for all"]),
        ("/v1/entities?type=nothing", "type", ["District"]),
        ("/v1/entities?parent=nowhere", "parent", ["/v1/entities"]),
        ("/v1/datastreams?entity=nowhere", "entity", ["/v1/entities"]),
        ("/v1/datastreams?property=lki", "property", ["pm2_5"]),
        ("/v1/datastreams?sensor=aq-9", "sensor", ["did you mean aq-"]),
        ("/v1/alarms?type=Canal", "type", ["Waterway"]),
        ("/v1/alarms?entity=nowhere", "entity", ["/v1/entities"]),
        ("/v1/alarms?parent=nowhere", "parent", ["/v1/entities"]),
        ("/v1/alarms?rule=nothing", "rule", ["/v1/rules lists them"]),
        ("/v1/alarms?cause=nothing", "cause", ["/v1/rules"]),
        ("/v1/alarms?severity=worst", "severity", ["'critical'"]),
        ("/v1/alarms?state=calm", "state", ["'normal'"]),
        ("/v1/alarms/cap?parent=nowhere", "parent", ["/v1/entities"]),
        ("/v1/rules?theme=", "theme", ["omit it for all"]),
        ("/v1/rules?theme=%20,", "theme", ["omit it for all"]),
        ("/v1/incidents?severity=", "severity", ["omit it for all"]),
        ("/v1/quarantine?reason=malformd", "reason", ["'malformed'"]),
        ("/v1/entities/city.canal/history?property=water_levels", "property", ["did you mean water_level"]),
        ("/v1/entities/city.canal/provenance?property=water_levels", "property", ["water_level"]),
    ],
)
async def test_an_unknown_name_is_a_fault_that_says_what_is_known(
    client: httpx.AsyncClient, query: str, parameter: str, hints: list[str]
) -> None:
    response = await client.get(query)
    assert response.status_code == 400
    [fault] = response.json()["errors"]
    assert (fault["in"], fault["name"].partition(".")[0]) == ("query", parameter)
    for hint in hints:
        assert hint in fault["detail"]


async def test_an_unknown_name_shows_itself_and_comes_with_the_other_faults(
    client: httpx.AsyncClient,
) -> None:
    query = "/v1/live?property=pm2_5,pm25&type=Neighborhood&bbox=1&prope=x"
    faults = {one["name"]: one for one in (await client.get(query)).json()["errors"]}
    assert set(faults) == {"property.1", "type.0", "bbox", "prope"}
    assert "found 'pm25'" in faults["property.1"]["detail"]
    assert faults["property.1"]["code"] == "unknown"


async def test_a_webhook_with_an_unknown_name_is_refused(client: httpx.AsyncClient) -> None:
    body = {"url": "nothing", "mode": "one", "filter": {"entity": ["city.canal", "city.canl"], "theme": []}}
    response = await client.post("/v1/subscriptions", json=body, headers=OPERATOR)
    assert response.status_code == 400
    faults = {one["name"]: one["detail"] for one in response.json()["errors"]}
    assert "did you mean city.canal" in faults["filter.entity.1"]
    assert "mode" in faults


def test_a_stored_filter_may_name_what_is_gone() -> None:
    assert LiveFilter.model_validate({"entity": ["gone"], "property": ["gone"]}).entity == ["gone"]


@pytest.mark.parametrize(("role", "status"), [("anonymous", 400), ("operator", 400), ("metering", 200)])
async def test_only_metering_learns_that_a_household_has_a_meter(
    client: httpx.AsyncClient, parts: ApiContext, monkeypatch: pytest.MonkeyPatch, role: Role, status: int
) -> None:
    async def principal_of(credential: str | None) -> Principal:
        return Principal("somebody", role)

    monkeypatch.setattr(parts.authenticator, "principal_of", principal_of)
    headers = {"Authorization": "Bearer any"} if role != "anonymous" else {}
    known = await client.get("/v1/datastreams?sensor=meter-1", headers=headers)
    assert known.status_code == status
    unknown: dict[str, Any] = (await client.get("/v1/datastreams?sensor=meter-2", headers=headers)).json()
    assert ("meter-1" in unknown["errors"][0]["detail"]) == (role == "metering")


def expected(model: CityModel, name: str, names: KnownNames | None = None) -> str:
    names = names or KnownNames(model, AlarmView(), PUBLIC)
    with pytest.raises(ValueError, match="expected") as caught:
        names.check("entity", name)
    return str(caught.value)


def test_names_are_compared_a_few_times_and_with_a_limited_number(model: CityModel) -> None:
    names = KnownNames(model, AlarmView(), PUBLIC)
    texts = [expected(model, "city.canl", names) for _ in range(SUGGESTIONS_MAX + 1)]
    assert ["did you mean" in text for text in texts] == [True] * SUGGESTIONS_MAX + [False]
    builder = CityBuilder("city", "City")
    for number in range(COMPARED_MAX + 1):
        builder.entity(f"city.{number}", "Road", str(number))
    large = builder.model()
    assert "did you mean" not in expected(large, "city.x1")
