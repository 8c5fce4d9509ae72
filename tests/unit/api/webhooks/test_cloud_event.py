"""CloudEvents of the live stream, in the NL GOV profile and in the form of earlier versions."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from api.live.alarm_events import alarm_data
from api.live.events import EventName, LiveEvent, gap_data, state_data
from api.live.models import GapReason
from api.webhooks.cloud_event import DEPRECATED, SUNSET, EventSource, cloud_event
from storage.stores.webhooks import WebhookFormat
from tests.support.payloads.alarm_events import alarm_event, operand_value
from tests.unit.api.conftest import NOW, make_model
from twin.instant import DAY
from twin.model.observation import Observation
from twin.wire.messages import Update

MODEL = make_model()
RECEIVED = NOW + 1_500_000
_STATE = state_data(
    Update(
        "city.east.hill", "pm2_5", 7, 11.2, NOW, RECEIVED, 0, (1,), Observation(1, NOW, RECEIVED, 11.2, 0)
    ),
    "live",
    MODEL,
)
_ALARM = alarm_data(alarm_event(operands=(operand_value(),)), MODEL)
assert _STATE is not None
assert _ALARM is not None
STATE, ALARM = _STATE, _ALARM
GAP = gap_data(GapReason.LOG_CHANGED)
SOURCE = EventSource.of_city("city", "urn:nld:oin:00000001234567890000:systeem:livetwin", "nl.city-twin")
EVENTS: list[tuple[EventName, bytes]] = [
    ("state", STATE),
    ("alarm", ALARM),
    ("snapshot", STATE),
    ("snapshot", ALARM),
    ("snapshot", b'{"complete":true}'),
    ("gap", GAP),
]


def encoded(name: EventName, data: bytes, format: WebhookFormat = "nlgov", after: str = "before") -> bytes:
    return msgspec.json.encode(cloud_event(LiveEvent("behind", name, data), SOURCE, format, after))


def document(name: EventName, data: bytes, after: str = "before") -> dict[str, object]:
    found: dict[str, object] = json.loads(encoded(name, data, after=after))
    return found


def test_a_state_is_an_event_about_its_entity() -> None:
    assert document("state", STATE) == {
        "specversion": "1.0",
        "id": "state/city.east.hill/pm2_5/7/live",
        "source": "urn:nld:oin:00000001234567890000:systeem:livetwin",
        "type": "nl.city-twin.state-changed.v1",
        "subject": "city.east.hill",
        # When it was received: when it was measured is in the data.
        "time": "2026-11-23T12:00:01.500000Z",
        "datacontenttype": "application/json",
        "sequence": "00000000000000000007",
        "cursor": "behind",
        "data": json.loads(STATE),
    }


def test_an_alarm_is_an_event_about_itself() -> None:
    found = document("alarm", ALARM)
    assert (found["id"], found["type"]) == ("alarm/high-water~city.canal/1", "nl.city-twin.alarm-changed.v1")
    assert found["subject"] == "high-water~city.canal"
    assert found["sequence"] == "00000000000000000001"
    assert "time" not in found, "when it was logged is not known"


@pytest.mark.parametrize(("name", "data"), EVENTS)
def test_every_event_is_valid_in_the_profile(name: EventName, data: bytes) -> None:
    found = document(name, data)
    assert found.keys() >= {"specversion", "id", "source", "type", "datacontenttype", "data"}
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", attribute) for attribute in found)
    attributes = {key: value for key, value in found.items() if key != "data"}
    assert all(isinstance(value, str) and value for value in attributes.values())
    assert found["specversion"] == "1.0"
    assert re.fullmatch(r"urn:nld:oin:\d{20}:systeem:[a-z-]+", str(found["source"]))
    # Reverse-DNS, with one version behind the letter v at most.
    assert re.fullmatch(r"nl(\.[a-z][a-z0-9-]*)+\.v\d+", str(found["type"]))
    assert str(found["type"]).count(".v") == 1
    assert "sequencetype" not in found, "it would stand for 32 bits"
    assert len(encoded(name, data)) <= 64 * 1024


def test_sequences_are_ordered_as_texts() -> None:
    revisions = [7, 88, 4_294_967_303, 2**53 - 1]
    found = [
        str(document("state", STATE.replace(b'"revision":7', b'"revision":%d' % each))["sequence"])
        for each in revisions
    ]
    assert found == sorted(found)
    assert [int(each) for each in found] == revisions


@pytest.mark.parametrize(
    ("city", "urn", "prefix"), [("alkmaar", "urn:nld:alkmaar-twin:systeem:livetwin", "nl.alkmaar-twin")]
)
def test_a_city_without_settings_has_a_source_of_its_own(city: str, urn: str, prefix: str) -> None:
    assert EventSource.of_city(city) == EventSource(city=city, urn=urn, type_prefix=prefix)


# What earlier versions sent, byte for byte.
_OF_STATE = (
    b'"source":"/livetwin/city","type":"livetwin.%b","subject":"city.east.hill",'
    b'"time":"2026-11-23T12:00:00Z","datacontenttype":"application/json","cursor":"behind","data":'
    + STATE
    + b"}"
)
_OF_ALARM = (
    b'"source":"/livetwin/city","type":"livetwin.%b","subject":"high-water~city.canal",'
    b'"time":"2026-11-23T12:00:00Z","datacontenttype":"application/json","cursor":"behind","data":'
    + ALARM
    + b"}"
)
_OF_GAP = (
    b'"source":"/livetwin/city","type":"livetwin.%b",'
    b'"datacontenttype":"application/json","cursor":"behind","data":'
)
_PLACE = b"place/6db7d803e74f1ffa7d8f5adc0bf95b3e"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("state", STATE, b'"id":"state/city.east.hill/pm2_5/7/live",' + _OF_STATE % b"state"),
        ("alarm", ALARM, b'"id":"alarm/high-water~city.canal/1",' + _OF_ALARM % b"alarm"),
        ("snapshot", STATE, b'"id":"snapshot/state/city.east.hill/pm2_5/7/live",' + _OF_STATE % b"snapshot"),
        ("snapshot", ALARM, b'"id":"snapshot/alarm/high-water~city.canal/1",' + _OF_ALARM % b"snapshot"),
        (
            "snapshot",
            b'{"complete":true}',
            b'"id":"snapshot/%b",' % _PLACE + _OF_GAP % b"snapshot" + b'{"complete":true}}',
        ),
        ("gap", GAP, b'"id":"gap/%b",' % _PLACE + _OF_GAP % b"gap" + GAP + b"}"),
    ],
)
def test_the_deprecated_form_has_not_changed(name: EventName, data: bytes, expected: bytes) -> None:
    assert encoded(name, data, "livetwin") == b'{"specversion":"1.0",' + expected


def test_the_deprecated_form_is_sent_for_a_year() -> None:
    assert SUNSET - DEPRECATED == 365 * DAY


@pytest.mark.parametrize(("name", "data"), [("state", STATE), ("gap", GAP)])
def test_an_id_is_the_same_for_every_delivery(name: EventName, data: bytes) -> None:
    assert document(name, data)["id"] == document(name, data)["id"]
    assert document("snapshot", data)["id"] != document(name, data)["id"]
    assert document(name, data)["id"] == json.loads(encoded(name, data, "livetwin"))["id"]


def test_gaps_after_different_cursors_are_different_events() -> None:
    assert document("gap", GAP, "a")["id"] != document("gap", GAP, "b")["id"]
    assert {"subject", "sequence", "time"}.isdisjoint(document("gap", GAP))
