"""CAP 1.2: every message follows the schema, describes the alarm, and contains nothing of a household."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from msgspec.structs import replace

from api.alarms.cap import CapMessage, CapSender, CapStatus, alarm_alert, city_alert, last_message
from api.context import ApiContext
from tests.support.cities.alarm_city import high_water_rule
from tests.support.oracles.cap_schema import element_texts, read_cap
from tests.support.payloads.alarm_events import acknowledged_event, alarm_event, operand_value, returned_event
from tests.unit.api.conftest import NOW, make_model
from twin.alarms.messages import AlarmBatch, AlarmEvent
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState
from twin.instant import HOUR, MINUTE
from twin.model.city_model import CityModel
from twin.model.plain_text import one_line
from twin.wire.codec import LAYOUT_VERSION

ORIGIN = CapSender("livetwin.city", "Exercise", "https://city.example")

WATER = alarm_event()
AIR = alarm_event("bad-air", "city.east.hill", theme="environment", severity=Severity.WARNING)
SILENT = alarm_event("silent", "city.house", sensor="meter-1", theme="device")
POWER = alarm_event(
    "overload",
    "city.house",
    theme="energy",
    operands=(operand_value("city.house", datastream=5, name="power_import", value=3.5, unit="kW"),),
)
SQUARE = [[[4.7, 52.6], [4.8, 52.6], [4.8, 52.7], [4.7, 52.7]]]


def placed(geometry: dict[str, Any] | None) -> CityModel:
    model = make_model()
    canal = dataclasses.replace(model.entities["city.canal"], geometry=geometry)
    rules = {"high-water": high_water_rule()}
    return dataclasses.replace(model, entities={**model.entities, "city.canal": canal}, rules=rules)


def test_an_alert_has_both_languages_and_the_required_elements() -> None:
    alert = read_cap(
        alarm_alert(CapMessage(WATER), placed({"type": "Polygon", "coordinates": SQUARE}), ORIGIN)
    )
    assert element_texts(alert, "msgType") == ["Alert"]
    assert element_texts(alert, "status") == ["Exercise"]
    assert element_texts(alert, "sent") == ["2026-11-23T12:00:01-00:00"]
    assert element_texts(alert, "info/language") == ["en-GB", "nl-NL"]
    assert element_texts(alert, "info/event") == ["High water", "Hoog water"]
    assert element_texts(alert, "info/headline") == ["High water, Canal", "Hoog water, Canal"]
    assert element_texts(alert, "info/description")[1].startswith("Waterstand is")
    assert set(element_texts(alert, "info/severity")) == {"Severe"}
    assert set(element_texts(alert, "info/urgency")) == {"Immediate"}
    assert set(element_texts(alert, "info/category")) == {"Met"}
    assert element_texts(alert, "info/web")[0] == "https://city.example/v1/alarms/high-water~city.canal"
    assert element_texts(alert, "info/area/polygon")[0] == "52.6,4.7 52.6,4.8 52.7,4.8 52.7,4.7 52.6,4.7"
    assert element_texts(alert, "info/area/circle") == []
    assert "-0.25 m" in element_texts(alert, "info/parameter/value")


@pytest.mark.parametrize(
    ("geometry", "polygons", "circles"),
    [
        ({"type": "Point", "coordinates": [4.75, 52.63]}, 0, ["52.63,4.75 0.1"]),
        ({"type": "LineString", "coordinates": [[4.74, 52.63], [4.76, 52.63]]}, 0, ["52.63,4.75 0.675"]),
        ({"type": "MultiPolygon", "coordinates": [SQUARE, SQUARE]}, 2, []),
        (None, 0, ["52.63,4.75 0.1"]),  # that of the city, which it belongs to
    ],
)
def test_the_area_of_an_alert_is_that_of_its_entity(geometry: Any, polygons: int, circles: list[str]) -> None:
    alert = read_cap(alarm_alert(CapMessage(WATER), placed(geometry), ORIGIN))
    [info, _] = alert.findall("{*}info")
    assert len(element_texts(info, "area/polygon")) == polygons
    assert element_texts(info, "area/circle") == circles


def test_a_later_message_refers_to_the_earlier_ones() -> None:
    worse = replace(WATER, revision=2, kind="worsened", severity=Severity.CRITICAL)
    acknowledged = acknowledged_event(worse)
    over = returned_event(acknowledged)
    model = make_model()

    def message_of(*events: AlarmEvent) -> Any:
        message = last_message(reversed(events))
        assert message is not None
        return read_cap(alarm_alert(message, model, ORIGIN))

    update = message_of(WATER, worse, acknowledged)
    assert element_texts(update, "msgType") == ["Update"]
    assert element_texts(update, "identifier") == ["high-water~city.canal.1.2"]
    first = "livetwin.city,high-water~city.canal.1.1,2026-11-23T12:00:01-00:00"
    assert element_texts(update, "references") == [first]
    assert element_texts(update, "info/severity") == ["Extreme", "Extreme"]
    cancel = message_of(WATER, worse, acknowledged, over)
    assert element_texts(cancel, "msgType") == ["Cancel"]
    assert element_texts(cancel, "references")[0].split(" ")[0] == first
    assert len(element_texts(cancel, "references")[0].split(" ")) == 2
    assert set(element_texts(cancel, "info/urgency")) == {"Past"}
    again = replace(WATER, revision=9, occurrence=2)
    assert element_texts(message_of(WATER, over, again), "references") == []


@given(
    theme=st.sampled_from(["environment", "mobility", "energy", "water", "climate", "device", "other"]),
    severity=st.sampled_from(Severity),
    state=st.sampled_from(AlarmState),
    active=st.booleans(),
    sentence=st.text(min_size=1, max_size=40).filter(one_line),
    earlier=st.integers(0, 60),
    status=st.sampled_from(["Actual", "Exercise", "Test"]),
    time=st.integers(NOW - 1000 * HOUR, NOW),
)
def test_every_message_follows_the_schema(
    *,
    theme: str,
    severity: Severity,
    state: str,
    active: bool,
    sentence: str,
    earlier: int,
    status: CapStatus,
    time: int,
) -> None:
    event = replace(
        WATER,
        theme=theme,
        severity=severity,
        state=state,
        active=active,
        sentence_en=sentence,
        told_time=time,
        raised_time=time - MINUTE if active else None,
    )
    origin = ORIGIN._replace(status=status)
    before = [replace(WATER, revision=number) for number in range(earlier)]
    read_cap(alarm_alert(CapMessage(event, before), make_model(), origin))
    read_cap(city_alert([event, WATER], time, make_model(), origin))


async def cap(client: httpx.AsyncClient, query: str = "", **headers: str) -> Any:
    response = await client.get(f"/v1/alarms/cap{query}", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/cap+xml")
    return read_cap(response.content)


async def test_all_alarms_in_force_are_one_alert(client: httpx.AsyncClient, parts: ApiContext) -> None:
    assert element_texts(await cap(client), "note") == ["No alarm is in force."]
    shelved = alarm_event("shelved", state="shelved", shelved_until=NOW + HOUR)
    over = returned_event(acknowledged_event(alarm_event("over")))
    batch = AlarmBatch(LAYOUT_VERSION, NOW, (WATER, AIR, SILENT, POWER, shelved, over))
    parts.hub.on_alarms(2, 0, batch)
    alert = await cap(client)
    codes = set(element_texts(alert, "info/eventCode/value"))
    assert codes == {"high-water", "bad-air", "overload"}
    assert len(alert.findall("{*}info")) == 6
    assert len((await cap(client, "?theme=water")).findall("{*}info")) == 2
    assert len((await cap(client, "?severity=warning")).findall("{*}info")) == 2
    assert len((await cap(client, "?parent=city.east")).findall("{*}info")) == 2


async def test_alerts_contain_nothing_of_a_household_for_any_role(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    parts.hub.on_alarms(2, 0, AlarmBatch(LAYOUT_VERSION, NOW, (SILENT, POWER)))
    for headers in ({}, {"Authorization": "Bearer sesame"}):
        alert = etree.tostring(await cap(client, **headers)).decode()
        assert "meter-1" not in alert
        assert "3.5" not in alert
        assert "0,25" not in alert
        assert (await client.get(f"/v1/alarms/{SILENT.alarm}/cap", headers=headers)).status_code == 404


async def test_a_stored_name_with_control_characters_breaks_no_document(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    model = placed(None)
    canal = dataclasses.replace(model.entities["city.canal"], name="Canal\r\n\x1b[2J\uffff1")
    model = dataclasses.replace(model, version=2, entities={**model.entities, "city.canal": canal})
    parts.hub.set_model(model)
    parts.hub.on_alarms(2, 0, AlarmBatch(LAYOUT_VERSION, NOW, (WATER,)))
    response = await client.get("/v1/alarms/cap", headers={"Accept": "application/atom+xml"})
    assert etree.fromstring(response.content).findtext("{*}entry/{*}title") == "High water, Canal [2J 1"
    alert = read_cap(alarm_alert(CapMessage(WATER), model, ORIGIN))
    assert element_texts(alert, "info/headline")[0] == "High water, Canal [2J 1"


async def test_the_feed_links_to_the_alert_of_each_alarm(
    client: httpx.AsyncClient, parts: ApiContext
) -> None:
    parts.hub.on_alarms(2, 0, AlarmBatch(LAYOUT_VERSION, NOW, (WATER, AIR)))
    response = await client.get("/v1/alarms/cap", headers={"Accept": "application/atom+xml"})
    assert response.headers["content-type"].startswith("application/atom+xml")
    feed = etree.fromstring(response.content)
    atom = "{http://www.w3.org/2005/Atom}"
    assert feed.tag == f"{atom}feed"
    for name in ("id", "title", "updated", "author/{*}name"):
        assert feed.findtext(f"{{*}}{name}")
    links = [one.get("href") for one in feed.findall("{*}entry/{*}link")]
    assert sorted(links) == [
        f"http://localhost:8080/v1/alarms/{alarm.alarm}/cap"
        for alarm in sorted((AIR, WATER), key=lambda x: x.alarm)
    ]
    assert len({one.text for one in feed.findall("{*}entry/{*}id")}) == 2
