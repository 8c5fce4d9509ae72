"""Duty from memory: contacts on call, rosters as JSON and iCalendar, visibility by role, and faults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import icalendar
import pytest

from api.access.api_keys import ApiKeys
from api.context import ApiContext
from storage.stores.tokens import TOKEN_PREFIX, TokenGrant, token_digest
from tests.support.cities.rosters import LEAD, ROADS, WATER, WEEKS, ZONE, calendar_text, duty_override
from twin.model.city_model import CityModel
from twin.model.duty import DutyPlan, DutyTeam
from twin.model.role import Role

KEYS: dict[str, Role] = {f"{TOKEN_PREFIX}{role}": role for role in ("viewer", "operator", "duty", "admin")}
GAP = calendar_text((*WEEKS[0], f"EXDATE;{ZONE}:20261207T080000"), WEEKS[1])


def bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN_PREFIX}{role}"}


@pytest.fixture
def model(model: CityModel) -> CityModel:
    """The city with two teams and an override in the first days of 2027."""
    operations = DutyTeam(
        id="operations", name="Operations", members=("water", "roads", "lead"), calendar=calendar_text(*WEEKS)
    )
    duty = DutyPlan(
        contacts=(WATER, ROADS, LEAD),
        teams=(operations, DutyTeam(id="leads", name="Leads", members=("lead",))),
        overrides=(duty_override("lead", "2027-01-01T00:00:00Z", "2027-01-03T00:00:00Z"),),
    )
    return replace(model, duty=duty)


@pytest.fixture(autouse=True)
def keys(parts: ApiContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of each role, without a database."""
    grants = {token_digest(key): TokenGrant(key, role, None) for key, role in KEYS.items()}

    async def look(hashed: bytes) -> TokenGrant | None:
        return grants.get(hashed)

    keys = ApiKeys(None, look)
    monkeypatch.setattr(parts.authenticator, "_keys", keys)


