"""The API without its services: responses from memory, and problems."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.access.rights import rights_of_role
from api.app import create_app
from api.context import ApiContext
from api.entities.documents import state_model
from storage.stores.tokens import TOKEN_PREFIX
from twin.instant import MINUTE, parse_instant
from twin.state.freshness import live_duration

NOW = parse_instant("2026-11-23T12:00:00Z")


async def test_every_response_has_the_version_and_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/v1/entities", "/v1/nowhere", "/", "/v1/health/live", "/metrics"):
        headers = (await client.get(path)).headers
        assert headers["api-version"] == "1.0.0"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["access-control-allow-origin"] == "*"
        assert "img-src 'self' data: blob: https://tiles.example" in headers["content-security-policy"]
        assert "strict-transport-security" not in headers


async def test_all_faults_of_a_request_are_listed_together(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/entities?tpye=Road&limit=0&bbox=1,2&theme=fun&near=x&knownAt=1")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 400
    assert problem["instance"] == "/v1/entities"
    faults = {one["name"].partition(".")[0]: one for one in problem["errors"]}
    assert set(faults) == {"tpye", "limit", "bbox", "theme", "near", "knownAt"}
    assert "did you mean 'type'?" in faults["tpye"]["detail"]
    assert "west,south,east,north" in faults["bbox"]["detail"]
    assert all(one["in"] == "query" for one in problem["errors"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/entities/", 404),
        ("/v1/entities/nowhere", 404),
        ("/v1/entities/nowhere/state", 404),
        ("/v1/health/live?verbose=1", 400),
        ("/v1/live?cursor=nonsense", 400),
        ("/v1/live?events=party", 400),
        ("/v1/entities?radius=5", 400),
        ("/v1/entities?cursor=%21", 400),
        ("/v1/datastreams/many/observations", 400),
        ("/v1/datastreams/99/observations", 404),
        ("/v1/datastreams/5/observations", 403),
        ("/v1/entities/city.house/history?property=power_import", 403),
        ("/v1/entities/city.canal/history?property=joy", 400),
        ("/v1/entities/city.canal/history?property=area_wind_direction", 400),
        ("/v1/entities/city.canal/history?property=water_level&knownAt=yesterday", 400),
        ("/v1/entities/city.canal/provenance", 400),
        ("/v1/entities/city.canal/provenance?property=joy", 400),
        ("/v1/entities/city.canal/provenance?property=water_level&start=2026-01-01T00:00:00Z", 400),
        (
            "/v1/entities/city.canal/provenance?property=water_level&time=2026-01-01T00:00:00Z"
            "&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z",
            400,
        ),
        ("/v1/entities/nowhere/provenance?property=water_level", 404),
        ("/v1/entities/city.canal/liveability", 404),
        ("/v1/insights/correlations?x=pm2_5", 400),
        ("/v1/insights/correlations?x=pm2_5&y=no2", 400),
        ("/v1/insights/correlations?entity=city&x=pm2_5&y=joy", 400),
        ("/v1/insights/correlations?entity=city&x=pm2_5&y=no2&lag=169", 400),
        ("/v1/insights/correlations?entity=city&x=pm2_5&y=no2&start=2020-01-01T00:00:00Z", 400),
        ("/v1/insights/correlations?x=pm2_5&y=nowhere:no2&entity=city", 404),
        ("/v1/ledger?start=2026-11-23T12:00:00Z&end=2026-11-23T11:00:00Z", 400),
        ("/v1/ledger?start=2020-01-01T00:00:00Z", 400),
        ("/v1/quarantine?resolved=perhaps", 400),
        ("/v1/entities/city.canal/history?property=water_level&aggregate=mean", 400),
        ("/v1/entities/city.canal/history?property=water_level&start=2026-01-01", 400),
        (
            "/v1/entities/city.canal/history?property=water_level&interval=PT1S&start=2020-01-01T00:00:00Z",
            400,
        ),
    ],
)
async def test_an_invalid_request_is_a_problem(client: httpx.AsyncClient, path: str, status: int) -> None:
    response = await client.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert response.json()["detail"]


async def test_an_unsupported_method_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/entities")
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert "GET" in response.headers["allow"]


async def test_a_preflight_is_allowed(client: httpx.AsyncClient) -> None:
    response = await client.options("/v1/entities", headers={"Origin": "https://other.example"})
    assert response.status_code == 204
    assert "Authorization" in response.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=District", ["city.east", "city.west"]),
        ("type=District&type=Waterway", ["city.canal", "city.east", "city.west"]),
        ("type=District,Waterway&parent=city", ["city.canal", "city.east", "city.west"]),
        ("parent=city.east", ["city.east.hill"]),
        ("theme=water", ["city.canal"]),
        ("q=HILL", ["city.east.hill"]),
        ("freshness=live", ["city.east.hill", "city.house"]),
        ("freshness=silent", ["city.canal"]),
        ("near=4.74,52.64&radius=100", ["city.canal"]),
        ("bbox=4.775,52.6,4.8,52.7", ["city.east.hill"]),
        ("type=District&freshness=stale", []),
    ],
)
async def test_entities_are_filtered(client: httpx.AsyncClient, query: str, expected: list[str]) -> None:
    items = (await client.get(f"/v1/entities?{query}")).json()["items"]
    assert [one["id"] for one in items] == expected


async def test_entities_come_in_pages(client: httpx.AsyncClient) -> None:
    found, path = [], "/v1/entities?parent=city&limit=2"
    while path:
        page = (await client.get(path)).json()
        assert len(page["items"]) <= 2
        found += [one["id"] for one in page["items"]]
        path = page["_links"].get("next", {}).get("href")
    assert found == ["city.canal", "city.east", "city.east.hill", "city.house", "city.west"]


async def test_entities_are_geojson_on_request(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/entities?theme=water", headers={"Accept": "application/geo+json"})
    assert response.headers["content-type"] == "application/geo+json"
    (feature,) = response.json()["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [4.74, 52.64]}
    assert feature["properties"]["type"] == "Waterway"


async def test_an_entity_has_its_attributes_and_links(client: httpx.AsyncClient) -> None:
    entity = (await client.get("/v1/entities/city.east.hill")).json()
    assert entity["themes"] == ["environment"]
    assert entity["properties"] == ["no2", "pm2_5"]
    assert entity["interval"] == "PT10M"
    assert entity["freshness"] == "live"
    assert entity["parent"] == "city.east"


async def test_state_ages_without_new_measurements(client: httpx.AsyncClient, clock: Any) -> None:
    state = (await client.get("/v1/entities/city.east.hill/state")).json()
    assert state["properties"]["pm2_5"] == {
        "value": 11.2,
        "unit": "ug/m3",
        "phenomenonTime": "2026-11-23T12:00:00Z",
        "receivedTime": "2026-11-23T12:00:00Z",
        "quality": "good",
        "freshness": "live",
        "revision": 1,
        "count": 1,
        "combination": "mean",
        "sensorIds": ["aq-1"],
        "deviatingSensorIds": [],
    }
    assert [one["id"] for one in state["datastreams"]] == [1, 2]
    clock.now += live_duration(10 * MINUTE) + 1
    state = (await client.get("/v1/entities/city.east.hill/state")).json()
    assert state["properties"]["pm2_5"]["freshness"] == "stale"


@pytest.mark.parametrize("accept", ["application/json", "application/geo+json"])
@pytest.mark.parametrize("path", ["/v1/entities?bbox=4.7,52.6,4.76,52.65", "/v1/entities/city.canal"])
async def test_answers_with_geometries_name_their_reference_system(
    client: httpx.AsyncClient, path: str, accept: str
) -> None:
    response = await client.get(path, headers={"Accept": accept})
    assert response.headers["content-type"] == accept
    assert response.headers["content-crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    assert "Content-Crs" in response.headers["access-control-expose-headers"]


@pytest.mark.parametrize("bbox", ["4.7,52.6,180.1,52.7", "4.7,-90.1,4.8,52.7", "179,52,-179,53", "4,53,5,52"])
@pytest.mark.parametrize("path", ["/v1/entities", "/v1/live"])
async def test_a_box_outside_the_reference_system_is_a_fault(
    client: httpx.AsyncClient, path: str, bbox: str
) -> None:
    response = await client.get(f"{path}?bbox={bbox}")
    assert response.status_code == 400
    assert "longitudes from -180 to 180" in response.json()["errors"][0]["detail"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer sesame"}])
async def test_a_household_is_hidden_from_anonymous_clients_and_operators(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    state = (await client.get("/v1/entities/city.house/state", headers=headers)).json()
    assert state["properties"]["power_import"]["value"] == 41.5
    assert state["properties"]["power_import"]["count"] == 12
    assert state["properties"]["power_import"]["sensorIds"] == []
    assert state["datastreams"] == []
    assert len((await client.get("/v1/datastreams", headers=headers)).json()["items"]) == 4
    response = await client.get("/v1/datastreams/5/observations", headers=headers)
    assert response.status_code == 403
    assert "role metering" in response.json()["detail"]


async def test_a_household_is_shown_to_the_role_metering(parts: ApiContext, clock: Any) -> None:
    entity = parts.model.entities["city.house"]
    state = state_model(entity, parts.hub.view, clock(), rights_of_role("metering"))
    assert state.properties["power_import"].value == 41.5
    assert state.properties["power_import"].sensor_ids == ["meter-1"]
    assert [(one.id, one.value) for one in state.datastreams] == [(5, 0.4)]


async def test_an_uncached_key_gets_a_retry_after_without_the_database(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/entities", headers={"Authorization": f"Bearer {TOKEN_PREFIX}unknown"})
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert (await client.get("/v1/entities")).status_code == 200


@pytest.mark.parametrize("value", ["Bearer wrong", "Basic sesame", "Bearer"])
async def test_an_unknown_key_is_refused(client: httpx.AsyncClient, value: str) -> None:
    for path in ("/v1/entities", "/v1/live", "/v1/datastreams"):
        response = await client.get(path, headers={"Authorization": value})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"


async def test_relations_go_both_ways(client: httpx.AsyncClient) -> None:
    hill = (await client.get("/v1/entities/city.east.hill/relations")).json()
    assert hill["outgoing"] == [{"type": "drainsTo", "entityId": "city.canal", "name": "Canal"}]
    canal = (await client.get("/v1/entities/city.canal/relations")).json()
    assert canal["incoming"] == [{"type": "drainsTo", "entityId": "city.east.hill", "name": "Hill"}]


async def test_a_view_that_has_not_caught_up_is_not_ready(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    response = await client.get("/v1/health/ready")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert "the database is down" in response.json()["detail"]
    parts.log_follower.ready.set()
    response = await client.get("/v1/health/ready")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["parts"]["database"]["status"] == "down"


async def test_the_page_gets_its_settings_or_a_note_how_to_build_it(client: httpx.AsyncClient) -> None:
    page = (await client.get("/page.json")).json()
    assert page["city"]["bbox"] == [4.71, 52.62, 4.78, 52.64]
    assert page["tiles"].startswith("https://tiles.example")
    assert page["signIn"] == []
    assert page["names"]["no2"] == {"en": "nitrogen dioxide", "nl": "stikstofdioxide"}
    assert page["unitSymbols"]["ug/m3"] == "µg/m³"
    assert "make setup" in (await client.get("/")).text


async def test_the_built_page_is_served(parts: ApiContext) -> None:
    (parts.settings.static_dir / "index.html").write_text("<title>The city</title>")
    transport = httpx.ASGITransport(create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        assert (await client.get("/")).text == "<title>The city</title>"
        assert (await client.get("/v1/entities")).status_code == 200
        missing = await client.get("/missing.js")
        assert missing.status_code == 404
        assert missing.headers["content-type"] == "application/problem+json"


async def test_the_pages_beside_the_operations_room_are_at_their_own_paths(parts: ApiContext) -> None:
    for name in ("index", "duty", "openbaar"):
        (parts.settings.static_dir / f"{name}.html").write_text(f"<title>{name}</title>")
    (parts.settings.static_dir / "duty.webmanifest").write_text("{}")
    transport = httpx.ASGITransport(create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        for path, name in (("/duty", "duty"), ("/openbaar", "openbaar"), ("/public", "openbaar")):
            page = await client.get(path)
            assert page.text == f"<title>{name}</title>"
            # The next version is seen at once: only names with a hash are cached.
            assert page.headers["cache-control"] == "no-cache"
        manifest = await client.get("/duty.webmanifest")
        assert manifest.headers["content-type"].startswith("application/manifest+json")


async def test_metrics_count_requests_by_route(client: httpx.AsyncClient) -> None:
    await client.get("/v1/entities/city.canal")
    text = (await client.get("/metrics")).text
    assert 'livetwin_api_requests_total{route="/v1/entities/{id}",status="200"} 1.0' in text


async def test_live_state_works_without_the_database_and_history_gets_a_retry_after(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/v1/entities/city.canal/history?property=water_level")
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert (await client.get("/v1/entities/city.canal/state")).status_code == 200
