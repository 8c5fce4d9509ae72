"""CloudEvents of the live stream, and the messages that carry them."""

from __future__ import annotations

import json

import msgspec
import pytest

from api.live.alarm_events import alarm_data
from api.live.events import LiveEvent, gap_data, state_data
from api.live.models import GapReason
from outlets.cloud_event import CloudEvent, build_message, cloud_event
from tests.support.payloads.alarm_events import alarm_event, operand_value
from tests.unit.api.conftest import NOW, make_model
from twin.model.observation import Observation
from twin.wire.messages import Update

MODEL = make_model()
_STATE = state_data(
    Update("city.east.hill", "pm2_5", 7, 11.2, NOW, NOW, 0, (1,), Observation(1, NOW, NOW, 11.2, 0)),
    "live",
    MODEL,
)
_ALARM = alarm_data(alarm_event(operands=(operand_value(),)), MODEL)
assert _STATE is not None
assert _ALARM is not None
STATE, ALARM = _STATE, _ALARM


def document(name: str, data: bytes, after: str = "before") -> dict[str, object]:
    event = cloud_event(LiveEvent("behind", name, data), "city", after)  # type: ignore[arg-type]
    found: dict[str, object] = json.loads(msgspec.json.encode(event))
    return found


def test_a_state_is_an_event_about_its_entity() -> None:
    assert document("state", STATE) == {
        "specversion": "1.0",
        "id": "state/city.east.hill/pm2_5/7/live",
        "source": "/livetwin/city",
        "type": "livetwin.state",
        "subject": "city.east.hill",
        "time": "2026-11-23T12:00:00Z",
        "datacontenttype": "application/json",
        "cursor": "behind",
        "data": json.loads(STATE),
    }


def test_an_alarm_is_an_event_about_itself() -> None:
    found = document("alarm", ALARM)
    assert (found["id"], found["type"]) == ("alarm/high-water~city.canal/1", "livetwin.alarm")
    assert (found["subject"], found["time"]) == ("high-water~city.canal", "2026-11-23T12:00:00Z")


@pytest.mark.parametrize(("name", "data"), [("state", STATE), ("gap", gap_data(GapReason.LOG_CHANGED))])
def test_an_id_is_the_same_for_every_delivery(name: str, data: bytes) -> None:
    assert document(name, data)["id"] == document(name, data)["id"]
    assert document("snapshot", data)["id"] != document(name, data)["id"]


def test_gaps_after_different_cursors_are_different_events() -> None:
    gap = gap_data(GapReason.LOG_CHANGED)
    assert document("gap", gap, "a")["id"] != document("gap", gap, "b")["id"]
    assert "subject" not in document("gap", gap)


def test_the_id_of_a_message_follows_from_its_events() -> None:
    events: list[CloudEvent] = [
        cloud_event(
            LiveEvent(cursor, "state", STATE.replace(b'"revision":7', b'"revision":%d' % number)), "city", ""
        )
        for number, cursor in enumerate("abc")
    ]
    batch = build_message(events, "batch")
    assert batch.id == build_message(events, "batch").id != build_message(events[:2], "batch").id
    assert (batch.cursor, len(json.loads(batch.body))) == ("c", 3)
    assert batch.content_type == "application/cloudevents-batch+json"
    single = build_message(events[:1], "single")
    assert json.loads(single.body)["specversion"] == "1.0"
    assert single.content_type == "application/cloudevents+json"
