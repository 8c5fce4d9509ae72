"""The log as a stream: its offsets, its pages from the replay buffer and from Kafka."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from math import nan
from typing import Any, cast

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from api.http.problems import ProblemError
from api.live.cursor import PartitionPosition
from api.live.hub import Hub
from api.live.live_view import ViewSeed
from api.live.log_replay import LOOKBACK_RECORDS, LogReplay, ReplayedRecord, ReplayError
from api.live.models import GapReason
from api.metrics import ApiMetrics
from api.streams.live_log import LiveLog, LogOffset, OffsetError, decode_offset, encode_offset
from api.streams.protocol import START
from tests.support.payloads.alarm_events import alarm_event
from tests.unit.api.conftest import NOW
from twin.alarms.messages import AlarmBatch
from twin.instant import HOUR
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import Update, UpdateKind

FORBIDDEN = set(",&=?/ ")


class FakeReplay:
    """A log of four partitions in memory; it begins at `first`."""

    def __init__(self) -> None:
        self.first = [0, 0, 0, 0]
        self.records_of: list[dict[int, Sequence[Any]]] = [{}, {}, {}, {}]
        self.lookbacks: list[int] = []
        self.fails: GapReason | None = None

    async def first_offsets(self, partitions: int) -> list[int]:
        if self.fails is not None:
            raise ReplayError(self.fails)
        assert partitions == 4
        return self.first

    async def records(
        self,
        start: Sequence[PartitionPosition],
        end: Sequence[PartitionPosition],
        *,
        lookback: int = LOOKBACK_RECORDS,
    ) -> AsyncGenerator[ReplayedRecord, None]:
        self.lookbacks.append(lookback)
        if self.fails is not None:
            raise ReplayError(self.fails)
        if any(wanted[0] < first for wanted, first in zip(start, self.first, strict=True)):
            raise ReplayError(GapReason.LOG_TRUNCATED)
        for partition, records in enumerate(self.records_of):
            for offset, changes in sorted(records.items()):
                if max(self.first[partition], start[partition][0] - lookback) <= offset < end[partition][0]:
                    yield ReplayedRecord(partition, offset, changes)


class Log:
    """The hub and the log behind it, which get the same records."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.replay = FakeReplay()

    def add(self, partition: int, *updates: Update) -> None:
        offset = self.hub.positions[partition][0]
        self.replay.records_of[partition][offset] = updates
        self.hub.on_updates(partition, offset, updates)

    def stream(self, **options: int) -> LiveLog:
        return LiveLog(self.hub, cast(LogReplay, self.replay), **options)


@pytest.fixture
def log(hub: Hub) -> Log:
    return Log(hub)


def revisions(body: bytes | None) -> list[int]:
    return [message["data"]["revision"] for message in json.loads(body or b"[]")]


async def read_all(stream: LiveLog, offset: str = START) -> tuple[list[Any], list[str]]:
    """Return the messages from an offset to the tail, and the offsets on the way."""
    messages: list[Any] = []
    offsets: list[str] = []
    while True:
        page = await stream.read(offset)
        messages += json.loads(page.body or b"[]")
        offset = page.next_offset
        offsets.append(offset)
        if page.up_to_date:
            return messages, offsets


async def test_messages_are_the_events_of_the_live_stream(
    log: Log, make_update: Callable[..., Update]
) -> None:
    log.add(0, make_update(1, 1, 11.2))
    log.hub.on_alarms(2, 0, AlarmBatch(LAYOUT_VERSION, NOW, (alarm_event(),)))
    log.replay.first = [0, 0, 0, 0]
    page = await log.stream().read(START)
    state, alarm = json.loads(page.body or b"")
    assert (state["event"], state["data"]["entityId"], state["data"]["value"]) == (
        "state",
        "city.east.hill",
        11.2,
    )
    assert (alarm["event"], alarm["data"]["alarmId"]) == ("alarm", alarm_event().alarm)
    assert page.up_to_date


async def test_offsets_rise_as_texts_along_any_reading(log: Log, make_update: Callable[..., Update]) -> None:
    for revision in range(1, 40):
        log.add(revision % 2, make_update(1 + revision % 2, revision))
    read, offsets = await read_all(log.stream(page_bytes_max=1, page_records_max=3))
    assert len(read) == 39
    assert len(offsets) > 8
    assert offsets == sorted(set(offsets))
    assert offsets[0] > START
    assert not FORBIDDEN & set("".join(offsets))


