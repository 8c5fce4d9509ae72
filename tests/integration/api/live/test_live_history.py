"""The live stream from a start, or after a lost log: stored history, then the log, with one cursor."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from random import Random
from typing import Any, TypeAlias

import pytest

from api.bulk.slots import DownloadSlots
from api.live.cursor import Cursor, HistoryPlace, encode_cursor
from api.live.event_stream import MISSED_BEFORE_SNAPSHOT_MAX
from api.live.history.history_player import HISTORY_SPAN_MAX
from cli.embedded.ports import free_port
from runtime.clock import system_clock
from runtime.kafka import topics
from runtime.kafka.consumer import log_identity
from storage.stores.log_positions import move_positions, read_positions
from tests.integration.api.live.test_live_alarms import write_alarms
from tests.integration.api.stored_city import StoredCity, published_update, store_records
from tests.support.database.history_rows import store_observations
from tests.support.payloads.alarm_events import alarm_event, alarm_record
from tests.support.receivers.live_socket_reader import live_socket
from twin.alarms.messages import AlarmEvent
from twin.instant import DAY, HOUR, Instant, format_instant, to_datetime
from twin.model.observation import Observation
from twin.wire.messages import Update, partition_of

PARTITIONS = 4
MARKED = 0.3
UNLIMITED = {"client_requests_per_s": 10_000, "client_requests_burst": 10_000}
FOLLOWED = [f"city.{number}" for number in range(7)]
HOUSEHOLD = "city.7"

Event: TypeAlias = tuple[str, str, dict[str, Any]]
Shown: TypeAlias = tuple[Any, ...]


def shown(data: dict[str, Any]) -> Shown:
    """Return what an event says of a value, without its revision."""
    names = ("entityId", "property", "value", "phenomenonTime", "receivedTime", "quality")
    return tuple(data[name] for name in names)


def lost_cursor(api: Any, time: Instant) -> str:
    """Return a cursor of a time in a log that is gone."""
    return encode_cursor(Cursor("a log that is gone", tuple(api.context.hub.positions), time))


class Recorder:
    """Writes updates and events of alarms to the log and to the database, as stream and historian do."""

    def __init__(self, stored: StoredCity, log: Any, kafka: str, log_id: str) -> None:
        self._stored = stored
        self._log = log
        self._kafka = kafka
        self._log_id = log_id
        self._offsets = {
            (topic, number): 0 for topic in (topics.UPDATES, topics.ALARMS) for number in range(PARTITIONS)
        }
        self._waiting: list[Observation] = []
        self._waiting_alarms: list[AlarmEvent] = []
        self._alarm_revision = 0
        self._waiting_since: Instant | None = None
        self.held: Instant | None = None  #: history ends here at the latest

    def clock(self) -> Instant:
        """Return the time until which everything that was received is stored: a clock for histories."""
        now = system_clock() if self._waiting_since is None else self._waiting_since
        return now if self.held is None else min(now, self.held)

    async def write(self, *entities: str) -> None:
        """Write one update of each entity to the log."""
        self._hold()
        for entity in entities:
            update = self._log.update(entity)
            await self._log.write([update])
            self._offsets[topics.UPDATES, partition_of(entity, PARTITIONS)] += 1
            self._waiting.append(update.observation)

    async def tell(self, entity: str) -> None:
        """Write an event of an alarm to the log."""
        self._hold()
        self._alarm_revision += 1
        event = alarm_event(entity=entity, revision=self._alarm_revision, told_time=system_clock())
        await write_alarms(self._kafka, event)
        self._offsets[topics.ALARMS, partition_of(entity, PARTITIONS)] += 1
        self._waiting_alarms.append(event)

    def _hold(self) -> None:
        if self._waiting_since is None:
            self._waiting_since = system_clock()

    async def store(self) -> None:
        """Store everything that was written, and the positions."""
        connection = self._stored.connection
        await store_observations(connection, self._waiting)
        if self._waiting_alarms:
            await store_records(self._stored, (topics.ALARMS, 0, alarm_record(*self._waiting_alarms)))
        before = await read_positions(connection, self._log_id)
        assert await move_positions(connection, self._log_id, before, self._offsets)
        await connection.commit()
        self._waiting.clear()
        self._waiting_alarms.clear()
        self._waiting_since = None


@pytest.fixture
async def recorder(stored: StoredCity, log: Any, kafka: str) -> Recorder:
    return Recorder(stored, log, kafka, await log_identity(kafka))


StartPlaying = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def start_playing(start_api: Any, kafka: str, stored: StoredCity, recorder: Recorder) -> StartPlaying:
    """Start an api whose history ends just before now: all roles of a test have one clock."""

    @asynccontextmanager
    async def start(**options: Any) -> AsyncIterator[Any]:
        async with start_api(kafka, model=stored.model, database=stored.dsn, **options) as api:
            histories = api.context.histories
            histories.clock, histories.settled_after, histories.clock_skew_max = recorder.clock, 0, 1
            histories.page_rows_max = 7
            histories.slots = DownloadSlots(100, 100)
            yield api

    return start


async def read(api: Any, count: int, cursor: str | None = None, **query: str) -> list[Event]:
    async with api.follow(cursor, **query) as events:
        return [await events.next() for _ in range(count)]


def by_subject(events: Iterable[Event]) -> dict[str, list[Shown]]:
    """Return what events say by entity, and by alarm."""
    found: defaultdict[str, list[Shown]] = defaultdict(list)
    for _, name, data in events:
        if name == "alarm":
            found[data["alarmId"]].append(tuple(data.items()))
        else:
            assert name == "state"
            found[data["entityId"]].append(shown(data))
    return dict(found)


def without_repeated_alarms(events: Iterable[Event]) -> list[Event]:
    """Return events without those of an alarm with a revision that came before."""
    told: defaultdict[str, int] = defaultdict(int)
    found = []
    for event in events:
        _, name, data = event
        if name == "alarm":
            if data["revision"] <= told[data["alarmId"]]:
                continue
            told[data["alarmId"]] = data["revision"]
        found.append(event)
    return found


@pytest.mark.parametrize("is_held", [True, False])
async def test_history_and_log_are_what_a_follower_got_however_often_cut(
    is_held: bool, start_playing: StartPlaying, recorder: Recorder
) -> None:
    """Held, the rest is read from the log; else history goes on, as far as it gets before the log."""
    seed = 20261201
    random = Random(seed)
    total = states = 0
    async with (
        start_playing(**UNLIMITED) as first,
        start_playing(port=free_port(), **UNLIMITED) as other,
        first.follow() as steady,
    ):
        await steady.snapshot()
        start = format_instant(system_clock())

        async def record(rounds: int) -> None:
            nonlocal total, states
            for _ in range(rounds):
                entities = random.choices(FOLLOWED, k=random.randint(1, 6))
                await recorder.write(*entities, HOUSEHOLD)
                alarmed = random.choices(FOLLOWED, k=random.randint(0, 2))
                for entity in alarmed:
                    await recorder.tell(entity)
                await recorder.store()
                states += len(entities)
                total += len(entities) + len(alarmed)
                # As each second does: history may end here.
                for api in (first, other):
                    if random.random() < MARKED:
                        api.context.hub.mark_position()

        await record(15)
        for api in (first, other):
            api.context.hub.mark_position()
        marked = {api: api.context.hub.marks[-1].time for api in (first, other)}
        stored_before_mark = states
        await record(5)
        stored = states
        if is_held:
            # The log has again what was received between the mark and the end of history.
            recorder.held = system_clock()
            for api, time in marked.items():
                api.context.histories.clock_skew_max = recorder.held - time
        recording = asyncio.create_task(record(40))
        resumed: list[Event] = []
        cursor: str | None = None
        while not recording.done() or len(resumed) < total:
            wanted = min(random.randint(1, 9), total - len(resumed))
            found = await read(random.choice([first, other]), wanted, cursor, start=start)
            cursor = found[-1][0] if found else cursor
            resumed = without_repeated_alarms(resumed + found)
        await recording
        followed = [await steady.next() for _ in range(total)]
        # Nothing more comes: the next event is that of the next update.
        await recorder.write("city.0")
        await recorder.store()
        last = await read(other, 1, cursor)
        assert shown(last[0][2]) == shown((await steady.next())[2])
    assert by_subject(resumed) == by_subject(followed), f"seed {seed}"
    from_history = [data["revision"] for _, _, data in resumed].count(0)
    if is_held:
        assert from_history == stored, f"seed {seed}"
    else:
        # How much further history goes depends on speed: a reader that is at the last mark goes to the log.
        assert from_history >= stored_before_mark, f"seed {seed}"
    assert HOUSEHOLD not in by_subject(resumed)


@pytest.mark.parametrize("query", [{}, {"events": "state,alarm"}])
async def test_what_a_lost_log_had_is_played_from_the_database(
    query: dict[str, str], start_playing: StartPlaying, stored: StoredCity, recorder: Recorder
) -> None:
    derived = published_update("city.1", "pm2_5_24h", 3, system_clock(), 4.5)
    await stored.remember("another log", {}, derived)
    async with start_playing() as api:
        await api.shows(1)
        cursor = lost_cursor(api, system_clock())
        await recorder.write("city.1", "city.2")
        await recorder.tell("city.1")
        await recorder.write("city.1")
        await recorder.store()
        api.context.hub.mark_position()
        async with api.follow(cursor, **query) as events:
            played = [await events.next() for _ in range(5)]
            resumed = await read(api, 1, played[-2][0], **query)
            await recorder.write("city.2")
            after = await events.next()
    values = [data.get("value", name) for _, name, data in played]
    assert values == [1.0, 1.0, "alarm", 2.0, 4.5]
    assert after[2]["value"] == 2.0
    assert [shown(data) for _, _, data in resumed] == [shown(played[-1][2])]


async def test_who_takes_snapshots_gets_one_after_a_long_time(
    start_playing: StartPlaying, recorder: Recorder
) -> None:
    async with start_playing() as api:
        await recorder.write("city.1")
        await recorder.store()
        await api.shows(1)
        api.context.hub.mark_position()
        cursor = lost_cursor(api, system_clock() - MISSED_BEFORE_SNAPSHOT_MAX)
        found = await read(api, 2, cursor)
        assert [name for _, name, _ in found] == ["gap", "snapshot"]
        assert found[0][2]["reason"] == "log-changed"
        found = await read(api, 1, cursor, events="state,alarm")
        assert [(name, data["value"]) for _, name, data in found] == [("state", 1.0)]


async def test_a_lost_log_is_a_gap_for_more_subscribers_than_history_is_played_to(
    start_playing: StartPlaying,
) -> None:
    async with start_playing() as api:
        api.context.histories.missed_slots = DownloadSlots(0, 0)
        cursor = lost_cursor(api, system_clock())
        assert [name for _, name, _ in await read(api, 2, cursor)] == ["gap", "snapshot"]
        # Without snapshots there is nothing else to tell it what it missed: a webhook tries again.
        ((_, _, gap),) = await read(api, 1, cursor, events="state,alarm")
        assert gap["reason"] == "log-unreadable"


async def test_a_filter_a_socket_and_a_cursor_beside_the_start(
    start_playing: StartPlaying, recorder: Recorder
) -> None:
    async with start_playing() as api:
        start = format_instant(system_clock())
        await recorder.write("city.1", "city.2", "city.1", HOUSEHOLD)
        await recorder.store()
        async with live_socket(str(api.client.base_url).rstrip("/")) as socket:
            await socket.send("subscribe", subscription="a", filter={"entity": ["city.1"]}, start=start)
            events = [await socket.event() for _ in range(2)]
            await recorder.write("city.2", "city.1")
            events.append(await socket.event())
        assert [data["value"] for _, _, data in events] == [1.0, 2.0, 3.0]
        await recorder.store()
        # A browser repeats the query with the id of the last event.
        resumed = await read(api, 2, events[0][0], entity="city.1", start=start)
        assert [shown(data) for _, _, data in resumed] == [shown(data) for _, _, data in events[1:]]


async def test_a_value_that_was_silent_since_the_start_is_sent_at_the_end_of_history(
    start_playing: StartPlaying, stored: StoredCity, recorder: Recorder
) -> None:
    received = system_clock() - DAY
    await store_observations(
        stored.connection, [Observation(stored.datastream("city.1"), received, received, 7.0)]
    )
    update = Update(
        *("city.1", "pm2_5", 5, 7.0, received, received, 0, (stored.datastream("city.1"),)),
        Observation(stored.datastream("city.1"), received, received, 7.0),
    )
    await stored.remember("another log", {}, update)
    async with start_playing() as api:
        await api.shows(1)
        events = await read(api, 2, start=format_instant(received))
    assert [(data["value"], data["freshness"]) for _, _, data in events] == [(7.0, "live"), (7.0, "silent")]


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("yesterday", "value_error"),
        (format_instant(system_clock() + HOUR), "range"),
        (format_instant(system_clock() - HISTORY_SPAN_MAX - HOUR), "range"),
    ],
)
async def test_a_start_out_of_range_is_a_fault(start_playing: StartPlaying, start: str, code: str) -> None:
    async with start_playing() as api:
        refused = await api.client.get("/v1/live", params={"start": start})
        assert refused.status_code == HTTPStatus.BAD_REQUEST
        assert [(each["name"], each["code"]) for each in refused.json()["errors"]] == [("start", code)]
        async with live_socket(str(api.client.base_url).rstrip("/")) as socket:
            await socket.send("subscribe", subscription="a", start=start)
            problem = (await socket.answer("problem"))["problem"]
        assert [(each["name"], each["code"]) for each in problem["errors"]] == [("start", code)]


async def test_removed_history_and_a_place_of_long_ago_are_faults(
    start_playing: StartPlaying, stored: StoredCity
) -> None:
    now = system_clock()
    async with stored.connection.transaction():
        await stored.connection.execute(
            "INSERT INTO datastream_retention (datastream_id, raw_from) VALUES (%s, %s)",
            (stored.datastream("city.1"), to_datetime(now - HOUR)),
        )
    await stored.connection.commit()
    place = HistoryPlace(0, 0, 1, 0)
    old = encode_cursor(Cursor("", (), 0, history=place))
    async with start_playing() as api:
        removed = await api.client.get("/v1/live", params={"start": format_instant(now - DAY)})
        assert removed.status_code == HTTPStatus.BAD_REQUEST
        assert "were removed" in removed.json()["errors"][0]["detail"]
        # Another entity has all of its observations.
        async with api.follow(start=format_instant(now - DAY), entity="city.2"):
            pass
        refused = await api.client.get("/v1/live", headers={"Last-Event-ID": old})
        assert [each["name"] for each in refused.json()["errors"]] == ["cursor"]


async def test_streams_that_play_history_are_few(start_playing: StartPlaying) -> None:
    async with start_playing() as api:
        histories = api.context.histories
        histories.settled_after = HOUR  # History waits, and keeps its slot.
        query = {"start": format_instant(system_clock())}
        histories.slots = DownloadSlots(1, 1)
        async with api.follow(**query):
            refused = await api.client.get("/v1/live", params=query)
            assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
            assert int(refused.headers["Retry-After"]) > 0
            async with api.follow() as events:
                await events.snapshot()
        histories.slots = DownloadSlots(0, 1)
        refused = await api.client.get("/v1/live", params=query)
        assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE


async def test_history_needs_the_database(api: Any) -> None:
    start = format_instant(system_clock() - HOUR)
    refused = await api.client.get("/v1/live", params={"start": start})
    assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
