"""Data quality in the API, without its services: state, indicators, liveability card, replays."""

from __future__ import annotations

from typing import Any

import httpx
from msgspec import structs

from api.context import ApiContext
from twin.instant import HOUR, MINUTE, parse_instant
from twin.model.observation import LastGoodValue
from twin.quality.quality_flags import QualityFlag
from twin.state.freshness import stale_duration

NOW = parse_instant("2026-11-23T12:00:00Z")


async def test_state_marks_suspect_values_and_deviating_sensors(
    client: httpx.AsyncClient, parts: ApiContext, make_update: Any
) -> None:
    suspect = structs.replace(
        make_update(4, 1, 9.9, flags=QualityFlag.SPIKE), last_good=LastGoodValue(-0.5, NOW - 10 * MINUTE)
    )
    deviating = structs.replace(make_update(3, 3, 80.0), datastreams=(1,), value=11.2, deviating=(3,))
    parts.hub.on_updates(0, 1, [suspect, deviating])
    level = (await client.get("/v1/entities/city.canal/state")).json()["properties"]["water_level"]
    assert (level["quality"], level["value"]) == ("suspect", 9.9)
    assert level["lastGood"] == {"value": -0.5, "phenomenonTime": "2026-11-23T11:50:00Z"}
    hill = (await client.get("/v1/entities/city.east.hill/state")).json()
    assert hill["properties"]["pm2_5"]["deviatingSensorIds"] == ["aq-2"]
    assert hill["properties"]["pm2_5"]["sensorIds"] == ["aq-1"]
    assert {one["id"]: one["quality"] for one in hill["datastreams"]} == {1: "good", 2: "good", 3: "suspect"}


async def test_state_has_indicators_and_roll_ups_next_to_properties(
    client: httpx.AsyncClient, parts: ApiContext, make_derived: Any
) -> None:
    parts.hub.on_updates(
        0,
        1,
        [
            make_derived("city.east", "lki", 1, 3.0),
            structs.replace(
                make_derived("city.east", "area_pm2_5", 1, 11.0),
                members=5,
                members_expected=6,
                preliminary=True,
            ),
        ],
    )
    # No sensor of the district itself can make an index: it is not shown.
    state = (await client.get("/v1/entities/city.east/state")).json()
    assert state["properties"] == {}
    assert state["indicators"] == {
        "area_pm2_5": {
            "value": 11.0,
            "unit": "ug/m3",
            "phenomenonTime": "2026-11-23T12:00:00Z",
            "receivedTime": "2026-11-23T12:00:00Z",
            "quality": "good",
            "freshness": "live",
            "revision": 1,
            "count": 12,
            "members": 5,
            "membersExpected": 6,
            "preliminary": True,
            "deviatingEntityIds": [],
        }
    }


async def test_a_sensor_that_disagrees_with_its_neighbours_is_suspect_and_named_by_the_area(
    client: httpx.AsyncClient, parts: ApiContext, make_update: Any, make_derived: Any
) -> None:
    outvoted = structs.replace(
        make_update(3, 2, 80.0, flags=QualityFlag.DISAGREES),
        datastreams=(1, 3),
        last_good=LastGoodValue(11.0, NOW - 10 * MINUTE),
    )
    area = structs.replace(make_derived("city.east", "area_pm2_5", 1, 11.0), deviating=(1, 3))
    parts.hub.on_updates(0, 1, [make_update(1, 1, 79.0), outvoted, area])
    hill = (await client.get("/v1/entities/city.east.hill/state")).json()
    value = hill["properties"]["pm2_5"]
    assert (value["quality"], value["value"], value["lastGood"]["value"]) == ("suspect", 80.0, 11.0)
    assert {one["id"]: one["quality"] for one in hill["datastreams"]} == {
        1: "suspect",
        2: "good",
        3: "suspect",
    }
    east = (await client.get("/v1/entities/city.east/state")).json()["indicators"]["area_pm2_5"]
    assert (east["quality"], east["deviatingEntityIds"]) == ("good", ["city.east.hill"])


async def test_the_liveability_card_has_each_domain_and_no_total(
    client: httpx.AsyncClient, parts: ApiContext, make_derived: Any, clock: Any
) -> None:
    parts.hub.on_updates(0, 1, [make_derived("city.east.hill", "area_lki", 1, 3.0)])
    card = (await client.get("/v1/entities/city.east.hill/liveability")).json()
    assert [one["domain"] for one in card["domains"]] == [
        *("air", "noise", "mobility", "energy", "water", "climate")
    ]
    air, noise, *_ = card["domains"]
    assert (air["score"], air["value"], air["property"], air["freshness"]) == (80.0, 3.0, "area_lki", "live")
    assert air["title"] == {"en": "Air", "nl": "Lucht"}
    assert "RIVM" in air["source"]
    assert (noise["score"], noise["value"], noise["freshness"]) == (None, None, None)
    clock.now += stale_duration(HOUR) + 1
    air, *_ = (await client.get("/v1/entities/city.east.hill/liveability")).json()["domains"]
    assert (air["score"], air["value"], air["freshness"]) == (None, 3.0, "silent")


async def test_a_domain_of_the_liveability_card_says_how_much_is_behind_it(
    client: httpx.AsyncClient, parts: ApiContext, make_derived: Any
) -> None:
    async def air() -> dict[str, Any]:
        card = (await client.get("/v1/entities/city.east.hill/liveability")).json()
        domain: dict[str, Any] = card["domains"][0]
        return {key: domain[key] for key in ("property", "members", "membersExpected", "preliminary")}

    nothing = {"property": None, "members": 0, "membersExpected": 0, "preliminary": False}
    assert await air() == nothing
    # The entity's own index is no value of an area: nothing is said of members.
    parts.hub.on_updates(0, 1, [make_derived("city.east.hill", "lki", 1, 2.0)])
    assert await air() == nothing | {"property": "lki"}
    area = structs.replace(
        make_derived("city.east.hill", "area_lki", 1, 3.0), members=5, members_expected=6, preliminary=True
    )
    parts.hub.on_updates(0, 2, [area])
    expected = {"property": "area_lki", "members": 5, "membersExpected": 6, "preliminary": True}
    assert await air() == expected
    final = structs.replace(area, revision=2, members=6, preliminary=False)
    parts.hub.on_updates(0, 3, [final])
    assert await air() == expected | {"members": 6, "preliminary": False}


async def test_a_replay_is_for_operators_and_never_of_everything(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    assert not await parts.database.is_available()
    operator = {"Authorization": "Bearer sesame"}
    for path in ("/v1/quarantine/abc/_replay", "/v1/quarantine/_replay?feed=ttn"):
        assert (await client.post(path)).status_code == 401
        assert (await client.post(path, headers=operator)).status_code == 503
    response = await client.post("/v1/quarantine/_replay", headers=operator)
    assert response.status_code == 400
    assert "a feed, a reason or a device" in response.json()["errors"][0]["detail"]


async def test_requests_that_need_the_database_get_a_retry_after(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    assert not await parts.database.is_available()
    for path in (
        "/v1/ledger",
        "/v1/quarantine",
        "/v1/unassigned-devices",
        "/v1/entities/city.canal/provenance?property=water_level",
        "/v1/insights/correlations?entity=city.east.hill&x=pm2_5&y=city.canal:water_level&lag=3",
        "/v1/entities/city.house/history?property=power_import&interval=PT1M",
        "/v1/entities/city.canal/history?property=freeboard",
    ):
        response = await client.get(path)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
