"""A server for clients under test that gives answers in the order of a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx
import msgspec


class ScriptEndedError(Exception):
    """The client made one more request than the script has answers."""


@dataclass(frozen=True)
class ScriptedAnswer:
    """An answer in chunks; it ends with an error of the connection, or is whole."""

    chunks: Sequence[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ends_with: httpx.TransportError | None = None


Step: TypeAlias = ScriptedAnswer | httpx.TransportError | Callable[[httpx.Request], ScriptedAnswer]


def json_answer(content: object, status: int = 200, **headers: str) -> ScriptedAnswer:
    """Return an answer in JSON."""
    headers = {
        "content-type": "application/json",
        **{name.replace("_", "-"): headers[name] for name in headers},
    }
    return ScriptedAnswer([msgspec.json.encode(content)], status, headers)


def event_stream(*chunks: bytes, ends_with: httpx.TransportError | None = None) -> ScriptedAnswer:
    """Return a stream of Server-Sent Events."""
    return ScriptedAnswer(chunks, headers={"content-type": "text/event-stream"}, ends_with=ends_with)


class ScriptedTransport(httpx.AsyncBaseTransport):
    """Answers each request with the next step of the script; then raises ScriptEndedError."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = iter(steps)
        self.requests: list[httpx.Request] = []
        self.chunks_read = 0
        self.streams_open = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        self.requests.append(request)
        step = next(self._steps, None)
        if step is None:
            raise ScriptEndedError
        if isinstance(step, httpx.TransportError):
            raise step
        answer = step if isinstance(step, ScriptedAnswer) else step(request)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Chunks(self, answer))


class _Chunks(httpx.AsyncByteStream):
    def __init__(self, transport: ScriptedTransport, answer: ScriptedAnswer) -> None:
        self._transport = transport
        self._answer = answer
        transport.streams_open += 1

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._answer.chunks:
            self._transport.chunks_read += 1
            yield chunk
        if self._answer.ends_with is not None:
            raise self._answer.ends_with

    async def aclose(self) -> None:
        self._transport.streams_open -= 1