@pytest.mark.parametrize("options", [{}, {"page_bytes_max": 1}, {"page_records_max": 2}])
async def test_each_offset_resumes_exactly_there_from_the_buffer_and_from_the_log(
    log: Log, make_update: Callable[..., Update], options: dict[str, int]
) -> None:
    for revision in range(1, 21):
        log.add(0, make_update(1, revision), make_update(2, revision + 100))
        log.add(1, make_update(4, revision + 200))
    stream = log.stream(**options)
    read, offsets = await read_all(stream)
    assert len(read) == 60
    sent = 0
    for offset in [START, *offsets]:
        rest, _ = await read_all(log.stream(), offset)
        page = await log.stream(**options).read(offset)
        for entity in ("city.east.hill", "city.canal"):
            assert of_entity(rest, entity) == of_entity(read[sent:], entity)
        sent += len(json.loads(page.body or b"[]"))
    assert sent == 60


def of_entity(messages: list[Any], entity: str) -> list[Any]:
    return [each for each in messages if each["data"]["entityId"] == entity]


async def test_a_reader_at_the_tail_gets_new_messages_without_the_log(
    log: Log, make_update: Callable[..., Update]
) -> None:
    stream = log.stream()
    offset = await stream.tail()
    log.replay.fails = GapReason.LOG_UNREADABLE
    for revision in range(1, 5):
        log.add(0, make_update(1, revision))
        page = await stream.read(offset)
        assert (revisions(page.body), page.up_to_date) == ([revision], True)
        offset = page.next_offset
    assert (await stream.read(offset)).body is None


async def test_repeated_updates_and_those_of_households_move_the_offset_in_silence(
    log: Log, make_update: Callable[..., Update]
) -> None:
    log.add(0, make_update(1, 7))
    offset = await log.stream().tail()
    personal = structs.replace(make_update(5, 8, 0.4), value=nan, kind=UpdateKind.PERSONAL)
    log.add(0, make_update(1, 6), make_update(1, 7))
    log.add(1, personal, structs.replace(make_update(1, 9), kind=UpdateKind.AMENDMENT))
    from_buffer = await log.stream().read(offset)
    log.hub._buffer.reset(log.hub.positions)
    from_log = await log.stream().read(offset)
    for page in (from_buffer, from_log):
        assert (page.body, page.up_to_date) == (None, True)
        assert page.next_offset > offset


async def test_old_records_are_read_from_the_log_once_with_a_lookback(
    log: Log, make_update: Callable[..., Update]
) -> None:
    for revision in range(1, 41):
        log.add(0, make_update(1, revision))
    stream = log.stream(page_records_max=10)
    read, _ = await read_all(stream)
    assert [each["data"]["revision"] for each in read] == list(range(1, 41))
    # The last page, of what the buffer has, takes nothing from the log.
    assert log.replay.lookbacks[0] == LOOKBACK_RECORDS
    assert set(log.replay.lookbacks[1:]) == {0}


async def test_a_page_ends_with_the_record_that_fills_it(
    log: Log, make_update: Callable[..., Update]
) -> None:
    for revision in range(1, 41):
        log.add(0, make_update(1, revision))
    stream = log.stream(page_bytes_max=1)
    for first in (0, 36):
        page = await stream.read(encode_offset(LogOffset("log-1", (first, 0, 0, 0))))
        assert (revisions(page.body), page.up_to_date) == ([first + 1], False)
        assert decode_offset(page.next_offset).records == (first + 1, 0, 0, 0)


async def test_a_page_of_the_log_goes_through_all_partitions_alike(
    log: Log, make_update: Callable[..., Update]
) -> None:
    for revision in range(1, 41):
        log.add(0, make_update(1, revision))
        if revision % 10 == 0:
            log.add(1, make_update(2, revision))
    page = await log.stream(page_records_max=11).read(START)
    assert decode_offset(page.next_offset).records == (10, 1, 0, 0)


async def test_the_freshness_of_a_message_is_that_at_its_reception(
    log: Log, clock: Any, make_update: Callable[..., Update]
) -> None:
    late = structs.replace(make_update(1, 2, measured=NOW - 2 * HOUR), received_time=NOW)
    log.add(0, make_update(1, 1), late)
    for later in (0, 5 * HOUR):
        clock.now = NOW + later
        page = await log.stream().read(START)
        assert [each["data"]["freshness"] for each in json.loads(page.body or b"")] == ["live", "silent"]


