"""Messages of the WebSocket: the events of the stream in other words, divided between events."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from api.live.events import encode_event, gap_data
from api.live.messages import EventsMessage, ServerMessage, encode_message, event_messages
from api.live.models import GapReason, LiveGapEvent

TEXTS = st.text(alphabet='abc\n\r"\\{}: \u2028é€', max_size=20)


@given(
    data=st.lists(st.dictionaries(TEXTS, TEXTS, max_size=3), min_size=1, max_size=20),
    bytes_max=st.integers(1, 500),
)
def test_messages_have_every_event_once_in_order(data: list[dict[str, str]], bytes_max: int) -> None:
    chunks = [
        encode_event("state", f"c{number}", msgspec.json.encode(each)) for number, each in enumerate(data)
    ]
    messages = [json.loads(text) for text in event_messages("a.b~c", b"".join(chunks), bytes_max)]
    events = [event for message in messages for event in message["events"]]
    assert events == [
        {"id": f"c{number}", "event": "state", "data": each} for number, each in enumerate(data)
    ]
    assert {(each["type"], each["subscription"]) for each in messages} == {("events", "a.b~c")}
    if max(map(len, chunks)) <= bytes_max:
        # As many as fit: no two neighbours would fit into one.
        sizes = [sum(len(chunks[int(event["id"][1:])]) for event in each["events"]) for each in messages]
        assert all(size <= bytes_max for size in sizes)


def test_a_message_is_what_its_model_encodes() -> None:
    chunk = encode_event("gap", "c1", gap_data(GapReason.TOO_SLOW))
    (text,) = event_messages("air", chunk)
    message = msgspec.json.decode(text, type=ServerMessage)
    assert json.loads(encode_message(message)) == json.loads(text)
    assert isinstance(message, EventsMessage)
    (event,) = message.events
    assert isinstance(event, LiveGapEvent)
    assert event.data.reason is GapReason.TOO_SLOW
