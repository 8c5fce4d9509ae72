"""The routes of the Durable Stream: parameters, headers of each way to read, keys, methods."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from time import monotonic
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.context import ApiContext
from api.live.log_replay import LogReplay
from api.streams.live_log import LiveLog, LogOffset, encode_offset
from api.streams.protocol import CURSOR_EPOCH, CURSOR_SLOT, StreamAnswers, StreamTimes
from tests.unit.api.conftest import NOW
from twin.wire.messages import Update

DEADLINE_S = 5.0
PATH = "/v1/streams/live"
KEY = {"Authorization": "Bearer sesame"}
CURSOR = str((NOW - CURSOR_EPOCH) // CURSOR_SLOT)


@pytest.fixture
def parts(parts: ApiContext) -> ApiContext:
    """The api, whose log has records that answers to live readers do not wait for."""
    answers = StreamAnswers(
        LiveLog(parts.hub, LogReplay("127.0.0.1:9", 1)),
        StreamTimes(long_poll_s=0.01, connection_s=0.01, keepalive_s=15),
        parts.clock,
        Random(1),
        monotonic,
    )
    return replace(parts, durable_stream=answers)


@pytest.fixture
def oldest() -> str:
    """The offset of the oldest record, which is in the replay buffer."""
    return encode_offset(LogOffset("log-1", (0, 0, 0, 0)))


async def test_a_page_has_the_events_of_the_live_stream_without_those_of_households(
    client: httpx.AsyncClient, oldest: str
) -> None:
    answer = await client.get(PATH, params={"offset": oldest})
    assert answer.headers["Content-Type"] == "application/json"
    found = [
        (each["data"]["entityId"], each["data"]["property"], each["data"]["value"]) for each in answer.json()
    ]
    assert found == [
        ("city.east.hill", "pm2_5", 11.2),
        ("city.east.hill", "no2", 31.0),
        ("city.house", "power_import", 41.5),
    ]
    assert answer.headers["Stream-Up-To-Date"] == "true"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Stream-Next-Offset" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Stream-Next-Offset"] > oldest


async def test_every_role_gets_the_same_and_only_open_answers_may_be_kept(
    client: httpx.AsyncClient, oldest: str
) -> None:
    anonymous = await client.get(PATH, params={"offset": oldest})
    operator = await client.get(PATH, params={"offset": oldest}, headers=KEY)
    assert anonymous.content == operator.content
    assert anonymous.headers["Cache-Control"] == "public, no-cache"
    assert operator.headers["Cache-Control"] == "private, no-store"
    assert {"accept", "authorization"} <= {
        each.strip().lower() for each in anonymous.headers["Vary"].split(",")
    }


async def test_an_unchanged_page_is_not_sent_again(
    client: httpx.AsyncClient, parts: ApiContext, oldest: str, make_update: Callable[..., Update]
) -> None:
    first = await client.get(PATH, params={"offset": oldest})
    headers = {"If-None-Match": first.headers["ETag"]}
    unchanged = await client.get(PATH, params={"offset": oldest}, headers=headers)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["Stream-Next-Offset"] == first.headers["Stream-Next-Offset"]
    parts.hub.on_updates(0, 1, [make_update(1, 9, 12.0)])
    assert (await client.get(PATH, params={"offset": oldest}, headers=headers)).status_code == 200


async def test_the_tail_is_the_answer_to_head_and_now(client: httpx.AsyncClient) -> None:
    head, now = await client.head(PATH), await client.get(PATH, params={"offset": "now"})
    assert head.headers["Stream-Next-Offset"] == now.headers["Stream-Next-Offset"]
    assert (head.headers["Content-Type"], head.content) == ("application/json", b"")
    assert (now.json(), now.headers["Stream-Up-To-Date"]) == ([], "true")
    assert head.headers["Cache-Control"] == now.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_it_cannot_be_written(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, PATH, headers=KEY)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_a_long_poll_has_a_cursor_with_messages_and_without(
    client: httpx.AsyncClient, parts: ApiContext, oldest: str
) -> None:
    found = await client.get(PATH, params={"offset": oldest, "live": "long-poll"})
    assert (len(found.json()), found.headers["Stream-Cursor"]) == (3, CURSOR)
    assert found.headers["Cache-Control"] == "public, max-age=60, stale-while-revalidate=300"
    nothing = await client.get(PATH, params={"offset": "now", "live": "long-poll", "cursor": CURSOR})
    assert (nothing.status_code, nothing.headers["Stream-Up-To-Date"]) == (204, "true")
    assert nothing.headers["Stream-Next-Offset"] == found.headers["Stream-Next-Offset"]
    assert int(nothing.headers["Stream-Cursor"]) > int(CURSOR)
    assert parts.metrics.subscribers._value.get() == 0


async def test_a_waiting_long_poll_leaves_its_slots_to_other_requests(
    parts: ApiContext, make_update: Callable[..., Update]
) -> None:
    times = StreamTimes(long_poll_s=60, connection_s=60, keepalive_s=15)
    answers = StreamAnswers(
        LiveLog(parts.hub, LogReplay("127.0.0.1:9", 1)), times, parts.clock, Random(1), monotonic
    )
    app = create_app(replace(parts, durable_stream=answers))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://city.example"
    ) as client:
        query = {"offset": "now", "live": "long-poll"}
        # More than the slots of a client.
        polls = [asyncio.create_task(client.get(PATH, params=query)) for _ in range(8)]
        async with asyncio.timeout(DEADLINE_S):
            while parts.metrics.subscribers._value.get() < len(polls):  # noqa: ASYNC110 - a metric
                await asyncio.sleep(0)
            other = await client.get(PATH, params={"offset": "now"})
            assert other.status_code == 200
            parts.hub.on_updates(0, 1, [make_update(1, 9, 12.0)])
            assert {len(each.json()) for each in await asyncio.gather(*polls)} == {1}


async def test_server_sent_events_have_data_and_control(client: httpx.AsyncClient, oldest: str) -> None:
    answer = await client.get(PATH, params={"offset": oldest, "live": "sse"})
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache, no-store"
    data, control = (block.split("\n") for block in answer.text.strip().split("\n\n"))
    assert (data[0], control[0]) == ("event: data", "event: control")
    assert len(json.loads(data[1].removeprefix("data:"))) == 3
    position = json.loads(control[1].removeprefix("data:"))
    assert (position["upToDate"], position["streamCursor"]) == (True, CURSOR)
    assert position["streamNextOffset"] > oldest


async def test_all_faults_of_a_query_are_told_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        PATH, params={"offset": "0,1", "live": "websocket", "cursor": "x", "ofset": "1"}
    )
    assert answer.status_code == 400
    assert [fault["name"] for fault in answer.json()["errors"]] == ["offset", "live", "cursor", "ofset"]


@pytest.mark.parametrize(
    ("query", "code"),
    [("live=sse", "missing"), ("live=long-poll", "missing"), ("offset=now&offset=-1", "repeated")],
)
async def test_live_reading_needs_one_offset(client: httpx.AsyncClient, query: str, code: str) -> None:
    answer = await client.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


@pytest.mark.parametrize("live", [{}, {"live": "long-poll"}, {"live": "sse"}])
async def test_an_offset_of_another_log_is_gone(client: httpx.AsyncClient, live: dict[str, str]) -> None:
    offset = encode_offset(LogOffset("log-0", (0, 0, 0, 0)))
    answer: Any = await client.get(PATH, params={"offset": offset, **live})
    assert answer.status_code == 410
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "offset=-1" in answer.json()["detail"]