async def test_two_replicas_send_the_same_between_two_offsets(
    log: Log, model: Any, clock: Any, make_update: Callable[..., Update]
) -> None:
    other = Hub(model, clock, ApiMetrics(CollectorRegistry()), partitions=2, ring_events_max=1_000)
    other.reset("log-1", ViewSeed(), [0] * 4)
    for revision in range(1, 13):
        log.add(revision % 2, make_update(1 + revision % 2, revision))
    for partition in (1, 0):
        for number, updates in log.replay.records_of[partition].items():
            other.on_updates(partition, number, updates)
    offset = encode_offset(LogOffset("log-1", (2, 4, 0, 0)))
    here, there = (
        await log.stream().read(offset),
        await LiveLog(other, cast(LogReplay, log.replay)).read(offset),
    )
    assert here.next_offset == there.next_offset
    assert sorted(json.loads(here.body or b""), key=str) == sorted(json.loads(there.body or b""), key=str)
    assert len(json.loads(here.body or b"")) == 6


async def test_a_view_that_got_the_stored_state_late_hides_no_message(
    log: Log, make_update: Callable[..., Update]
) -> None:
    offset = await log.stream().tail()
    stored = make_update(1, 3)
    log.hub.merge(ViewSeed(updates=(stored,), offsets={("updates", 0): 3}))
    for revision in (1, 2, 3, 4):
        log.add(0, make_update(1, revision))
    page = await log.stream().read(offset)
    assert revisions(page.body) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("offset", "status"),
    [
        (LogOffset("log-0", (0, 0, 0, 0)), 410),
        (LogOffset("log-1", (0, 0)), 410),
        (LogOffset("log-1", (1, 0, 0, 0)), 410),
        (LogOffset("log-1", (99, 0, 0, 0)), 503),
    ],
)
async def test_an_offset_that_cannot_be_read_from_is_told_why(
    log: Log, make_update: Callable[..., Update], offset: LogOffset, status: int
) -> None:
    for revision in range(1, 21):
        log.add(0, make_update(1, revision))
    log.replay.first = [2, 0, 0, 0]
    with pytest.raises(ProblemError) as refused:
        await log.stream().read(encode_offset(offset))
    assert refused.value.status == status
    assert ("offset=-1" in refused.value.detail) == (status == 410)
    assert ("Retry-After" in refused.value.headers) == (status == 503)
    assert len((await read_all(log.stream()))[0]) == 18


async def test_before_there_is_a_log_readers_are_told_to_wait(model: Any, clock: Any) -> None:
    empty = Hub(model, clock, ApiMetrics(CollectorRegistry()), partitions=2, ring_events_max=1)
    stream = LiveLog(empty, cast(LogReplay, FakeReplay()))
    for call in (stream.tail(), stream.read(START)):
        with pytest.raises(ProblemError) as refused:
            await call
        assert refused.value.status == 503


async def test_a_log_that_does_not_answer_is_a_problem_for_later(
    log: Log, make_update: Callable[..., Update]
) -> None:
    for revision in range(1, 21):
        log.add(0, make_update(1, revision))
    log.replay.fails = GapReason.LOG_UNREADABLE
    for offset in (START, encode_offset(LogOffset("log-1", (1, 0, 0, 0)))):
        with pytest.raises(ProblemError) as refused:
            await log.stream().read(offset)
        assert refused.value.status == 503


VALID = encode_offset(LogOffset("log-1", (7, 0, 300, 0)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "now ",
        "-2",
        VALID + "A",
        VALID[:-1],
        "1" + VALID[1:],
        VALID.upper(),
        "é" + VALID,
        VALID.partition("_")[2],
        encode_offset(LogOffset("log-1", (1 << 53, 0))),
        "0" * 40_000,
    ],
)
def test_a_text_that_is_no_offset_is_refused(text: str) -> None:
    assert decode_offset(VALID) == LogOffset("log-1", (7, 0, 300, 0))
    with pytest.raises(OffsetError):
        decode_offset(text)


async def test_messages_are_encoded_anew_for_another_model(
    log: Log, slower_model: Any, make_update: Callable[..., Update]
) -> None:
    late = structs.replace(make_update(1, 1, measured=NOW - HOUR // 2), received_time=NOW)
    log.add(0, late)
    stream = log.stream()
    found = []
    for _ in range(2):
        page = await stream.read(encode_offset(LogOffset("log-1", (0, 0, 0, 0))))
        found.append(json.loads(page.body or b"")[0]["data"]["freshness"])
        log.hub.set_model(slower_model)
    assert found == ["stale", "live"]