async def test_on_call_lists_each_team(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/duty/on-call", headers=bearer("viewer"))
    assert response.status_code == 200
    document = response.json()
    assert document["at"] == "2026-11-23T12:00:00Z"
    operations, leads = document["items"]
    assert operations["teamId"] == "operations"
    assert operations["contact"] == {"id": "water", "name": "Duty officer water", "language": "nl"}
    assert (operations["source"], operations["until"]) == ("calendar", "2026-11-30T07:00:00Z")
    assert operations["next"]["id"] == "roads"
    assert (leads["contact"]["id"], leads["source"], leads["until"]) == ("lead", "default", None)
    assert leads["next"] is None


@pytest.mark.parametrize(
    ("at", "contact", "source"),
    [
        ("2026-11-30T08:00:00%2B01:00", "roads", "calendar"),
        ("2026-11-30T07:59:59.999+01:00", "water", "calendar"),
        ("2027-01-02T23:59:59Z", "lead", "override"),
        ("2027-01-03T00:00:00Z", "roads", "calendar"),
    ],
)
async def test_on_call_accepts_any_time(
    client: httpx.AsyncClient, at: str, contact: str, source: str
) -> None:
    response = await client.get(f"/v1/duty/on-call?at={at}&team=operations", headers=bearer("viewer"))
    (item,) = response.json()["items"]
    assert (item["contact"]["id"], item["source"]) == (contact, source)


async def test_before_the_roster_no_contact_is_on_call_and_the_first_is_next(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/v1/duty/on-call?at=2020-01-01T00:00:00Z", headers=bearer("viewer"))
    item = response.json()["items"][0]
    assert (item["contact"], item["next"]["id"]) == (None, "water")


async def test_the_roster_lists_consecutive_shifts(client: httpx.AsyncClient) -> None:
    path = "/v1/duty/roster?start=2026-12-28T00:00:00Z&end=2027-01-05T00:00:00Z&team=operations"
    items = (await client.get(path, headers=bearer("viewer"))).json()["items"]
    assert [(one["contact"]["id"], one["start"], one["source"]) for one in items] == [
        ("water", "2026-12-28T00:00:00Z", "calendar"),
        ("roads", "2026-12-28T07:00:00Z", "calendar"),
        ("lead", "2027-01-01T00:00:00Z", "override"),
        ("roads", "2027-01-03T00:00:00Z", "calendar"),
        ("water", "2027-01-04T07:00:00Z", "calendar"),
    ]
    assert [one["end"] for one in items[:-1]] == [one["start"] for one in items[1:]]


async def calendar_events(client: httpx.AsyncClient, query: str, role: str = "viewer") -> list[Any]:
    response = await client.get(
        f"/v1/duty/roster?{query}", headers={**bearer(role), "Accept": "text/calendar"}
    )
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "example.org" not in response.text
    events = list(icalendar.Calendar.from_ical(response.text).walk("VEVENT"))
    assert len({str(one["UID"]) for one in events}) == len(events)
    return events


async def test_the_roster_as_a_calendar_has_the_same_shifts(client: httpx.AsyncClient) -> None:
    # Begins and ends at a hand-over.
    query = "start=2026-12-28T07:00:00Z&end=2027-01-04T07:00:00Z"
    items = (await client.get(f"/v1/duty/roster?{query}", headers=bearer("viewer"))).json()["items"]
    shifts = {
        (
            str(event["SUMMARY"]).partition(": ")[2],
            event.decoded("DTSTART").isoformat(),
            event.decoded("DTEND").isoformat(),
        )
        for event in await calendar_events(client, query, "duty")
    }
    assert shifts == {
        tuple(text.replace("Z", "+00:00") for text in (item["contact"]["name"], item["start"], item["end"]))
        for item in items
    }


async def test_a_shift_is_the_same_calendar_event_whenever_it_is_fetched(client: httpx.AsyncClient) -> None:
    async def events(start: str, end: str) -> list[tuple[str, str, str]]:
        found = await calendar_events(client, f"team=operations&start={start}&end={end}")
        return [
            (str(one["UID"]), one.decoded("DTSTART").isoformat(), one.decoded("DTEND").isoformat())
            for one in found
        ]

    whole = await events("2026-12-21T07:00:00Z", "2027-01-11T07:00:00Z")
    assert len(whole) == 5
    assert await events("2026-12-23T12:00:00Z", "2027-01-06T12:00:00Z") == whole
    assert await events("2026-12-23T12:00:01Z", "2026-12-23T12:00:02Z") == whole[:1]
    assert await events("2027-01-02T12:00:00Z", "2027-01-02T13:00:00Z") == whole[2:3], "an override"


async def test_a_shift_without_a_start_keeps_its_uid(client: httpx.AsyncClient) -> None:
    uids = set()
    for day in (24, 25):
        query = f"team=leads&start=2026-11-{day}T00:00:00Z&end=2026-12-24T00:00:00Z"
        (event,) = await calendar_events(client, query)
        assert event.decoded("DTSTART").isoformat() == f"2026-11-{day}T00:00:00+00:00"
        assert event.decoded("DTEND").isoformat() == "2026-12-24T00:00:00+00:00"
        uids.add(str(event["UID"]))
    assert uids == {"leads-first@city.livetwin"}


async def test_a_gap_is_a_shift_without_contact_and_without_calendar_event(
    client: httpx.AsyncClient, parts: ApiContext, model: CityModel
) -> None:
    team = DutyTeam(id="operations", name="Operations", members=("water",), calendar=GAP)
    duty = DutyPlan(contacts=model.duty.contacts, teams=(team,))
    parts.hub.set_model(replace(model, version=2, duty=duty))
    path = "/v1/duty/roster?start=2026-12-08T00:00:00Z&end=2026-12-09T00:00:00Z"
    (item,) = (await client.get(path, headers=bearer("viewer"))).json()["items"]
    assert (item["contact"], item["source"]) == (None, "calendar")
    text = (await client.get(path, headers={**bearer("viewer"), "Accept": "text/calendar"})).text
    assert "VEVENT" not in text


@pytest.mark.parametrize(
    ("role", "seen"), [("viewer", False), ("operator", False), ("duty", True), ("admin", True)]
)
@pytest.mark.parametrize("path", ["/v1/duty/on-call", "/v1/duty/roster"])
async def test_addresses_are_for_the_role_duty(
    client: httpx.AsyncClient, path: str, role: str, seen: bool
) -> None:
    response = await client.get(path, headers=bearer(role))
    assert response.status_code == 200
    assert ("water@example.org" in response.text) is seen
    assert "Duty officer water" in response.text


@pytest.mark.parametrize(
    ("method", "path", "role", "status"),
    [
        ("GET", "/v1/duty/on-call", None, 401),
        ("GET", "/v1/duty/roster", None, 401),
        ("GET", "/v1/duty/overrides", None, 401),
        ("POST", "/v1/duty/overrides", None, 401),
        ("POST", "/v1/duty/overrides", "operator", 403),
        ("DELETE", "/v1/duty/overrides/1", "operator", 403),
        ("GET", "/v1/duty/overrides", "viewer", 503),
        ("GET", "/v1/duty/overrides/1", "viewer", 503),
        ("DELETE", "/v1/duty/overrides/1", "duty", 503),
    ],
)
async def test_insufficient_roles_and_an_unavailable_database_are_problems(
    client: httpx.AsyncClient, method: str, path: str, role: str | None, status: int
) -> None:
    response = await client.request(method, path, headers=bearer(role) if role else {})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


async def faults_of(client: httpx.AsyncClient, response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 400, response.text
    return {one["name"]: one["detail"] for one in response.json()["errors"]}


async def test_all_faults_of_a_query_are_listed_together(client: httpx.AsyncClient) -> None:
    path = "/v1/duty/roster?start=2026-12-08T00:00:00Z&end=2026-12-08T00:00:00Z&team=operation&teams=x"
    faults = await faults_of(client, await client.get(path, headers=bearer("viewer")))
    assert "did you mean 'team'?" in faults["teams"]
    path = path.removesuffix("&teams=x")
    faults = await faults_of(client, await client.get(path, headers=bearer("viewer")))
    assert "did you mean operations?" in faults["team"]
    assert "expected later than start, by at most 366 days" in faults["end"]
    for wrong in ("at=9999-12-31T00:00:00Z", "at=1960-01-01T00:00:00Z", "at=now"):
        response = await client.get(f"/v1/duty/on-call?{wrong}", headers=bearer("viewer"))
        assert "at" in await faults_of(client, response)


@pytest.mark.parametrize(
    ("changed", "name", "text"),
    [
        ({"teamId": "operation"}, "teamId", "did you mean operations?"),
        ({"contactId": "fire"}, "contactId", "expected the id of a contact of the duty plan"),
        ({"end": "2026-11-23T10:00:00Z"}, "end", "expected later than start"),
        ({"end": "2029-11-23T10:00:00Z"}, "end", "by at most 366 days"),
        ({"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}, "end", "which is over"),
        ({"end": "tomorrow"}, "end", "expected an RFC 3339 time"),
        ({"note": "x" * 1001}, "note", "at most 1000"),
        ({"teamID": "x"}, "teamID", "teamId"),
    ],
)
async def test_an_invalid_override_is_refused(
    client: httpx.AsyncClient, changed: dict[str, Any], name: str, text: str
) -> None:
    body = {"teamId": "operations", "contactId": "lead", "end": "2026-11-24T07:00:00Z", **changed}
    response = await client.post("/v1/duty/overrides", json=body, headers=bearer("duty"))
    assert text in (await faults_of(client, response))[name]


async def test_all_faults_of_an_override_are_listed_together(client: httpx.AsyncClient) -> None:
    body = {"teamId": "x", "contactId": "y", "end": "2020-01-01T00:00:00Z"}
    response = await client.post("/v1/duty/overrides", json=body, headers=bearer("duty"))
    assert set(await faults_of(client, response)) == {"teamId", "contactId", "end"}
