"""The resuming stream of the Python client, against a server that follows a script."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from livetwin_client import (
    BadRequestError,
    CursorStore,
    FileCursorStore,
    ForbiddenError,
    LiveEvent,
    LiveTwin,
    LiveTwinError,
    MemoryCursorStore,
    RefusedError,
    Retries,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from tests.support.http.scripted_transport import (
    ScriptedAnswer,
    ScriptedTransport,
    ScriptEndedError,
    Step,
    event_stream,
    json_answer,
)

CUT = httpx.ReadError("cut")


def encoded(number: int, name: str = "state", **data: Any) -> bytes:
    """Return the bytes of an event with the cursor cNUMBER."""
    text = json.dumps({"revision": number, **data}, separators=(",", ":"), ensure_ascii=False)
    return f"id: c{number}\nevent: {name}\ndata: {text}\n\n".encode()


class Following:
    """A client on a script, and what it did."""

    def __init__(self, *steps: Step, cursors: CursorStore | None = None, **options: Any) -> None:
        self.transport = ScriptedTransport(steps)
        self.delays: list[float] = []
        self.cursors = cursors
        self.twin = LiveTwin(
            "http://twin.test", transport=self.transport, sleep=self._sleep, random=Random(1), **options
        )

    async def _sleep(self, delay_s: float) -> None:
        self.delays.append(delay_s)

    async def events(self, number: int | None = None, **query: Any) -> list[LiveEvent]:
        """Return so many events, by default all until the script ends."""
        found: list[LiveEvent] = []
        try:
            async with aclosing(self.twin.live(cursors=self.cursors, **query)) as events:
                async for event in events:
                    found.append(event)
                    if len(found) == number:
                        break
        except ScriptEndedError:
            assert number is None, f"the script ended after {len(found)} of {number} events"
        return found

    @property
    def cursors_sent(self) -> list[str | None]:
        return [request.headers.get("last-event-id") for request in self.transport.requests]


def revisions(events: list[LiveEvent]) -> list[int]:
    return [event["data"]["revision"] for event in events]  # type: ignore[typeddict-item]


# --- connections that break ---


async def test_it_resumes_after_the_last_event() -> None:
    following = Following(
        event_stream(encoded(1), encoded(2), ends_with=CUT),
        httpx.ConnectError("refused"),
        event_stream(encoded(3)),
    )
    assert revisions(await following.events()) == [1, 2, 3]
    assert following.cursors_sent == [None, "c2", "c2", "c3"]
    assert following.transport.streams_open == 0


@pytest.mark.parametrize(
    "ending", [None, CUT, httpx.RemoteProtocolError("incomplete"), httpx.ReadTimeout("silent")], ids=repr
)
async def test_a_cut_at_any_byte_loses_nothing_and_repeats_nothing(
    ending: httpx.TransportError | None,
) -> None:
    log = [encoded(number, unit="µg" * number) for number in range(1, 5)]

    def missed(request: httpx.Request) -> list[bytes]:
        cursor = request.headers.get("last-event-id", "c0")
        return log[int(cursor[1:]) :]

    for cut in range(len(b"".join(log)) + 1):

        def broken(request: httpx.Request, cut: int = cut) -> ScriptedAnswer:
            return event_stream(b"".join(missed(request))[:cut], ends_with=ending)

        following = Following(broken, lambda request: event_stream(*missed(request)))
        assert revisions(await following.events()) == [1, 2, 3, 4], f"cut after {cut} bytes"


async def test_a_connection_without_a_byte_for_two_keepalives_is_dead() -> None:
    silent = event_stream(encoded(1), b":\n", ends_with=httpx.ReadTimeout(""))
    for following, limit_s in (
        (Following(silent, event_stream()), 30.0),
        (Following(silent, event_stream(), silence_s_max=5.0), 5.0),
    ):
        await following.events()
        requests = following.transport.requests
        assert [request.extensions["timeout"]["read"] for request in requests] == [limit_s] * 3


# --- waiting ---


async def test_delays_grow_up_to_a_bound_and_begin_again_after_an_event() -> None:
    refused = [httpx.ConnectError("refused")] * 5
    retries = Retries(first_delay_s=1.0, delay_s_max=6.0)
    following = Following(*refused, event_stream(encoded(1)), *refused[:1], retries=retries)
    await following.events()
    least = [1.0, 2.0, 4.0, 6.0, 6.0, 1.0, 2.0]
    assert len(following.delays) == len(least)
    for delay, expected in zip(following.delays, least, strict=True):
        assert expected <= delay <= 2 * expected
    assert len(set(following.delays)) == len(least), (
        "clients that lost one server must not come back together"
    )


async def test_a_server_that_takes_connections_and_sends_nothing_is_not_asked_at_once_again() -> None:
    following = Following(*[event_stream()] * 4, retries=Retries(first_delay_s=1.0))
    await following.events()
    assert following.delays[3] >= 8.0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_it_waits_as_long_as_a_busy_server_asks_for(status: int) -> None:
    busy = ScriptedAnswer(status=status, headers={"retry-after": "7"})
    following = Following(busy, event_stream(encoded(1)))
    assert revisions(await following.events(1)) == [1]
    assert 7.0 <= following.delays[0] <= 8.0


async def test_a_server_cannot_ask_for_more_than_a_bound() -> None:
    busy = ScriptedAnswer(status=503, headers={"retry-after": "999999"})
    following = Following(
        busy, event_stream(b"retry: 999999999\n" + encoded(1)), retries=Retries(asked_s_max=60)
    )
    await following.events()
    assert all(60.0 <= delay <= 61.0 for delay in following.delays)
    assert len(following.delays) == 2


async def test_the_stream_can_ask_for_a_delay() -> None:
    following = Following(event_stream(b"retry: 9000\n\n", encoded(1)), event_stream(encoded(2)))
    await following.events()
    assert all(9.0 <= delay <= 10.0 for delay in following.delays)


# --- answers that end it ---


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequestError), (401, UnauthorizedError), (403, ForbiddenError), (406, RefusedError)],
)
async def test_a_refusal_is_raised_with_its_problem_and_not_tried_again(
    status: int, kind: type[RefusedError]
) -> None:
    problem = {
        "title": "T",
        "status": status,
        "detail": "Two faults.",
        "instance": "/v1/live",
        "errors": [{"in": "query", "name": "type", "code": "unknown", "detail": "found 'Street'"}],
    }
    following = Following(event_stream(encoded(1)), json_answer(problem, status), event_stream(encoded(2)))
    with pytest.raises(kind, match=r"Two faults\.; type: found 'Street'") as caught:
        await following.events()
    assert caught.value.problem == problem
    assert len(following.transport.requests) == 2


async def test_the_refusal_of_a_proxy_has_its_text() -> None:
    following = Following(ScriptedAnswer([b"<h1>Forbidden</h1>"], 403))
    with pytest.raises(ForbiddenError, match="<h1>Forbidden</h1>"):
        await following.events()


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({}),
        ScriptedAnswer(status=204),
        ScriptedAnswer(status=302, headers={"location": "https://other.test/v1/live"}),
        event_stream(b"event: state\ndata: {\n\n"),
        event_stream(b"event: state\ndata: " + b"[" * 100_000 + b"\n\n"),
        event_stream(*[b"data: " + b"x" * 60_000] * 20),
    ],
    ids=["json", "204", "redirect", "half an object", "deeply nested", "endless"],
)
async def test_what_is_not_livetwin_is_an_error_and_not_tried_again(answer: ScriptedAnswer) -> None:
    following = Following(answer, event_stream(encoded(1)))
    with pytest.raises(UnexpectedAnswerError):
        await following.events()
    assert len(following.transport.requests) == 1
    assert following.transport.streams_open == 0


@pytest.mark.parametrize("key", ["a\nb", "é"])
async def test_a_key_that_no_header_can_have_is_an_error(key: str) -> None:
    with pytest.raises(ValueError, match="Authorization"):
        await Following(api_key=key).events()


async def test_every_connection_has_the_present_key() -> None:
    keys = iter(["one", "two"])

    async def key() -> str:
        return next(keys)

    following = Following(event_stream(encoded(1)), event_stream(encoded(2)), api_key=key)
    await following.events(2)
    sent = [request.headers["authorization"] for request in following.transport.requests]
    assert sent == ["Bearer one", "Bearer two"]


# --- events ---


async def test_a_gap_is_passed_on_and_the_snapshot_after_it() -> None:
    following = Following(
        event_stream(
            encoded(1, "gap", reason="too-slow"), encoded(2, "snapshot", complete=True), encoded(3, "alarm")
        )
    )
    assert [event["event"] for event in await following.events(3)] == ["gap", "snapshot", "alarm"]


async def test_heartbeats_are_asked_for_have_types_and_move_the_position() -> None:
    following = Following(
        event_stream(
            encoded(1),
            encoded(2, "heartbeat", time="2026-11-23T12:00:05Z", caughtUpTime=None, updateTime=None),
            ends_with=CUT,
        ),
        event_stream(encoded(3)),
    )
    _, heartbeat, _ = await following.events(heartbeat="PT5S")
    assert heartbeat["event"] == "heartbeat"
    assert heartbeat["data"]["time"] == "2026-11-23T12:00:05Z"
    assert heartbeat["data"]["caughtUpTime"] is None
    assert following.transport.requests[1].url.params["heartbeat"] == "PT5S"
    assert following.cursors_sent[:2] == [None, "c2"]


async def test_an_event_of_a_newer_server_is_left_out_and_the_position_moves() -> None:
    following = Following(event_stream(encoded(1), encoded(2, "forecast")), cursors=MemoryCursorStore())
    assert revisions(await following.events()) == [1]
    assert following.cursors_sent[-1] == "c2"


async def test_the_query_has_the_names_of_the_api() -> None:
    following = Following(event_stream(encoded(1)))
    await following.events(1, property="pm2_5", type=["Street", "Canal"], minChange=0.5)
    (request,) = following.transport.requests
    assert request.url.query == b"property=pm2_5&type=Street&type=Canal&minChange=0.5"
    assert request.headers["accept"] == "text/event-stream"


# --- cursors ---


class Recorder(MemoryCursorStore):
    """Keeps every cursor that was saved."""

    def __init__(self, cursor: str | None = None) -> None:
        super().__init__(cursor)
        self.saved: list[str] = []

    async def save(self, cursor: str) -> None:
        self.saved.append(cursor)
        await super().save(cursor)


async def test_a_cursor_is_saved_only_after_the_consumer_took_the_event() -> None:
    store = Recorder()
    following = Following(event_stream(encoded(1), encoded(2), encoded(3)), cursors=store)
    async with aclosing(following.twin.live(cursors=store)) as events:
        await anext(events)
        assert store.saved == []
        await anext(events)
        assert store.saved == ["c1"]
    # The consumer had the second event, and nobody knows whether it was done with it.
    assert store.saved == ["c1"]


async def test_the_events_of_one_chunk_are_saved_together_or_as_far_as_they_were_taken() -> None:
    store = Recorder()
    following = Following(event_stream(encoded(1) + encoded(2) + encoded(3), encoded(4) + encoded(5)))
    following.cursors = store
    await following.events(5)
    assert store.saved == ["c3", "c4"]


async def test_a_failure_of_the_consumer_leaves_its_event_for_the_next_run() -> None:
    store = Recorder()
    log = [encoded(number) for number in range(1, 4)]

    def answer(request: httpx.Request) -> ScriptedAnswer:
        return event_stream(b"".join(log[int(request.headers.get("last-event-id", "c0")[1:]) :]))

    seen = []
    for _ in range(2):
        following = Following(answer, cursors=store)
        try:
            async with aclosing(following.twin.live(cursors=store)) as events:
                async for event in events:
                    seen += revisions([event])
                    if seen == [1, 2]:
                        raise OSError("the consumer's own database is away")
        except (OSError, ScriptEndedError):
            pass
    assert seen == [1, 2, 2, 3]


async def test_a_store_begins_a_later_run(tmp_path: Path) -> None:
    path = tmp_path / "air.cursor"
    assert await FileCursorStore(path).load() is None
    await Following(event_stream(encoded(1)), cursors=FileCursorStore(path)).events()
    following = Following(event_stream(encoded(2)), cursors=FileCursorStore(path))
    await following.events()
    assert following.cursors_sent == ["c1", "c2"]
    assert path.read_text() == "c2\n"


async def test_a_save_that_fails_leaves_the_former_cursor_and_is_raised(tmp_path: Path) -> None:
    path = tmp_path / "air.cursor"
    await FileCursorStore(path).save("c1")
    (tmp_path / "air.cursor.new").mkdir()
    with pytest.raises(IsADirectoryError):
        await Following(event_stream(encoded(2)), cursors=FileCursorStore(path)).events()
    assert await FileCursorStore(path).load() == "c1"


# --- bounds ---


async def test_nothing_is_read_while_the_consumer_works() -> None:
    following = Following(event_stream(*[encoded(number) for number in range(1, 100)]))
    async with aclosing(following.twin.live()) as events:
        for number in range(1, 6):
            await anext(events)
            assert following.transport.chunks_read == number
    assert following.transport.streams_open == 0


def test_every_error_of_the_client_has_one_base() -> None:
    assert issubclass(UnexpectedAnswerError, LiveTwinError)
    assert issubclass(RefusedError, LiveTwinError)
