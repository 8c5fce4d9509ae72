"""The law of the cursor: whoever resumes at any event is told exactly what came after it, of both topics."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client import CollectorRegistry

from api.alarm_events import alarm_data
from api.cursor import decode_cursor
from api.events import state_data
from api.hub import Hub
from api.lanes import lanes
from api.metrics import ApiMetrics
from api.selection import Filter
from api.subscriber import Subscriber
from api.view import Seed
from tests.alarm_events import NOON, alarm_event
from tests.cities import small_city
from twin.alarms.messages import AlarmBatch, AlarmEvent
from twin.codec import VERSION
from twin.messages import Update
from twin.observation import Observation

MODEL = small_city()
PARTITIONS = 2
PLACES = [(1, "town.street"), (4, "town.canal")]


class Record(NamedTuple):
    """A record of one lane: of updates, or of alarms."""

    lane: int
    things: list[tuple[int, int]]  #: which entity or alarm, which revision


# Revisions repeat and go back, as they do when a stage tells again what it told before a crash.
RECORDS = st.lists(
    st.builds(
        Record,
        st.integers(0, len(lanes(PARTITIONS)) - 1),
        st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), max_size=4),
    ),
    max_size=12,
)
FILTERS = st.sampled_from(
    [
        Filter(),
        Filter(changes=frozenset({"alarm"})),
        Filter(changes=frozenset({"state"})),
        Filter(entities=frozenset({"town.canal"})),
        Filter(properties=frozenset({"water_level"})),
        Filter(themes=frozenset({"water"})),
    ]
)


def update(which: int, revision: int) -> Update:
    datastream, entity = PLACES[which]
    name = MODEL.datastreams[datastream].property
    measured = Observation(datastream, NOON, NOON, float(revision), 0)
    return Update(entity, name, revision, float(revision), NOON, NOON, 0, (datastream,), measured)


def alarm(which: int, revision: int) -> AlarmEvent:
    return structs.replace(alarm_event("wet", PLACES[which][1], revision), area="town")


def write(hub: Hub, records: list[Record], offsets: list[int]) -> None:
    for lane, things in records:
        if lane < PARTITIONS:
            hub.take(lane, offsets[lane], [update(*one) for one in things])
        else:
            batch = AlarmBatch(VERSION, NOON, tuple(alarm(*one) for one in things))
            hub.take_alarms(lane, offsets[lane], batch)
        offsets[lane] += 1


def told(subscriber: Subscriber) -> list[tuple[str, dict[str, Any]]]:
    chunk = asyncio.run(subscriber.next(0)) or b""
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
def test_resuming_at_any_event_tells_the_rest_and_a_snapshot_what_is(
    before: list[Record], after: list[Record], wanted: Filter
) -> None:
    hub = Hub(
        MODEL, lambda: NOON, ApiMetrics(CollectorRegistry()), partitions=PARTITIONS, ring_events_max=1_000
    )
    hub.reset("log", Seed(), [0] * len(lanes(PARTITIONS)))
    offsets = [0] * len(lanes(PARTITIONS))
    write(hub, before, offsets)
    subscriber = Subscriber(wanted, 1_000_000)
    snapshot = hub.join(subscriber)
    known = {one.alarm: one.revision for one in snapshot.alarms}
    write(hub, after, offsets)
    events = told(subscriber)
    # From each cursor, the snapshot's too, exactly the rest comes.
    cursors = [snapshot.cursor, *(decode_cursor(one) for one, _ in events)]
    for number, cursor in enumerate(cursors):
        missed = hub.resume(Subscriber(wanted, 1_000_000), cursor)
        assert missed is not None
        assert [data_of(one.told) for one in missed.entries] == [data for _, data in events[number:]]
        assert missed.aged == []
    # Snapshot and events together are what the view shows.
    for _, data in events:
        if "alarmId" in data:
            assert data["revision"] > known.get(data["alarmId"], 0)
            known[data["alarmId"]] = data["revision"]
    assert known == {one.alarm: one.revision for one in hub.join(Subscriber(wanted, 1_000_000)).alarms}
