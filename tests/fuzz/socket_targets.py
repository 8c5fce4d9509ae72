"""Target for the messages of a client of the WebSocket of live events.

The law: a message is one of those that the models describe, or a problem that names its faults; a filter that
was accepted can be resolved.
"""

from __future__ import annotations

import json

from api.entities.selection import resolve_filter
from api.http.problems import ProblemError
from api.live.cursor import Cursor, encode_cursor
from api.live.messages import Subscribe, read_message, read_object, subscription_in
from tests.fuzz.engine import FuzzTarget
from tests.support.cities.small_cities import small_city

MESSAGE_BYTES_MAX = 96 * 1024

_CURSOR = encode_cursor(Cursor("log-1", ((0, 0),) * 4, 5))
_SUBSCRIBE = {
    "type": "subscribe",
    "subscription": "air",
    "cursor": _CURSOR,
    "minChange": 0.5,
    "minInterval": "PT10S",
    "heartbeat": "PT5S",
    "fields": ["entityId", "value"],
    "filter": {
        "entity": ["town.street"],
        "type": ["Road"],
        "parent": "town",
        "property": ["noise_level,pm2_5"],
        "theme": ["water"],
        "bbox": "4.70,52.60,4.80,52.67",
        "events": ["state", "alarm"],
    },
}


def _message(data: bytes) -> str:
    try:
        item = read_object(data.decode("utf-8", "replace"))
        subscription_in(item)
        message = read_message(item)
    except ProblemError as problem:
        return _codes(problem)
    if isinstance(message, Subscribe):
        resolve_filter(message.filter.filter(), small_city())
        assert message.filter.event_names()
        assert 0 <= message.reduction().min_interval_s <= 3_600
    return message.type


def _codes(problem: ProblemError) -> str:
    assert problem.faults
    assert all(fault.detail and fault.code for fault in problem.faults)
    return " ".join(sorted({fault.code for fault in problem.faults}))


def socket_targets() -> list[FuzzTarget]:
    """Return the target."""
    return [
        FuzzTarget(
            name="live-socket-message",
            size_max=MESSAGE_BYTES_MAX,
            run=_message,
            corpus=(
                json.dumps(_SUBSCRIBE).encode(),
                b'{"type":"subscribe","subscription":"a"}',
                b'{"type":"unsubscribe","subscription":"a"}',
            ),
            dictionary=(
                b'"type":',
                b'"filter":{',
                b'"cursor":',
                b"null",
                b"[",
                b"{",
                b"\\u0000",
                _CURSOR.encode(),
            ),
        )
    ]
