"""Answers are divided into parts, and refused above the limit."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.http.answer_parts import ANSWER_BYTES_MAX, PART_BYTES_MAX, AnswerParts


class Connection:
    """Records what waits outside the connection."""

    unwritten_bytes = 0


async def answered(content: bytes) -> tuple[list[Message], list[int]]:
    """Return the messages of an answer with this body, and what was unwritten at each."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(content)(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)
        unwritten.append(connection.unwritten_bytes)

    sent: list[Message] = []
    unwritten: list[int] = []
    connection = Connection()
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/x", "headers": []}
    await AnswerParts(app)({**scope, "state": {"connection": connection}}, receive, send)
    assert connection.unwritten_bytes == 0
    return sent, unwritten


async def test_a_short_answer_is_one_part() -> None:
    (start, body), _ = await answered(b"short")
    assert (start["status"], body["body"], body["more_body"]) == (200, b"short", False)


async def test_a_long_answer_is_written_in_parts() -> None:
    content = bytes(range(256)) * 640  # two parts and a half
    (_, *parts), unwritten = await answered(content)
    assert b"".join(part["body"] for part in parts) == content
    assert [len(part["body"]) for part in parts] == [PART_BYTES_MAX, PART_BYTES_MAX, PART_BYTES_MAX // 2]
    assert [part["more_body"] for part in parts] == [True, True, False]
    assert unwritten == [0, PART_BYTES_MAX * 3 // 2, PART_BYTES_MAX // 2, 0]


async def test_an_answer_above_the_limit_is_a_problem() -> None:
    (start, body), _ = await answered(b"x" * (ANSWER_BYTES_MAX + 1))
    assert start["status"] == 400
    assert str(ANSWER_BYTES_MAX + 1) in body["body"].decode()
