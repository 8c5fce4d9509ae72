"""The live stream of a running api: snapshot, changes, resume, gap."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from math import nan
from pathlib import Path
from typing import Any

import pytest
from httpx_sse import aconnect_sse
from msgspec import structs

from api.live.cursor import Cursor, encode_cursor
from cli.embedded.kafka import EmbeddedKafka
from runtime.clock import system_clock
from tests.integration.api.stored_city import published_update
from tests.support.receivers.live_stream_reader import LiveStreamReader
from twin.wire.messages import Update, UpdateKind

HOLD_S = 20.0


def _revisions(events: list[tuple[str, str, dict[str, Any]]]) -> dict[str, list[int]]:
    revisions: defaultdict[str, list[int]] = defaultdict(list)
    for _, _, data in events:
        revisions[data["entityId"]].append(data["revision"])
    return dict(revisions)


async def test_a_filter_without_matches_gets_one_complete_snapshot_event(api: Any) -> None:
    async with api.follow(entity="city", property="lki") as events:
        _, name, data = await events.next()
    assert (name, data) == ("snapshot", {"complete": True})


async def test_keepalives_are_no_events_for_the_client_of_others(api: Any, log: Any) -> None:
    streams = api.context.event_streams
    streams.keepalive_s = 0.01
    async with aconnect_sse(api.client, "GET", "/v1/live") as source:
        events = source.aiter_sse()
        assert (await anext(events)).event == "snapshot"
        for revision in (1, 2):
            # The id of an event stays: a client that ends an event at each empty line would have one.
            await asyncio.sleep(5 * streams.keepalive_s)
            await log.write_updates("city.1")
            event = await anext(events)
            assert (event.event, event.json()["revision"]) == ("state", revision)


async def test_a_subscriber_gets_the_newest_value_of_an_interval_and_what_it_asked_for(
    api: Any, log: Any
) -> None:
    async with api.client.stream(
        "GET", "/v1/live", params={"minInterval": "PT0.5S", "fields": "entityId,revision"}
    ) as response:
        events = LiveStreamReader(response)
        await events.snapshot()
        await log.write_updates("city.1")
        first = await events.next()
        await log.write([log.update("city.1") for _ in range(20)])
        await log.write_updates("city.2")
        other, last = await events.next(), await events.next()
    assert [first[2], last[2]] == [
        {"entityId": "city.1", "revision": 1},
        {"entityId": "city.1", "revision": 21},
    ]
    assert other[2]["entityId"] == "city.2"
    # Who resumes at the event that came before the newest value gets that value.
    async with api.follow(other[0]) as events:
        missed = [await events.next() for _ in range(2)]
    assert {data["entityId"]: data["revision"] for _, _, data in missed} == {"city.1": 21, "city.2": 1}


async def test_heartbeats_come_between_the_events_and_resume_like_them(api: Any, log: Any) -> None:
    async with api.follow(heartbeat="PT1S") as events:
        await events.snapshot()
        cursor, name, data = await events.next()
        while data["caughtUpTime"] is None:
            cursor, name, data = await events.next()
        assert name == "heartbeat"
        assert data["caughtUpTime"] <= data["time"]
        await log.write_updates("city.1")
        received: list[tuple[str, str, dict[str, Any]]] = []
        while not (received and received[-1][2].get("updateTime")):
            received.append(await events.next())
    # The state event is somewhere between them.
    assert sorted({name for _, name, _ in received}) == ["heartbeat", "state"]
    async with api.follow(cursor) as events:
        assert (await events.next())[2]["revision"] == 1
    await log.write_updates("city.1")
    async with api.follow(received[-1][0]) as events:
        assert (await events.next())[2]["revision"] == 2


@pytest.mark.parametrize("query", [{"events": "snapshot"}, {"minInterval": "PT1H"}, {"entity": "city.2"}])
async def test_heartbeats_come_whatever_else_is_left_out(api: Any, log: Any, query: dict[str, str]) -> None:
    await log.write_updates("city.1")
    await api.shows(1)
    async with api.follow(heartbeat="PT1S", **query) as events:
        await events.snapshot()
        await log.write_updates("city.1")
        names = [(await events.next())[1] for _ in range(2)]
    assert names == ["heartbeat", "heartbeat"]


@pytest.mark.parametrize("heartbeat", ["PT0.5S", "PT61S", "often"])
async def test_the_time_between_heartbeats_has_bounds(api: Any, heartbeat: str) -> None:
    problem = (await api.client.get(f"/v1/live?heartbeat={heartbeat}")).json()
    assert [fault["name"] for fault in problem["errors"]] == ["heartbeat"]


async def test_faults_of_what_is_left_out_are_listed_together(api: Any) -> None:
    query = "minChange=-1&minInterval=PT2H&fields=value,colour"
    problem = (await api.client.get(f"/v1/live?{query}")).json()
    assert [fault["name"] for fault in problem["errors"]] == ["minChange", "minInterval", "fields.1"]


async def test_nothing_is_missed_between_snapshot_and_changes(api: Any, log: Any) -> None:
    await log.write_updates("city.1")
    await api.shows(1)
    stop = asyncio.Event()

    async def keep_writing() -> None:
        while not stop.is_set():
            await log.write_updates("city.1", "city.2", "city.3")

    writing = asyncio.create_task(keep_writing())
    try:
        for _ in range(5):
            async with api.follow() as events:
                latest = {data["entityId"]: data["revision"] for _, _, data in await events.snapshot()}
                for _ in range(40):
                    _, name, data = await events.next()
                    assert name == "state"
                    assert data["revision"] == latest.get(data["entityId"], 0) + 1
                    latest[data["entityId"]] = data["revision"]
    finally:
        stop.set()
        await writing


async def test_a_cursor_resumes_from_the_buffer_at_any_event(api: Any, log: Any) -> None:
    same_partition = log.update("city.1"), log.update("city.1"), log.update("city.1")
    async with api.follow() as events:
        await events.snapshot()
        await log.write(same_partition)
        await log.write_updates("city.2", "city.3")
        received = [await events.next() for _ in range(5)]
    for number, (cursor, _, _) in enumerate(received[:-1]):
        async with api.follow(cursor) as events:
            missed = [await events.next() for _ in range(4 - number)]
        assert [data for _, _, data in missed] == [data for _, _, data in received[number + 1 :]]
        assert {name for _, name, _ in missed} == {"state"}


async def test_a_cursor_resumes_from_the_log_when_the_buffer_is_short(
    start_api: Any, kafka: str, log: Any
) -> None:
    async with start_api(kafka, ring_events_max=2) as api:
        async with api.follow() as events:
            await events.snapshot()
            await log.write([log.update("city.1"), log.update("city.1")])
            cursor, _, first = await events.next()
        for _ in range(10):
            await log.write_updates("city.1", "city.2")
        async with api.follow(cursor) as events:
            missed = [await events.next() for _ in range(21)]
            await log.write_updates("city.2")
            missed.append(await events.next())
    assert first["revision"] == 1
    assert _revisions(missed) == {"city.1": list(range(2, 13)), "city.2": list(range(1, 12))}


@pytest.mark.parametrize("ring_events_max", [1, 1_000])
async def test_roll_ups_have_separate_revisions_and_households_are_never_sent(
    start_api: Any, kafka: str, log: Any, ring_events_max: int
) -> None:
    def roll_up(revision: int) -> Update:
        return published_update("city.1", "area_pm2_5", revision, system_clock(), float(revision))

    async with start_api(kafka, ring_events_max=ring_events_max) as api:
        async with api.follow() as events:
            await events.snapshot()
            # What is observed is far ahead of what is rolled up.
            for _ in range(20):
                log.update("city.1")
            await log.write([log.update("city.1"), roll_up(1)])
            cursor, _, _ = await events.next()
        personal = structs.replace(log.update("city.7"), value=nan, kind=UpdateKind.PERSONAL)
        again = log.update("city.1"), roll_up(2)
        await log.write(list(again))
        await log.write([personal, published_update("city.7", "pm2_5", 2, system_clock(), 41.5)])
        await log.write(list(again))
        await log.write([roll_up(3)])
        await log.write_updates("city.2")
        async with api.follow(cursor) as events:
            missed = [(await events.next())[2] for _ in range(6)]
    received = [(one["property"], one["revision"]) for one in missed if one["entityId"] == "city.1"]
    assert received == [("area_pm2_5", 1), ("pm2_5", 22), ("area_pm2_5", 2), ("area_pm2_5", 3)]
    assert [one["value"] for one in missed if one["entityId"] == "city.7"] == [41.5]


@pytest.mark.parametrize("ring_events_max", [1, 1_000])
async def test_a_snapshot_goes_on_where_it_was_left(
    start_api: Any, kafka: str, log: Any, ring_events_max: int
) -> None:
    entities = [f"city.{number}" for number in range(1, 6)]
    async with start_api(kafka, ring_events_max=ring_events_max) as api:
        await log.write_updates(*entities)
        await api.shows(len(entities))
        async with api.follow() as events:
            whole = await events.snapshot()
        assert [data["entityId"] for _, _, data in whole] == entities
        # One before the place, twice, and one after it.
        await log.write_updates("city.1", "city.1", "city.4")
        shown: dict[str, int] = {}
        async with api.follow() as events:
            while shown != {**dict.fromkeys(entities, 1), "city.1": 3, "city.4": 2}:
                *_, data = await events.next()
                shown[data["entityId"]] = data["revision"]
        for number in range(3):
            async with api.follow(whole[number][0]) as events:
                missed = [await events.next() for _ in range(2)]
                assert [(name, data["revision"]) for _, name, data in missed] == [("state", 2), ("state", 3)]
                rest = await events.snapshot()
            assert [data["entityId"] for _, _, data in rest] == entities[number + 1 :]
            # The changes were interrupted, or the rest was.
            async with api.follow(missed[0][0]) as events:
                assert (await events.next())[2]["revision"] == 3
                assert [event[2] for event in await events.snapshot()] == [event[2] for event in rest]
            for place, event in enumerate(rest[:-1], 1):
                async with api.follow(event[0]) as events:
                    assert [one[2] for one in await events.snapshot()] == [one[2] for one in rest[place:]]


async def test_a_cursor_survives_a_restart_of_the_api(start_api: Any, kafka: str, log: Any) -> None:
    async with start_api(kafka) as api, api.follow() as events:
        await events.snapshot()
        await log.write_updates("city.1", "city.2")
        first = await events.next()
    await log.write_updates("city.1", "city.1")
    async with start_api(kafka) as api, api.follow(first[0]) as events:
        missed = [await events.next() for _ in range(3)]
    assert _revisions([first, *missed]) == {"city.1": [1, 2, 3], "city.2": [1]}


async def test_updates_that_the_stream_repeats_after_a_crash_are_sent_once(
    start_api: Any, kafka: str, log: Any
) -> None:
    async with start_api(kafka, ring_events_max=1) as api:
        updates = [log.update("city.1") for _ in range(5)]
        async with api.follow() as events:
            await events.snapshot()
            for update in updates:
                await log.write([update])
            received = [await events.next() for _ in updates]
        for update in updates:
            await log.write([update])
        await log.write_updates("city.1", "city.1")
        async with api.follow(received[-1][0]) as events:
            missed = [await events.next() for _ in range(2)]
    assert _revisions(missed) == {"city.1": [6, 7]}


async def test_a_new_log_is_a_gap_and_a_snapshot(
    start_api: Any, kafka: str, log: Any, service_folder: Path, open_log: Any
) -> None:
    async with start_api(kafka) as api:
        await log.write_updates("city.1")
        async with api.follow() as events:
            old, *_ = (await events.snapshot())[-1]
    other = EmbeddedKafka(service_folder / "other")
    await other.start()
    try:
        async with start_api(other.bootstrap) as api, open_log(other.bootstrap) as new_log:
            await new_log.write_updates("city.2")
            async with api.follow(old) as events:
                _, name, data = await events.next()
                assert (name, data["reason"]) == ("gap", "log-changed")
                await events.snapshot()
    finally:
        await other.stop()


async def test_a_slow_subscriber_gets_a_gap_and_a_snapshot_and_others_do_not(
    start_api: Any, kafka: str, log: Any
) -> None:
    # It is not cut off meanwhile, however long the others take.
    options = {"subscriber_queue_bytes_max": 50_000, "write_timeout_s": 600}
    async with start_api(kafka, **options) as api:  # noqa: SIM117 - in this order
        async with api.follow() as slow, api.follow() as quick:
            await slow.snapshot()
            await quick.snapshot()
            # More than the buffers of both sockets and the queue hold together.
            total = 0
            for _ in range(150):
                await log.write([log.update("city.1") for _ in range(200)])
                for _ in range(200):
                    _, name, data = await quick.next()
                    total += 1
                    assert (name, data["revision"]) == ("state", total)
            events = [await slow.next()]
            while events[-1][1] != "gap":
                events.append(await slow.next())
            assert events[-1][2]["reason"] == "too-slow"
            assert (await slow.snapshot())[-1][2]["revision"] == total
            await log.write_updates("city.1")
            assert (await slow.next())[2]["revision"] == total + 1


async def test_a_large_fetch_does_not_overflow_a_fast_subscriber(
    start_api: Any, kafka: str, log: Any
) -> None:
    async with (
        start_api(kafka, subscriber_queue_bytes_max=100_000) as api,
        api.follow(entity="city.1") as events,
    ):
        await events.snapshot()
        # Twelve times what may wait. All but the first go to the log, and come from it, together.
        records = [[log.update("city.1") for _ in range(200)] for _ in range(20)]
        await asyncio.gather(*(log.write(one) for one in records))
        for revision in range(1, 4_001):
            _, name, data = await events.next()
            assert (name, data["revision"]) == ("state", revision)


async def test_streams_end_when_the_server_stops(start_api: Any, kafka: str) -> None:
    async with start_api(kafka) as api, api.client.stream("GET", "/v1/live") as response:
        api.context.event_streams.close()
        async with asyncio.timeout(HOLD_S):
            async for _ in response.aiter_bytes():
                pass


async def test_too_many_subscribers_are_refused(start_api: Any, kafka: str) -> None:
    async with start_api(kafka, subscribers_max=1) as api, api.follow() as events:
        await events.snapshot()
        refused = await api.client.get("/v1/live")
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["retry-after"]


@pytest.mark.parametrize(
    ("positions", "reason"), [(((9_999, 0),) * 8, "cursor-ahead"), (((0, 0),) * 4, "log-changed")]
)
async def test_a_cursor_outside_the_log_is_a_gap(
    api: Any, positions: tuple[tuple[int, int], ...], reason: str
) -> None:
    api.context.event_streams.catch_up_s = 0.1
    cursor = encode_cursor(Cursor(api.context.hub.log_id, positions, 0))
    async with api.follow(cursor) as events:
        _, name, data = await events.next()
        assert (name, data["reason"]) == ("gap", reason)
        await events.snapshot()


async def test_events_can_be_chosen(api: Any, log: Any) -> None:
    await log.write_updates("city.1")
    async with api.follow(events="state") as events:
        while not api.context.hub.fan_out.groups:  # noqa: ASYNC110 - the hub has no event for it
            await asyncio.sleep(0)
        await log.write_updates("city.2")
        assert (await events.next())[1] == "state"


async def test_an_idle_stream_gets_keepalives(api: Any) -> None:
    api.context.event_streams.keepalive_s = 0.05
    async with api.client.stream("GET", "/v1/live?entity=city&property=lki") as response:
        async with asyncio.timeout(HOLD_S):
            async for line in response.aiter_lines():
                if line.startswith(":"):
                    return
