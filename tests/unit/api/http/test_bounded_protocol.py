"""Limits of connections, over real sockets: long or slow requests get a problem and are closed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
import uvloop
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.limits.bounded_protocol import (
    HEAD_BYTES_MAX,
    HEAD_TIMEOUT_S,
    PARSED_URL_BYTES_MAX,
    PIECE_BYTES,
    BoundedHttpProtocol,
)
from api.http.limits.request_limits import TARGET_BYTES_MAX
from api.http.limits.waiting_answers import WaitingAnswers
from api.http.response_headers import standard_headers
from api.metrics import ApiMetrics

DEADLINE_S = 10.0
GET = b"GET / HTTP/1.1\r\nHost: city.example\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await PlainTextResponse(f"{len(body)} bytes")(scope, receive, send)


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave signals to the test."""


@asynccontextmanager
async def served(
    connections: int = 10, head_timeout_s: float = HEAD_TIMEOUT_S, served_app: ASGIApp = app
) -> AsyncIterator[int]:
    metrics = ApiMetrics(CollectorRegistry())
    protocol = BoundedHttpProtocol.with_limits(
        connections,
        head_timeout_s=head_timeout_s,
        write_timeout_s=DEADLINE_S,
        waiting=WaitingAnswers(2**26, metrics),
        metrics=metrics,
        headers=standard_headers(None),
    )
    config = uvicorn.Config(
        served_app,
        host="127.0.0.1",
        port=0,
        http=protocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(DEADLINE_S):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Return status and body of a response that ends with its connection."""
    data = await asyncio.wait_for(reader.read(), DEADLINE_S)
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def request_once(port: int, request: bytes) -> tuple[int, str]:
    async with connected(port) as (reader, writer):
        writer.write(request)
        return await answer(reader)


async def test_a_normal_request_is_answered() -> None:
    async with served() as port:
        request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
        assert await request_once(port, request) == (200, "5 bytes")


async def test_an_endless_head_is_refused() -> None:
    async with served() as port:
        status, body = await request_once(port, GET + b"X-Long: " + b"a" * (HEAD_BYTES_MAX + 1))
        assert status == 431
        assert json.loads(body)["status"] == 431


async def show_target(scope: Scope, receive: Receive, send: Send) -> None:
    target = f"{scope['path']} {len(scope['query_string'])}"
    await PlainTextResponse(target)(scope, receive, send)


@pytest.mark.parametrize("query_bytes", [0, 1, PARSED_URL_BYTES_MAX, TARGET_BYTES_MAX])
async def test_a_query_may_be_as_long_as_the_limit_of_the_application(query_bytes: int) -> None:
    async with served(served_app=show_target) as port:
        request = get("/live?" + "q" * query_bytes, "Connection: close")
        assert await request_once(port, request) == (200, f"/live {query_bytes}")


@pytest.mark.parametrize("target", ["/" + "a" * PARSED_URL_BYTES_MAX, "/?" + "q" * 2 * HEAD_BYTES_MAX])
async def test_a_target_too_long_for_the_server_is_refused_as_such(target: str) -> None:
    async with served() as port:
        status, body = await request_once(port, get(target))
        assert status == 414
        assert "path and query together at most" in json.loads(body)["detail"]


async def test_a_refusal_has_the_headers_of_every_answer() -> None:
    async with served() as port, connected(port) as (reader, writer):
        writer.write(b"not HTTP\r\n\r\n")
        head = (await asyncio.wait_for(reader.read(), DEADLINE_S)).partition(b"\r\n\r\n")[0].decode()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert standard_headers(None).items() <= headers.items()


async def test_heads_of_several_requests_do_not_add_up() -> None:
    async with served() as port:
        padded = GET + b"X-Long: " + b"a" * 60_000 + b"\r\n\r\n"
        async with connected(port) as (reader, writer):
            for _ in range(HEAD_BYTES_MAX // 60_000 + 2):
                writer.write(padded)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
                assert head.startswith(b"HTTP/1.1 200")
                await asyncio.wait_for(reader.readexactly(len(b"0 bytes")), DEADLINE_S)


async def test_a_silent_connection_is_closed() -> None:
    async with served(head_timeout_s=0.2) as port:
        status, body = await request_once(port, b"")
        assert status == 408
        assert json.loads(body)["title"] == "Request Timeout"


async def test_an_incomplete_head_times_out() -> None:
    async with served(head_timeout_s=0.2) as port:
        assert (await request_once(port, GET + b"X-Slow: "))[0] == 408


async def test_line_breaks_between_requests_keep_no_connection_open() -> None:
    async with served(head_timeout_s=0.2) as port, connected(port) as (reader, writer):
        writer.write(GET + b"\r\n")
        await asyncio.wait_for(reader.readuntil(b"0 bytes"), DEADLINE_S)
        writer.write(b"\r\n")
        assert (await answer(reader))[0] == 408


async def test_data_that_is_not_http_gets_a_problem() -> None:
    async with served() as port:
        status, body = await request_once(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert status == 400
        assert json.loads(body)["detail"] == "This is not an HTTP request."


class HeldApp:
    """Answers each request, once it may."""

    def __init__(self, body_bytes: int = 5) -> None:
        self.body = "x" * body_bytes
        self.may_answer = asyncio.Event()
        self.started: list[str] = []
        self.scopes: list[Scope] = []
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started.append(scope["path"])
        self.scopes.append(scope)
        self.running += 1
        try:
            await self.may_answer.wait()
            await PlainTextResponse(self.body)(scope, receive, send)
        finally:
            self.running -= 1

    async def until_started(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.started) < count:  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(0)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: city.example", *headers, "", ""]).encode()


async def test_pipelined_requests_are_answered_in_order_and_wait_unparsed() -> None:
    held = HeldApp()
    count = 2_000
    async with served(served_app=held) as port, connected(port) as (reader, writer):
        writer.write(b"".join(get(f"/{number}") for number in range(count - 1)))
        writer.write(get(f"/{count - 1}", "Connection: close"))
        await held.until_started(1)
        connection = held.scopes[0]["state"]["connection"]
        # The server has read what it will of them when others are served.
        for _ in range(10):
            assert (await request_once(port, b"not HTTP\r\n\r\n"))[0] == 400
        waiting = len(connection.pipeline)
        held.may_answer.set()
        answers = await asyncio.wait_for(reader.read(), DEADLINE_S)
    assert 1 <= waiting <= PIECE_BYTES // len(get("/"))
    assert held.started == [f"/{number}" for number in range(count)]
    assert answers.count(b"HTTP/1.1 200") == count


async def test_a_stream_ends_with_its_connection_though_further_requests_wait() -> None:
    ended = asyncio.Event()
    began = asyncio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.create_task(until_gone(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": b"more", "more_body": True})
            began.set()
            await asyncio.sleep(0)
        ended.set()

    async with served(served_app=stream) as port, connected(port) as (_, writer):
        writer.write(get("/1") + get("/2") + get("/3"))
        await asyncio.wait_for(began.wait(), DEADLINE_S)
        writer.transport.abort()
        await asyncio.wait_for(ended.wait(), DEADLINE_S)


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def test_requests_that_wait_on_an_aborted_connection_are_not_begun(caplog: pytest.LogCaptureFixture) -> None:
    # The loop of the api: it refuses to write to a closed connection.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        started = runner.run(abort_with_waiting_requests())
    assert started == ["/0", "/1"]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def abort_with_waiting_requests() -> list[str]:
    """Abort a connection whose first answer waits for its reader; return the requests that were begun."""
    held = HeldApp(body_bytes=1 << 24)
    held.may_answer.set()
    async with served(served_app=held) as port, connected(port) as (_, writer):
        writer.write(b"".join(get(f"/{number}") for number in range(20)))
        # The second one begins when the answer to the first has been given to the connection.
        await held.until_started(2)
        writer.transport.abort()
        async with asyncio.timeout(DEADLINE_S):
            while held.running:  # noqa: ASYNC110 - a number has no event
                await asyncio.sleep(0)
    return held.started
