"""Examples of answers about duty."""

from __future__ import annotations

from typing import Any

from api.http.openapi_examples import Responses, body_example, page_example, problem_example, response_example

_CONTACT = {"id": "water", "name": "Duty officer water", "language": "nl"}
_NEXT = {"id": "water-second", "name": "Second duty officer water", "language": "nl"}
_SHIFT = {
    "teamId": "water",
    "contact": _CONTACT,
    "start": "2026-11-23T07:00:00Z",
    "end": "2026-11-30T07:00:00Z",
    "source": "calendar",
}
_OVERRIDE: dict[str, Any] = {
    "id": "6b0f4f0c-6f0e-4f1d-8c8e-2a3f6c1b9d55",
    "teamId": "water",
    "contactId": "lead",
    "start": "2026-11-25T17:00:00Z",
    "end": "2026-11-26T07:00:00Z",
    "note": "Swapped.",
    "madeBy": "duty desk",
    "madeTime": "2026-11-23T12:00:00Z",
    "withdrawnBy": None,
    "withdrawnTime": None,
    "_links": {"self": {"href": "/v1/duty/overrides/6b0f4f0c-6f0e-4f1d-8c8e-2a3f6c1b9d55"}},
}
_CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//LiveTwin//duty//EN
BEGIN:VEVENT
UID:water-1795417200000000@alkmaar.livetwin
DTSTAMP:20261123T120000Z
DTSTART:20261123T070000Z
DTEND:20261130T070000Z
SUMMARY:Duty water: Duty officer water
END:VEVENT
END:VCALENDAR
"""

ON_CALL = response_example(
    "The contact on call, by team.",
    {
        "at": "2026-11-23T12:00:00Z",
        "items": [
            {
                "teamId": "water",
                "teamName": "Duty water",
                "contact": _CONTACT,
                "source": "calendar",
                "until": "2026-11-30T07:00:00Z",
                "next": _NEXT,
                "_links": {"roster": {"href": "/v1/duty/roster?team=water"}},
            }
        ],
        "_links": {"self": {"href": "/v1/duty/on-call"}},
    },
)
ROSTER = response_example(
    "Consecutive shifts; a gap has no contact.", page_example(_SHIFT, "/v1/duty/roster")
)
ROSTER[200]["content"]["text/calendar"] = {"example": _CALENDAR}
OVERRIDES = response_example("Present and future overrides.", page_example(_OVERRIDE, "/v1/duty/overrides"))
OVERRIDE = response_example("The override.", _OVERRIDE)
MADE: Responses = {
    201: {
        "description": "Created; every role applies it within 2 s.",
        "content": {"application/json": {"example": _OVERRIDE}},
    },
    **problem_example(
        409,
        "Too many are not over.",
        "Conflict",
        "1000 overrides are not over, expected fewer; withdraw some.",
    ),
}
OVERRIDE_BODY = body_example(
    {
        "teamId": "water",
        "contactId": "lead",
        "start": "2026-11-25T17:00:00Z",
        "end": "2026-11-26T07:00:00Z",
        "note": "Swapped.",
    }
)
NOTIFICATIONS = response_example(
    "A page of notifications.",
    page_example(
        {
            "id": "high-water~alkmaar~4~0~0~duty-officer-water~mail",
            "incidentId": "high-water~alkmaar~4",
            "digestId": None,
            "kind": "alarm",
            "round": 0,
            "step": 0,
            "contact": "duty-officer-water",
            "contactName": "Duty officer water",
            "channel": "mail",
            "outcome": "sent",
            "attempt": 1,
            "time": "2026-11-23T12:00:06Z",
            "dueTime": "2026-11-23T12:00:05Z",
            "title": "High water, Singel",
            "detail": None,
            "_links": {"incident": {"href": "/v1/incidents/high-water~alkmaar~4"}},
        },
        "/v1/notifications",
    ),
)
