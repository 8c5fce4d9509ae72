"""Messages of webhooks: batches are bounded in number, bytes and time, and keep the order."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from api.live.events import EventName
from api.webhooks.cloud_event import CloudEvent
from outlets.webhook_message import (
    MESSAGE_BYTES_MAX,
    MESSAGE_EVENTS_MAX,
    BatchLimits,
    EncodedEvent,
    EventBatch,
    WebhookMessage,
    build_message,
    encode_event,
)

names = st.sampled_from(["state", "state", "state", "alarm", "snapshot", "gap"])


def event(number: int, name: EventName = "state", size: int = 0) -> EncodedEvent:
    data = msgspec.Raw(msgspec.json.encode({"text": "x" * size}))
    made = CloudEvent(
        specversion="1.0",
        id=str(number),
        source="urn:nld:city",
        type=f"nl.city.{name}",
        datacontenttype="application/json",
        cursor=f"c{number}",
        data=data,
    )
    return encode_event(name, made)


def messages_of(events: list[EncodedEvent], limits: BatchLimits) -> list[WebhookMessage]:
    """Return the messages of events that come one after the other."""
    batch, messages = EventBatch(limits), []
    for each in events:
        if not batch.accepts(each):
            messages.append(batch.take_message("batch"))
        batch.add(each, 0.0)
        if batch.is_full:
            messages.append(batch.take_message("batch"))
    return [*messages, batch.take_message("batch")] if batch else messages


@given(
    kinds=st.lists(st.tuples(names, st.integers(0, 400))),
    events_max=st.integers(1, 5),
    bytes_max=st.integers(200, 1_000),
)
def test_batches_keep_every_event_in_order_and_their_limits(
    kinds: list[tuple[EventName, int]], events_max: int, bytes_max: int
) -> None:
    events = [event(number, name, size) for number, (name, size) in enumerate(kinds)]
    messages = messages_of(events, BatchLimits(events_max, bytes_max))
    assert [one for message in messages for one in message.events] == [one.event for one in events]
    names_of = {one.event.id: one.name for one in events}
    for message in messages:
        assert 1 <= len(message.events) <= events_max
        assert len(message.body) <= bytes_max or len(message.events) == 1
        assert message.body == msgspec.json.encode(message.events)
        assert message.cursor == message.events[-1].cursor
        assert len(message.events) == 1 or all(names_of[one.id] != "gap" for one in message.events)


def test_a_batch_of_many_events_ends_at_its_number_of_events_and_of_bytes() -> None:
    many = messages_of([event(number) for number in range(250)], BatchLimits())
    assert [len(one.events) for one in many] == [MESSAGE_EVENTS_MAX, MESSAGE_EVENTS_MAX, 50]
    large = messages_of([event(number, size=60_000) for number in range(10)], BatchLimits())
    assert [len(one.events) for one in large] == [4, 4, 2]
    assert all(len(one.body) <= MESSAGE_BYTES_MAX for one in large)


def test_a_batch_is_due_some_time_after_its_first_event() -> None:
    batch = EventBatch(BatchLimits(wait_s=2.0))
    assert not batch
    batch.add(event(1), 10.0)
    batch.add(event(2, "snapshot"), 11.5)
    assert batch.due_s == 12.0
    batch.take_message("batch")
    batch.add(event(3), 20.0)
    assert batch.due_s == 22.0


def test_an_alarm_and_a_gap_do_not_wait() -> None:
    for name in ("alarm", "gap"):
        batch = EventBatch(BatchLimits(wait_s=2.0))
        if name == "alarm":
            batch.add(event(1), 10.0)
        batch.add(event(2, name), 10.5)
        assert batch.due_s == 10.5


def test_the_id_of_a_message_follows_from_its_events() -> None:
    events = [event(number) for number in range(3)]
    batch = build_message(events, "batch")
    assert batch.id == build_message(events, "batch").id != build_message(events[:2], "batch").id
    assert (batch.cursor, len(json.loads(batch.body))) == ("c2", 3)
    assert batch.content_type == "application/cloudevents-batch+json"
    single = build_message(events[:1], "single")
    assert json.loads(single.body)["specversion"] == "1.0"
    assert single.content_type == "application/cloudevents+json"
