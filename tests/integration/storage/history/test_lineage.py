"""The sources of values are read correctly, by the indexes that the statements name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from storage.database import Connection, connect
from storage.historian.writers.quarantine_writer import write_quarantined
from storage.historian.writers.update_writer import write_entity_values
from storage.history.lineage import (
    LOOKBACK_MAX,
    read_newest_raw_observations,
    read_published_value,
    read_published_values,
    read_raw_observations,
)
from storage.stores.quarantine import ReplayState, read_replay_state
from storage.stores.replay_outbox import request_replays
from storage.stores.unassigned_devices import read_unassigned_devices
from tests.integration.storage.test_query_indexes import (
    BEGIN,
    chunks,
    fill_observations,
    fill_quarantine,
    indexes,
    plan_of,
)
from tests.support.database.historian import quarantined_message
from tests.support.database.history_rows import store_assessments, store_observations
from twin.instant import DAY, HOUR, MINUTE, to_datetime
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag
from twin.wire.messages import Update, UpdateKind

SPIKE = int(QualityFlag.SPIKE)


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def test_raw_observations_have_the_flags_of_their_assessment(connection: Connection) -> None:
    found = [
        Observation(id, BEGIN + n * HOUR, BEGIN + n * HOUR, float(n), 2 * id)
        for n in range(5)
        for id in (1, 2)
    ]
    await store_observations(connection, found)
    await store_assessments(connection, [(1, BEGIN + 2 * HOUR, SPIKE, BEGIN)])
    assert await read_raw_observations(connection, [1], BEGIN + HOUR, BEGIN + 3 * HOUR, 10) == [
        Observation(1, BEGIN + HOUR, BEGIN + HOUR, 1.0, 2),
        Observation(1, BEGIN + 2 * HOUR, BEGIN + 2 * HOUR, 2.0, 2 | SPIKE),
    ]
    assert len(await read_raw_observations(connection, [1, 2], BEGIN, BEGIN + DAY, 3)) == 3
    newest = await read_newest_raw_observations(
        connection, {1: BEGIN + 2 * HOUR + MINUTE, 2: BEGIN + DAY, 3: BEGIN}
    )
    assert [(one.datastream, one.value, one.flags) for one in newest] == [(1, 2.0, 2 | SPIKE), (2, 4.0, 4)]
    assert await read_newest_raw_observations(connection, {1: BEGIN + LOOKBACK_MAX + DAY}) == []
    assert await read_newest_raw_observations(connection, {}) == []


async def test_published_values_are_found_by_time(connection: Connection) -> None:
    published = [
        Update(
            *("e", "lki", n + 1, float(n), BEGIN + n * HOUR, BEGIN, 0, (), None),
            UpdateKind.INDICATOR,
            count=n,
        )
        for n in range(5)
    ]
    async with connection.transaction():
        await write_entity_values(connection, published)
    found = await read_published_value(connection, "e", "lki", BEGIN + 90 * MINUTE)
    assert found is not None
    assert (found.value, found.count, found.revision) == (1.0, 1, 2)
    assert await read_published_value(connection, "e", "lki", BEGIN - 1) is None
    assert await read_published_value(connection, "e", "eaqi", BEGIN + DAY) is None
    page = await read_published_values(connection, "e", "lki", BEGIN, BEGIN + 4 * HOUR, 2)
    rest = await read_published_values(
        connection, "e", "lki", BEGIN, BEGIN + 4 * HOUR, 9, page[-1].phenomenon_time
    )
    assert [one.value for one in page + rest] == [0.0, 1.0, 2.0, 3.0]


async def test_devices_without_a_sensor_are_listed_with_their_messages(connection: Connection) -> None:
    async with connection.transaction():
        await write_quarantined(
            connection,
            [
                *(quarantined_message(n, device="a", received_time=BEGIN + n) for n in range(5)),
                quarantined_message(5, device="b", received_time=BEGIN + 9),
                quarantined_message(6, device="c", reason="malformed"),
                quarantined_message(7, device=""),
            ],
        )
    later, first = await read_unassigned_devices(connection)
    assert (later.device, later.count) == ("b", 1)
    assert (first.feed, first.device, first.count) == ("ttn", "a", 5)
    assert (first.first_received, first.last_received) == (BEGIN, BEGIN + 4)
    assert [one.received_time - BEGIN for one in first.newest] == [4, 3, 2]
    assert first.newest[0].payload == b"payload"


async def test_the_state_of_a_replay_follows_its_request(connection: Connection) -> None:
    async with connection.transaction():
        await write_quarantined(connection, [quarantined_message(1)])
    assert await read_replay_state(connection, "id1") == ReplayState(True, False, False)
    async with connection.transaction():
        await request_replays(connection, ids=["id1"])
    assert await read_replay_state(connection, "id1") == ReplayState(True, True, False)
    assert await read_replay_state(connection, "id2") is None


async def test_raw_observations_are_read_by_index_from_the_chunks_of_their_range(
    connection: Connection,
) -> None:
    await fill_observations(connection)
    begin, end = to_datetime(BEGIN + 3 * DAY), to_datetime(BEGIN + 4 * DAY)
    limits: dict[str, object] = {"datastreams": [3], "limit": 50, "start": begin, "end": end}
    nodes = await plan_of(connection, "history/lineage/list_raw_observations", limits)
    assert len(chunks(nodes)) <= 2
    assert all("observation_key" in name for name in indexes(nodes) if "assessment" not in name)
    reach: dict[str, object] = {"datastreams": [3], "times": [end], "floor": begin, "ceiling": end}
    nodes = await plan_of(connection, "history/lineage/list_newest_raw_observations", reach)
    assert len(chunks(nodes)) <= 2
    assert any("observation_key" in name for name in indexes(nodes))


async def test_unassigned_devices_are_read_by_reason_and_device(connection: Connection) -> None:
    await fill_quarantine(connection)
    wanted: dict[str, object] = {
        "reason": "reason1",
        "limit": 10,
        "payloads": 3,
        "payload_bytes": 1000,
        "topic_characters": 100,
    }
    nodes = await plan_of(connection, "stores/quarantine/list_unassigned_devices", wanted)
    assert "quarantine_newest_of_device" in indexes(nodes)
