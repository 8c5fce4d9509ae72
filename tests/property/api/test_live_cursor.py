"""The law of the cursor: a client that resumes at any event gets exactly the later events of both topics."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client import CollectorRegistry

from api.entities.selection import CHANGE_KINDS, EntityFilter
from api.live.alarm_events import alarm_data
from api.live.cursor import decode_cursor
from api.live.event_stream import EventStreams, _Stream
from api.live.events import state_data
from api.live.hub import Hub
from api.live.live_view import ViewSeed
from api.live.log_replay import LogReplay
from api.live.partition_order import ordered_partitions
from api.live.subscriber import Subscriber
from api.metrics import ApiMetrics
from tests.support.cities.small_cities import small_city
from tests.support.payloads.alarm_events import NOON, alarm_event
from twin.alarms.messages import AlarmBatch, AlarmEvent
from twin.instant import HOUR, SECOND, Instant
from twin.model.observation import Observation
from twin.state.freshness import freshness
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import Update

MODEL = small_city()
PARTITIONS = 2
PLACES = [(1, "town.street"), (4, "town.canal")]


class Record(NamedTuple):
    """A record of one partition: of updates, or of alarms."""

    lane: int
    things: list[tuple[int, int]]  #: which entity or alarm, which revision


# Revisions repeat and go back, as when a stage repeats its updates after a crash.
RECORDS = st.lists(
    st.builds(
        Record,
        st.integers(0, len(ordered_partitions(PARTITIONS)) - 1),
        st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), max_size=4),
    ),
    max_size=12,
)
FILTERS = st.sampled_from(
    [
        EntityFilter(),
        EntityFilter(change_kinds=frozenset({"alarm"})),
        EntityFilter(change_kinds=frozenset({"state"})),
        EntityFilter(entities=frozenset({"town.canal"})),
        EntityFilter(properties=frozenset({"water_level"})),
        EntityFilter(themes=frozenset({"water"})),
    ]
)


def update(which: int, revision: int, time: Instant = NOON) -> Update:
    datastream, entity = PLACES[which]
    name = MODEL.datastreams[datastream].property
    measured = Observation(datastream, time, time, float(revision), 0)
    return Update(entity, name, revision, float(revision), time, time, 0, (datastream,), measured)


def alarm(which: int, revision: int) -> AlarmEvent:
    return structs.replace(alarm_event("wet", PLACES[which][1], revision), area="town")


def write(hub: Hub, records: list[Record], offsets: list[int]) -> None:
    for lane, things in records:
        if lane < PARTITIONS:
            hub.on_updates(lane, offsets[lane], [update(*one) for one in things])
        else:
            batch = AlarmBatch(LAYOUT_VERSION, NOON, tuple(alarm(*one) for one in things))
            hub.on_alarms(lane, offsets[lane], batch)
        offsets[lane] += 1


def received_events(subscriber: Subscriber) -> list[tuple[str, dict[str, Any]]]:
    chunk = asyncio.run(subscriber.next_chunk(0)) or b""
    found = []
    for text in chunk.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in text.split("\n"))
        found.append((fields["id"], json.loads(fields["data"])))
    return found


def data_of(one: Update | AlarmEvent) -> dict[str, Any]:
    found = alarm_data(one, MODEL) if isinstance(one, AlarmEvent) else state_data(one, "live", MODEL)
    assert found is not None
    data: dict[str, Any] = json.loads(found)
    return data


@given(RECORDS, RECORDS, FILTERS)
def test_resuming_at_any_event_sends_the_rest_and_a_snapshot_the_present_state(
    before: list[Record], after: list[Record], wanted: EntityFilter
) -> None:
    hub = Hub(
        MODEL, lambda: NOON, ApiMetrics(CollectorRegistry()), partitions=PARTITIONS, ring_events_max=1_000
    )
    hub.reset("log", ViewSeed(), [0] * len(ordered_partitions(PARTITIONS)))
    offsets = [0] * len(ordered_partitions(PARTITIONS))
    write(hub, before, offsets)
    subscriber = Subscriber(wanted, 1_000_000)
    snapshot = hub.join(subscriber)
    known = {one.alarm: one.revision for one in snapshot.alarms}
    write(hub, after, offsets)
    events = received_events(subscriber)
    # From each cursor, the snapshot's too, exactly the rest comes.
    cursors = [snapshot.cursor, *(decode_cursor(one) for one, _ in events)]
    for number, cursor in enumerate(cursors):
        missed = hub.resume(Subscriber(wanted, 1_000_000), cursor)
        assert missed is not None
        assert [data_of(one.change) for one in missed.changes] == [data for _, data in events[number:]]
        assert missed.aged == []
    # Snapshot and events together are what the view shows.
    for _, data in events:
        if "alarmId" in data:
            assert data["revision"] > known.get(data["alarmId"], 0)
            known[data["alarmId"]] = data["revision"]
    assert known == {one.alarm: one.revision for one in hub.join(Subscriber(wanted, 1_000_000)).alarms}


AGES = ("live", "stale", "silent")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("measured"), st.integers(0, 1), st.integers(0, 200)),
        st.tuples(st.just("pass"), st.integers(1, 200), st.none()),
        st.tuples(st.just("sweep"), st.integers(0, 1), st.none()),
        st.tuples(st.just("visit"), st.integers(0, 1), st.integers(1, 3)),
    ),
    max_size=30,
)


class Wanderer:
    """A client that switches between two replicas at any time, even while it receives missed events."""

    def __init__(self, now: Instant) -> None:
        self.now = now
        self.hubs = [
            Hub(
                MODEL,
                lambda: self.now,
                ApiMetrics(CollectorRegistry()),
                partitions=PARTITIONS,
                ring_events_max=1_000,
            )
            for _ in range(2)
        ]
        for hub in self.hubs:
            hub.reset("log", ViewSeed(), [0] * len(ordered_partitions(PARTITIONS)))
        self.cursor = self.hubs[0].cursor()
        self._seat: tuple[Hub, Subscriber] | None = None
        self.received: dict[str, list[tuple[int, int]]] = {}  #: by entity, revision and age

    async def visit(self, which: int, events_max: int) -> None:
        """Receive some more events here, then some of the missed events of a replica, and stay there."""
        if self._seat is not None:
            self._take(await self._seat[1].next_chunk(0) or b"", events_max)
            self._seat[0].leave(self._seat[1])
        hub = self.hubs[which]
        streams = EventStreams(
            hub, LogReplay("127.0.0.1:9", 1), hub._metrics, subscribers_max=9, queue_bytes_max=1_000_000
        )
        subscriber = Subscriber(EntityFilter(), 1_000_000)
        missed = _Stream(streams, subscriber, CHANGE_KINDS)._resume(self.cursor)
        whole = self._take(b"".join([chunk async for chunk in missed]), events_max)
        self._seat = (hub, subscriber) if whole else None

    def _take(self, chunk: bytes, events_max: int) -> bool:
        """Receive this many events; return whether these were all."""
        events = chunk.decode().split("\n\n")[:-1]
        for event in events[:events_max]:
            fields = dict(line.split(": ", 1) for line in event.split("\n"))
            data = json.loads(fields["data"])
            self.cursor = decode_cursor(fields["id"])
            age = AGES.index(data["freshness"])
            self.received.setdefault(data["entityId"], []).append((data["revision"], age))
        return len(events) <= events_max


@given(STEPS)
@example([("measured", 1, 0), ("visit", 0, 1), ("measured", 1, 0), ("pass", 182, None), ("sweep", 0, None)])
def test_a_client_of_two_replicas_gets_every_value_once_at_each_age(
    steps: list[tuple[str, int, int | None]],
) -> None:
    client, offset, revisions, newest = Wanderer(NOON), 0, [0, 0], [NOON - HOUR, NOON - HOUR]
    for what, first, second in steps:
        match what:
            case "measured":
                revisions[first] += 1
                newest[first] = max(newest[first] + SECOND, client.now - (second or 0) * SECOND)
                for hub in client.hubs:
                    hub.on_updates(0, offset, [update(first, revisions[first], newest[first])])
                offset += 1
            case "pass":
                client.now += first * SECOND
            case "sweep":
                client.hubs[first].age_values()
            case _:
                asyncio.run(client.visit(first, second or 1))
    asyncio.run(client.visit(0, 1_000))
    for number, (datastream, entity) in enumerate(PLACES):
        received = client.received.get(entity, [])
        assert received == sorted(set(received))
        assert {revision for revision, _ in received} == set(range(1, revisions[number] + 1))
        if received:
            fresh = freshness(newest[number], MODEL.datastreams[datastream].interval, client.now)
            assert received[-1] == (revisions[number], AGES.index(fresh))
