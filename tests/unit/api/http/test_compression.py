"""Which bodies are compressed, for whom, and the files of the page."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app import create_app
from api.context import ApiContext
from api.http import representations
from api.http.compression import COMPRESSED_BYTES_MIN, accepts_gzip
from api.http.representations import INLINE_BYTES_MAX, Representations

GZIP = {"Accept-Encoding": "gzip, deflate, br"}
LONG = b'{"a": 1}' * COMPRESSED_BYTES_MIN


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.1", True),
        ("*", True),
        ("*;q=0.5", True),
        ("gzip;q=1.0, identity;q=0.5, *;q=0", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.9", False),
        ("gzip;q=nan", False),
        ("gzip;q=2", False),
        ("gzip gzip", False),
        (" " * 60_000 + "x y", False),
        (";" * 60_000, False),
    ],
)
def test_weights_decide_whether_a_body_is_compressed(value: str, accepted: bool) -> None:
    assert accepts_gzip(value) == accepted


@given(st.text(alphabet="gzip*;q=0.1, identy", max_size=40))
def test_any_value_is_read(value: str) -> None:
    assert accepts_gzip(f"{value}, gzip;q=0") in (True, False)


async def answered(
    middleware: Callable[[ASGIApp], ASGIApp],
    body: bytes,
    media_type: str = "application/json",
    headers: dict[str, str] | None = None,
    response: Response | None = None,
) -> list[Message]:
    """Return the messages of an answer with this body, behind a middleware."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        made = response if response is not None else Response(body, media_type=media_type)
        await made(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.disconnect"} if response is None else {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    sent: list[Message] = []
    asked = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/x", "headers": asked}
    await middleware(app)({**scope, "asgi": {"spec_version": "2.4"}}, receive, send)
    return sent


def encoding(start: Message) -> str:
    headers: dict[bytes, bytes] = dict(start["headers"])
    return headers.get(b"content-encoding", b"").decode()


async def test_a_long_text_is_compressed_for_who_accepts_it() -> None:
    start, body = await answered(Representations, LONG, headers=GZIP)
    assert encoding(start) == "gzip"
    assert gzip.decompress(body["body"]) == LONG
    assert (b"content-length", str(len(body["body"])).encode()) in start["headers"]
    assert (b"vary", b"Accept-Encoding") in start["headers"]
    start, body = await answered(Representations, LONG)
    assert (encoding(start), body["body"]) == ("", LONG)
    assert (b"vary", b"Accept-Encoding") in start["headers"]


@pytest.mark.parametrize(
    ("body", "media_type", "headers"),
    [
        (LONG[: COMPRESSED_BYTES_MIN - 1], "application/json", GZIP),
        (LONG, "application/octet-stream", GZIP),
        (LONG, "application/zip", GZIP),
        (LONG, "text/event-stream", GZIP),
        (LONG, "text/html", GZIP),
        (LONG, "application/json", {**GZIP, "Authorization": "Bearer sesame"}),
    ],
    ids=["short", "bytes", "archive", "events", "page of a link", "with a key"],
)
async def test_what_is_short_or_perhaps_secret_is_sent_as_it_is(
    body: bytes, media_type: str, headers: dict[str, str]
) -> None:
    start, sent = await answered(Representations, body, media_type, headers)
    assert (encoding(start), sent["body"]) == ("", body)


async def test_a_stream_passes_as_it_comes() -> None:
    stream = StreamingResponse((part for part in (LONG, LONG)), media_type="application/json")
    start, *parts = await answered(Representations, b"", headers=GZIP, response=stream)
    assert [part["body"] for part in parts] == [LONG, LONG, b""]
    assert {b"etag", b"content-encoding"}.isdisjoint(dict(start["headers"]))


@pytest.mark.parametrize("size", [INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1])
async def test_a_large_body_is_compressed_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    threads = []

    def compress(body: bytes) -> bytes:
        threads.append(threading.current_thread())
        return gzip.compress(body)

    monkeypatch.setattr(representations, "compress", compress)
    await answered(Representations, b"x" * size, headers=GZIP)
    assert (threads == [threading.current_thread()]) == (size == INLINE_BYTES_MAX)


async def test_open_data_is_compressed_and_read_by_clients(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/entities", headers=GZIP)
    assert response.headers["content-encoding"] == "gzip"
    assert {"Accept", "Authorization", "Accept-Encoding"} == set(response.headers["vary"].split(", "))
    assert len(response.json()["items"]) == 6


@pytest.fixture
def page(parts: ApiContext) -> ApiContext:
    folder = parts.settings.static_dir
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<title>The city</title>")
    (folder / "assets" / "map-Bx3_k-9Q.js").write_bytes(LONG)
    (folder / "assets" / "logo-Bx3_k-9Q.png").write_bytes(LONG)
    (folder / "long-map.js").write_bytes(LONG)
    return parts


async def test_a_file_with_a_hash_in_its_name_is_kept_for_a_year(page: ApiContext) -> None:
    transport = httpx.ASGITransport(create_app(page))
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        for path, immutable in (
            ("/assets/map-Bx3_k-9Q.js", True),
            ("/assets/logo-Bx3_k-9Q.png", True),
            ("/long-map.js", False),
            ("/", False),
        ):
            response = await client.get(path)
            expected = "public, max-age=31536000, immutable" if immutable else "no-cache"
            assert response.headers["cache-control"] == expected
            again = await client.get(path, headers={"If-None-Match": response.headers["etag"]})
            assert (again.status_code, again.headers["etag"]) == (304, response.headers["etag"])
        assert (await client.get("/assets/gone-Bx3_k-9Q.js")).headers["cache-control"] == "no-store"


async def test_files_of_text_are_compressed(page: ApiContext) -> None:
    transport = httpx.ASGITransport(create_app(page))
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        plain = await client.get("/long-map.js", headers={"Accept-Encoding": "identity"})
        for _ in range(2):
            compressed = await client.get("/long-map.js", headers=GZIP)
            assert compressed.headers["content-encoding"] == "gzip"
            assert int(compressed.headers["content-length"]) < len(LONG) / 10
            assert compressed.content == plain.content == LONG
            assert compressed.headers["etag"] == plain.headers["etag"]
            assert compressed.headers["content-type"] == plain.headers["content-type"]
        assert "Accept-Encoding" in plain.headers["vary"]
        part = await client.get("/long-map.js", headers={**GZIP, "Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, LONG[:4])
        picture = await client.get("/assets/logo-Bx3_k-9Q.png", headers=GZIP)
        assert "content-encoding" not in picture.headers
        file = page.settings.static_dir / "long-map.js"
        file.write_bytes(LONG + LONG)
        changed = await client.get("/long-map.js", headers=GZIP)
        assert changed.content == LONG + LONG
