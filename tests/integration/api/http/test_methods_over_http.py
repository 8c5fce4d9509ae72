"""Methods and long targets over real HTTP, as a client of the server meets them."""

from __future__ import annotations

import asyncio
from typing import Any

from api.http.limits.bounded_protocol import HEAD_BYTES_MAX, PARSED_URL_BYTES_MAX
from api.http.limits.request_limits import TARGET_BYTES_MAX

DEADLINE_S = 20.0


async def test_head_has_the_headers_of_get_and_keeps_the_connection(api: Any) -> None:
    for _ in range(2):
        got, head = await api.client.get("/v1/entities"), await api.client.head("/v1/entities")
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "api-version", "vary"):
            assert head.headers[name] == got.headers[name]
    stream = await api.client.head("/v1/live")
    assert (stream.status_code, stream.content) == (200, b"")
    operation = await api.client.get("/v1/quarantine/_replay")
    assert (operation.status_code, operation.headers["allow"]) == (405, "OPTIONS, POST")


async def asked(api: Any, target: str) -> tuple[int, dict[str, str]]:
    """Send a request with a target that no client library sends; return status and headers of the answer."""
    url = api.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    head = (await asyncio.wait_for(reader.read(), DEADLINE_S)).partition(b"\r\n\r\n")[0].decode()
    writer.close()
    first, *lines = head.split("\r\n")
    headers = (line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in headers}


async def test_a_long_target_reaches_its_route_or_is_refused_for_its_length(api: Any) -> None:
    others = (await api.client.get("/v1/nowhere")).headers
    for target, status in (
        ("/v1/health/live?" + "q" * 70_000, 400),
        ("/v1/health/live?" + "q" * TARGET_BYTES_MAX, 414),
        ("/v1/health/live?" + "q" * 2 * HEAD_BYTES_MAX, 414),
        ("/v1/entities/" + "a" * PARSED_URL_BYTES_MAX, 414),
    ):
        answered, headers = await asked(api, target)
        assert answered == status
        assert headers["content-type"] == "application/problem+json"
        for name in others.keys() - {"content-length", "date", "ratelimit", "ratelimit-policy", "vary"}:
            assert headers[name] == others[name]
