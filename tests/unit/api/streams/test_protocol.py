"""Reading of a Durable Stream: cursors, caching, long polls and Server-Sent Events of any stream."""

from __future__ import annotations

import json
from http import HTTPStatus
from random import Random
from typing import Any

import pytest
from starlette.responses import Response

from api.streams.protocol import (
    CURSOR,
    CURSOR_EPOCH,
    CURSOR_SLOT,
    GROWING,
    NEXT_OFFSET,
    NOW,
    START,
    UNCHANGING,
    UP_TO_DATE,
    StreamAnswers,
    StreamPage,
    StreamTimes,
    next_cursor,
)
from twin.instant import SECOND

TIMES = StreamTimes(long_poll_s=20, connection_s=60, keepalive_s=15)


class Numbers:
    """A stream of numbers, two of which fit into a page; each offset is the count of those before it."""

    media_type = "application/json"
    empty_body = b"[]"

    def __init__(self, count: int, silent: int = 0) -> None:
        self.count = count
        self.silent = silent  #: records at the end that are not for clients

    async def tail(self) -> str:
        return f"{self.count + self.silent:04}"

    async def read(self, offset: str) -> StreamPage:
        first = 0 if offset == START else int(offset)
        last = min(first + 2, self.count)
        body = json.dumps(list(range(first, last))).encode() if last > first else None
        end = last if last < self.count else self.count + self.silent
        return StreamPage(body, f"{end:04}", end == self.count + self.silent)


class Reader:
    """A reader whose waits take all their time, unless a step says what happens meanwhile."""

    def __init__(self, *steps: Any) -> None:
        self.closed = False
        self.now_s = 1_000.0
        self.waits_s: list[float] = []
        self._steps = list(steps)

    async def wait(self, timeout_s: float) -> None:
        self.waits_s.append(timeout_s)
        if self._steps:
            self._steps.pop(0)()
        else:
            self.now_s += timeout_s


def answers(stream: Numbers, reader: Reader | None = None) -> StreamAnswers:
    made = reader or Reader()
    return StreamAnswers(stream, TIMES, lambda: CURSOR_EPOCH + 7 * CURSOR_SLOT, Random(1), lambda: made.now_s)


def body(response: Response) -> Any:
    return json.loads(bytes(response.body))


def events(chunks: list[bytes]) -> list[tuple[str, Any]]:
    found = []
    for block in b"".join(chunks).split(b"\n\n"):
        lines = [line for line in block.decode().split("\n") if line and not line.startswith(":")]
        if lines:
            name, *data = lines
            found.append((name.removeprefix("event: "), json.loads("".join(each[5:] for each in data))))
    return found


async def test_pages_end_with_the_offset_of_the_next_and_the_last_says_so() -> None:
    served = answers(Numbers(3))
    first = await served.catch_up(START)
    assert (body(first), first.headers[NEXT_OFFSET], UP_TO_DATE in first.headers) == ([0, 1], "0002", False)
    assert first.headers["Cache-Control"] == UNCHANGING
    last = await served.catch_up("0002")
    assert (body(last), last.headers[NEXT_OFFSET], last.headers[UP_TO_DATE]) == ([2], "0003", "true")
    assert last.headers["Cache-Control"] == GROWING
    beyond = await served.catch_up("0003")
    assert (beyond.status_code, body(beyond), beyond.headers[UP_TO_DATE]) == (200, [], "true")
    assert beyond.headers["Content-Type"] == "application/json"


async def test_now_is_the_tail_and_kept_by_no_cache() -> None:
    served = answers(Numbers(3))
    for answer in (await served.catch_up(NOW), await served.head()):
        assert (answer.headers[NEXT_OFFSET], answer.headers["Cache-Control"]) == ("0003", "no-store")
    assert body(await served.catch_up(NOW)) == []


@pytest.mark.parametrize("given", [None, "0", "6"])
def test_a_cursor_is_the_present_slot_of_twenty_seconds(given: str | None) -> None:
    assert next_cursor(given, CURSOR_EPOCH + 7 * CURSOR_SLOT + 19 * SECOND, Random(1)) == "7"


@pytest.mark.parametrize("given", ["7", "8", "123456"])
def test_a_cursor_never_goes_back_and_never_stays(given: str) -> None:
    found = {int(next_cursor(given, CURSOR_EPOCH + 7 * CURSOR_SLOT, Random(seed))) for seed in range(50)}
    assert min(found) > int(given)
    assert max(found) <= int(given) + 180
    assert len(found) > 10


