"""The decoder of the Python client, case by case of the HTML standard, however the bytes are divided."""

from __future__ import annotations

from itertools import chain

import pytest

from livetwin_client.errors import UnexpectedAnswerError
from livetwin_client.server_sent_events import ServerSentEventDecoder

CASES: dict[str, tuple[bytes, list[tuple[str, str, str]]]] = {
    "an event of LiveTwin": (b"id: c1\nevent: state\ndata: {}\n\n", [("state", "{}", "c1")]),
    "no name": (b"data: x\n\n", [("message", "x", "")]),
    "several lines of data": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10", "")]),
    "comments between lines and events": (
        b": stream\n\n:\ndata: 1\n:\ndata: 2\n\n:\n",
        [("message", "1\n2", "")],
    ),
    "an id stays until the next one": (
        b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
        [("message", "a", "1"), ("message", "b", "1"), ("message", "c", "")],
    ),
    "an id without data counts for the next event": (b"id: 5\n\ndata: a\n\n", [("message", "a", "5")]),
    "an id with NUL is ignored": (b"id: 1\nid: 2\0\ndata: a\n\n", [("message", "a", "1")]),
    "empty data": (b"data\n\ndata\ndata\n\ndata:\n", [("message", "", ""), ("message", "\n", "")]),
    "one space is removed, not two": (
        b"data:test\n\ndata: test\n\ndata:  test\n\n",
        [("message", "test", ""), ("message", "test", ""), ("message", " test", "")],
    ),
    "a name without data is no event": (b"event: state\n\ndata: a\n\n", [("message", "a", "")]),
    "unknown fields and fields in capitals": (b"DATA: no\nnote: no\ndata: a\n\n", [("message", "a", "")]),
    "a colon in the value": (b"data: a:b: c\n\n", [("message", "a:b: c", "")]),
    "CR": (b"data: a\rdata: b\r\rdata: c\r\r", [("message", "a\nb", ""), ("message", "c", "")]),
    "CR LF": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [("message", "a\nb", ""), ("message", "c", "")]),
    "mixed line ends": (b"data: a\r\ndata: b\rdata: c\n\r\n", [("message", "a\nb\nc", "")]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "")]),
    "only the first byte order mark": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    "line separators of Unicode are no line ends": (
        "data: a\u2028b\x0bc\x85d\n\n".encode(),
        [("message", "a\u2028b\x0bc\x85d", "")],
    ),
    "bytes that are not UTF-8": (b"data: a\xffb\n\n", [("message", "a\ufffdb", "")]),
    "an event without its end is dropped, with its id": (
        b"id: 1\ndata: a\n\nid: 2\ndata: b\n",
        [("message", "a", "1")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_stream_is_decoded_the_same_wherever_it_is_divided(case: str) -> None:
    stream, expected = CASES[case]
    for cut in range(len(stream) + 1):
        decoder = ServerSentEventDecoder()
        parts = stream[:cut], b"", stream[cut:]
        assert [event for part in parts for event in decoder.decode(part)] == expected
    decoder = ServerSentEventDecoder()
    single = [stream[at : at + 1] for at in range(len(stream))]
    assert [event for byte in single for event in decoder.decode(byte)] == expected


def test_an_event_without_an_id_has_the_one_that_the_connection_began_with() -> None:
    (event,) = ServerSentEventDecoder("c9").decode(b"data: a\n\n")
    assert event.id == "c9"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2500", 2.5),
        ("0", 0.0),
        ("-1", None),
        ("1.5", None),
        ("x", None),
        ("", None),
        ("١", None),
        ("9" * 5_000, None),
    ],
)
def test_only_digits_are_a_time_to_wait(value: str, seconds: float | None) -> None:
    decoder = ServerSentEventDecoder()
    assert list(decoder.decode(f"retry: {value}\n\n".encode())) == []
    assert decoder.retry_s == seconds


@pytest.mark.parametrize("line", [b"data: 12345678\n", b"data\n", b"data: " + b"x" * 101])
def test_an_event_that_is_too_long_is_an_error(line: bytes) -> None:
    decoder = ServerSentEventDecoder(event_bytes_max=100)
    with pytest.raises(UnexpectedAnswerError, match="more than 100 bytes"):
        list(chain.from_iterable(decoder.decode(line) for _ in range(100)))


def test_comments_and_short_events_without_end_are_none() -> None:
    decoder = ServerSentEventDecoder(event_bytes_max=100)
    chunk = b":\n" * 60 + b"data: 12345678\n\n" * 10 + b"event: state\n"
    assert sum(len(list(decoder.decode(chunk))) for _ in range(50)) == 500
