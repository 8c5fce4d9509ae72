"""Targets for the grammars of request headers: Accept, Accept-Encoding, If-None-Match, and handshakes.

A header is read before anything else of a request, so each is read in linear time, whatever it has. The law:
what is chosen was offered and accepted; what is excluded is not chosen; spaces around change nothing.
"""

from __future__ import annotations

import re

from wsproto import ConnectionType, WSConnection
from wsproto.utilities import RemoteProtocolError

from api.http.compression import accepts_gzip
from api.http.conditional_requests import entity_tag, is_known
from api.http.limits.bounded_websocket import handshake_faults
from api.http.negotiation import parse_accept, preferred
from api.http.problems import ProblemError
from api.http.websocket_keys import key_of
from tests.fuzz.engine import FuzzTarget

HEADER_BYTES_MAX = 64 * 1024
OFFERED = ("application/json", "application/geo+json")
TAG = entity_tag(b"fuzz")


def _accept(data: bytes) -> str:
    text = data.decode("latin-1")
    chosen = preferred(text, OFFERED)
    assert chosen in (*OFFERED, None), chosen
    assert preferred(f" {text} ", OFFERED) == chosen
    ranges = parse_accept(text)
    assert all(0 <= each.quality <= 1 for each in ranges)
    if chosen is not None and text.strip():
        assert any(each.fits(chosen) and each.quality > 0 for each in ranges)
    return f"{chosen} {min(len(ranges), 9)}"


def _accept_encoding(data: bytes) -> str:
    text = data.decode("latin-1")
    accepted = accepts_gzip(text)
    assert not accepts_gzip(f"gzip;q=0,{text}"), "the first weight of a coding counts"
    return str(accepted)


def _if_none_match(data: bytes) -> str:
    text = data.decode("latin-1")
    known = is_known(TAG, text)
    if known:
        assert text.strip() == "*" or TAG.removeprefix("W/") in text
    assert is_known(TAG, f"{TAG},{text}")
    return str(known)


def _handshake(data: bytes) -> str:
    """A handshake without faults is one that wsproto takes: it fails on what it does not expect."""
    lines = [line.partition(b":") for line in data.split(b"\n")]
    headers = [(name.strip().lower(), value.strip()) for name, _, value in lines if _TOKEN.fullmatch(name)]
    headers = [(name, value) for name, value in headers if not {0, 10, 13} & {*value}]
    faults = handshake_faults(headers)
    assert all(fault.detail and fault.name for fault in faults)
    if faults:
        return " ".join(fault.name for fault in faults)
    connection = WSConnection(ConnectionType.SERVER)
    head = b"".join(b"%b: %b\r\n" % each for each in headers)
    try:
        connection.receive_data(b"GET /v1/live/ws HTTP/1.1\r\n" + head + b"\r\n")
    except RemoteProtocolError:
        return "refused"  # uvicorn answers it
    return " ".join(type(event).__name__ for event in connection.events())


_TOKEN = re.compile(rb"\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*")


def _websocket_key(data: bytes) -> str:
    try:
        key = key_of([f"livetwin.bearer.{data.decode('latin-1')}"])
    except ProblemError as problem:
        return str(problem.status)
    assert key.isascii()
    return "a key"


def header_targets() -> list[FuzzTarget]:
    """Return a target for each header."""
    return [
        FuzzTarget(
            name="header-accept",
            size_max=HEADER_BYTES_MAX,
            run=_accept,
            corpus=(
                b"application/geo+json;q=0.5, */*;q=0.1",
                b"text/html, image/gif, *; q=.2, */*; q=.2",
                b'application/json;charset="utf-8";q=1.000;ext="a,b"',
            ),
            dictionary=(b";q=", b"*/*", b"application/", b'"', b"\\", b";", b", ", b"geo+json", b"0.001"),
        ),
        FuzzTarget(
            name="header-accept-encoding",
            size_max=HEADER_BYTES_MAX,
            run=_accept_encoding,
            corpus=(b"gzip, deflate, br;q=0.9", b"*;q=0.5, identity;q=0", b"x-gzip"),
            dictionary=(b"gzip", b"identity", b"*", b";q=", b"0.", b", "),
        ),
        FuzzTarget(
            name="header-if-none-match",
            size_max=HEADER_BYTES_MAX,
            run=_if_none_match,
            corpus=(f'"a", {TAG}, W/"b,c"'.encode(), b"*", TAG.encode()),
            dictionary=(b"W/", b'"', b",", b"*", TAG.encode()),
        ),
        FuzzTarget(
            name="header-websocket-handshake",
            size_max=HEADER_BYTES_MAX,
            run=_handshake,
            corpus=(
                b"Host: city.example\nConnection: keep-alive, Upgrade\nUpgrade: websocket\n"
                b"Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
                b"Sec-WebSocket-Protocol: livetwin.v1, livetwin.bearer.c2VzYW1l",
            ),
            dictionary=(
                b"Host: ",
                b"Connection: ",
                b"Sec-WebSocket-",
                b"Extensions: ",
                b"xn--",
                b"\xff",
                b".",
            ),
        ),
        FuzzTarget(
            name="header-websocket-key",
            size_max=HEADER_BYTES_MAX,
            run=_websocket_key,
            corpus=(b"c2VzYW1l", b"bGl2ZXR3aW5fYQ"),
            dictionary=(b"=", b"-", b"_", b"/", b"w7w"),
        ),
    ]