async def test_a_long_poll_answers_at_once_when_there_are_messages() -> None:
    reader = Reader()
    served = answers(Numbers(3), reader)
    answer = await served.long_poll(await served.first_page("0002"), None, reader)
    assert (body(answer), answer.headers[NEXT_OFFSET], answer.headers[UP_TO_DATE]) == ([2], "0003", "true")
    assert (answer.headers[CURSOR], answer.headers["Cache-Control"]) == ("7", UNCHANGING)
    assert reader.waits_s == []


async def test_a_long_poll_waits_for_messages_and_not_for_silent_records() -> None:
    stream = Numbers(3)

    def add_silent() -> None:
        stream.silent = 2
        reader.now_s += 5

    def add_message() -> None:
        stream.count, stream.silent = 6, 0

    reader = Reader(add_silent, add_message)
    served = answers(stream, reader)
    answer = await served.long_poll(await served.first_page(NOW), "9", reader)
    assert (body(answer), answer.headers[NEXT_OFFSET]) == ([5], "0006")
    assert int(answer.headers[CURSOR]) > 9
    assert reader.waits_s == [20, 15]


async def test_a_long_poll_without_messages_ends_in_time_with_the_tail() -> None:
    stream = Numbers(3)
    reader = Reader(lambda: setattr(stream, "silent", 2))
    served = answers(stream, reader)
    answer = await served.long_poll(await served.first_page(NOW), None, reader)
    assert (answer.status_code, bytes(answer.body)) == (HTTPStatus.NO_CONTENT, b"")
    headers = [answer.headers[name] for name in (NEXT_OFFSET, UP_TO_DATE, CURSOR, "Cache-Control")]
    assert headers == ["0005", "true", "7", "no-store"]
    assert sum(reader.waits_s) == 40


async def test_a_long_poll_ends_with_the_server() -> None:
    reader = Reader()
    reader.closed = True
    served = answers(Numbers(0), reader)
    answer = await served.long_poll(await served.first_page(NOW), None, reader)
    assert answer.status_code == HTTPStatus.NO_CONTENT


async def test_events_have_a_position_after_each_page_until_it_is_time_to_connect_again() -> None:
    stream = Numbers(3)
    reader = Reader(lambda: setattr(stream, "count", 5))
    served = answers(stream, reader)
    chunks = [chunk async for chunk in served.events(await served.first_page(START), "3", reader)]
    assert events(chunks) == [
        ("data", [0, 1]),
        ("control", {"streamNextOffset": "0002", "streamCursor": "7"}),
        ("data", [2]),
        ("control", {"streamNextOffset": "0003", "streamCursor": "7", "upToDate": True}),
        ("data", [3, 4]),
        ("control", {"streamNextOffset": "0005", "streamCursor": "7", "upToDate": True}),
    ]
    assert reader.now_s == 1_060
    assert chunks.count(b":\n") == 4


async def test_events_at_the_tail_begin_with_a_position_and_end_with_the_last_one() -> None:
    stream = Numbers(3)
    reader = Reader(lambda: setattr(stream, "silent", 4))
    served = answers(stream, reader)
    chunks = [chunk async for chunk in served.events(await served.first_page(NOW), "8", reader)]
    found = events(chunks)
    assert [(name, data["streamNextOffset"], data["upToDate"]) for name, data in found] == [
        ("control", "0003", True),
        ("control", "0007", True),
    ]
    cursors = [int(data["streamCursor"]) for _, data in found]
    assert 8 < cursors[0] <= cursors[1]


async def test_line_breaks_of_a_text_make_no_events() -> None:
    class Text(Numbers):
        async def read(self, offset: str) -> StreamPage:
            return StreamPage(b"a\rb\r\n\r\nevent: control\ndata: {}", "0001", up_to_date=True)

    reader = Reader()
    reader.closed = True
    served = answers(Text(1), reader)
    (chunk,) = [each async for each in served.events(await served.first_page(START), None, reader)]
    assert (
        chunk.split(b"\n\n")[0] == b"event: data\ndata:a\ndata:b\ndata:\ndata:event: control\ndata:data: {}"
    )
