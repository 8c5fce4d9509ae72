"""Examples of webhooks, for /v1/openapi.json."""

from __future__ import annotations

from typing import Any

from api.http.openapi_examples import Responses, body_example, page_example, response_example

_WEBHOOK: dict[str, Any] = {
    "id": "5f0c2a9be1d04c7788aa3e10",
    "url": "https://example.org/livetwin",
    "filter": {"parent": ["alkmaar.oost"], "events": ["alarm"]},
    "mode": "batch",
    "createdTime": "2026-11-23T12:00:00Z",
    "createdBy": "water-board",
    "state": "active",
    "reason": None,
    "cursor": "lQHZ…",
    "deliveredTime": "2026-11-23T12:00:02Z",
    "failures": 0,
    "failingSinceTime": None,
    "lastError": None,
    "_links": {
        "self": {"href": "/v1/subscriptions/5f0c2a9be1d04c7788aa3e10"},
        "deadLetters": {"href": "/v1/subscriptions/5f0c2a9be1d04c7788aa3e10/dead-letters"},
    },
}
_EVENT = {
    "specversion": "1.0",
    "id": "alarm/high-water~alkmaar.singelgracht/3",
    "source": "/livetwin/alkmaar",
    "type": "livetwin.alarm",
    "subject": "high-water~alkmaar.singelgracht",
    "time": "2026-11-23T12:00:00Z",
    "datacontenttype": "application/json",
    "cursor": "lQHZ…",
    "data": {"alarmId": "high-water~alkmaar.singelgracht", "revision": 3, "state": "unacknowledged"},
}
BODY = body_example(
    {
        "url": "https://example.org/livetwin",
        "filter": {"parent": ["alkmaar.oost"], "events": ["alarm"]},
        "mode": "batch",
    },
)
RESUME_BODY = body_example({"cursor": "lQHZ…"}, required=False)
CREATED = response_example(
    "The webhook with its secret, which is shown only once.",
    {**_WEBHOOK, "secret": "whsec_MfKQ9r…"},
    status=201,
)
WEBHOOKS = response_example("All webhooks.", page_example(_WEBHOOK, "/v1/subscriptions"))
WEBHOOK = response_example("The webhook and its progress.", _WEBHOOK)
DELETED: Responses = {204: {"description": "Deleted."}}
DEAD_LETTERS = response_example(
    "Messages that could not be delivered.",
    page_example(
        {
            "number": 7,
            "diedTime": "2026-11-24T12:00:00Z",
            "tries": 30,
            "error": "the receiver answered 503",
            "cursor": "lQHZ…",
            "events": [_EVENT],
        },
        "/v1/subscriptions/5f0c2a9be1d04c7788aa3e10/dead-letters",
    ),
)
