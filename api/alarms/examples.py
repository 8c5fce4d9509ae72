"""Examples of alarms and incidents, for /v1/openapi.json."""

from __future__ import annotations

from typing import Any

from api.http.openapi_examples import (
    Responses,
    body_example,
    page_example,
    problem_example,
    response_example,
)

_SENTENCE = {
    "en": "High water, Singel: water level is -0.25 m, at or above -0.3 m, at 13:00 on 23 November 2026.",
    "nl": "Hoog water, Singel: waterstand is -0,25 m, op of boven -0,3 m, op 23 november 2026 om 13:00.",
}
_STANDING = {
    "rule": "high-water",
    "ruleVersion": 3,
    "entityId": "alkmaar.singelgracht",
    "sensorId": None,
    "theme": "water",
    "state": "unacknowledged",
    "active": True,
    "acknowledged": False,
    "severity": "major",
    "occurrence": 2,
    "raisedTime": "2026-11-23T12:00:00Z",
    "returnedTime": None,
    "acknowledgedTime": None,
    "acknowledgedBy": None,
    "shelvedUntil": None,
    "suppressedBy": None,
    "assignee": None,
    "cause": "high-water",
    "area": "alkmaar",
    "sentence": _SENTENCE,
    "explanation": {
        "rule": "high-water",
        "ruleVersion": 3,
        "operands": [
            {
                "name": "water_level",
                "entityId": "alkmaar.singelgracht",
                "value": -0.25,
                "unit": "m",
                "quality": "good",
                "time": "2026-11-23T12:00:00Z",
                "window": None,
                "threshold": -0.3,
                "observations": [
                    {
                        "datastreamId": 17,
                        "sensorId": "wl-singelgracht-1",
                        "property": "water_level",
                        "phenomenonTime": "2026-11-23T12:00:00Z",
                        "_links": {
                            "provenance": {
                                "href": "/v1/entities/alkmaar.singelgracht/provenance?property=water_level"
                                "&time=2026-11-23T12%3A00%3A00Z"
                            }
                        },
                    }
                ],
            }
        ],
    },
}
ALARM_EXAMPLE: dict[str, Any] = {
    "id": "high-water~alkmaar.singelgracht",
    "revision": 17,
    "time": "2026-11-23T12:00:00Z",
    "title": {"en": "High water", "nl": "Hoog water"},
    "guidance": {"en": "Check the pumping station.", "nl": "Controleer het gemaal."},
    "entityName": "Singel",
    "incidentId": "high-water~alkmaar~4",
    **_STANDING,
    "_links": {
        "self": {"href": "/v1/alarms/high-water~alkmaar.singelgracht"},
        "events": {"href": "/v1/alarms/high-water~alkmaar.singelgracht/events"},
        "entity": {"href": "/v1/entities/alkmaar.singelgracht"},
        "incident": {"href": "/v1/incidents/high-water~alkmaar~4"},
    },
}
ALARMS = response_example("A page of alarms.", page_example(ALARM_EXAMPLE, "/v1/alarms"))
ALARM = response_example("The alarm.", ALARM_EXAMPLE)
ALARM_EVENTS = response_example(
    "A page of its events.",
    page_example(
        {
            "alarmId": "high-water~alkmaar.singelgracht",
            "revision": 17,
            "amendment": 0,
            "kind": "raised",
            "time": "2026-11-23T12:00:00Z",
            "toldTime": "2026-11-23T12:00:01Z",
            "late": False,
            "actor": None,
            "text": None,
            **_STANDING,
        },
        "/v1/alarms/high-water~alkmaar.singelgracht/events",
    ),
)
ALARM_EPISODES = response_example(
    "Its episodes, oldest first.",
    {
        "start": "2026-11-22T13:00:00Z",
        "end": "2026-11-23T13:00:00Z",
        "items": [
            {
                "alarmId": "high-water~alkmaar.singelgracht",
                "entityId": "alkmaar.singelgracht",
                "sensorId": None,
                "raisedTime": "2026-11-23T12:00:00Z",
                "returnedTime": "2026-11-23T12:40:00Z",
                "duration": "PT40M",
                "severity": "minor",
            }
        ],
    },
)
_DONE = {**ALARM_EXAMPLE, "state": "acknowledged", "acknowledged": True, "acknowledgedBy": "duty officer"}
COMMAND: Responses = {
    **response_example("Done: the alarm afterwards.", _DONE),
    202: {
        "description": "On the log, without an outcome within 5 s; the alarm's events show it later.",
        "content": {
            "application/json": {
                "example": {
                    "commandId": "5f0c…",
                    "detail": "The command is on the log; its outcome is not known yet.",
                }
            }
        },
    },
    **problem_example(
        409,
        "Refused: not possible in the present state of the alarm.",
        "Conflict",
        "The alarm is unchanged: acknowledge is not possible while the alarm is normal.",
    ),
}
COMMENTED_BODY = body_example({"comment": "Pump 2 is being started."}, required=False)
SHELVE_BODY = body_example({"until": "2026-11-23T18:00:00Z", "comment": "Works on the quay."})
ASSIGN_BODY = body_example({"assignee": "Duty officer water"})
COMMENT_BODY = body_example({"text": "The contractor is on its way."})
ASSIGN_INCIDENT_BODY = body_example({"assignee": "duty-officer-water"})

_INCIDENT = {
    "id": "high-water~alkmaar~4",
    "revision": 3,
    "time": "2026-11-23T12:00:00Z",
    "cause": "high-water",
    "area": "alkmaar",
    "areaName": "Alkmaar",
    "theme": "water",
    "open": True,
    "severity": "major",
    "openedTime": "2026-11-23T12:00:00Z",
    "closedTime": None,
    "_links": {
        "self": {"href": "/v1/incidents/high-water~alkmaar~4"},
        "area": {"href": "/v1/entities/alkmaar"},
        "notifications": {"href": "/v1/notifications?incident=high-water~alkmaar~4"},
    },
}
INCIDENTS = response_example("A page of incidents.", page_example(_INCIDENT, "/v1/incidents"))
INCIDENT = response_example("The incident.", {**_INCIDENT, "alarms": [ALARM_EXAMPLE]})
INCIDENT_ACKNOWLEDGED = response_example(
    "The outcome for each of its alarms; 202 when an outcome is missing after 5 s.",
    {
        **_INCIDENT,
        "alarms": [_DONE],
        "acknowledged": ["high-water~alkmaar.singelgracht"],
        "refused": [],
        "unanswered": [],
    },
)
DUTY_COMMAND = {
    **response_example(
        "The duty loop will execute it.",
        {"commandId": "5f0c…", "_links": {"incident": {"href": "/v1/incidents/high-water~alkmaar~4"}}},
        status=202,
    ),
    **problem_example(
        409, "The incident is closed.", "Conflict", "The incident is closed: it has no further notifications."
    ),
}
STATISTICS = response_example(
    "The statistics.",
    {
        "start": "2026-11-22T12:00:00Z",
        "end": "2026-11-23T12:00:00Z",
        "annunciated": 31,
        "perOperatorTenMinutes": {
            "average": 0.22,
            "peak": 12,
            "peakTime": "2026-11-23T03:10:00Z",
            "rating": "acceptable",
        },
        "floods": [{"start": "2026-11-23T03:10:00Z", "end": "2026-11-23T03:24:00Z", "count": 14, "peak": 12}],
        "floodedShare": 0.01,
        "chattering": [],
        "fleeting": [{"alarmId": "high-water~alkmaar.singelgracht", "rule": "high-water", "count": 2}],
        "badActors": [
            {
                "alarmId": "high-water~alkmaar.singelgracht",
                "rule": "high-water",
                "count": 9,
                "share": 0.29,
            }
        ],
        "bySeverity": {"warning": 4, "minor": 12, "major": 15, "critical": 0},
        "acknowledged": 28,
        "acknowledgeDelay": {"p50": "PT2M", "p95": "PT14M"},
        "standing": 3,
        "stale": [],
        "operators": 1,
        "truncated": False,
    },
)
ACKNOWLEDGE_PAGE: Responses = {
    **response_example("The page.", "<!doctype html><title>Acknowledge – LiveTwin</title>…", "text/html"),
    **problem_example(404, "The link is not valid.", "Not Found", "The link is not valid; …"),
    **problem_example(
        410, "The link has expired, or its contact left the duty plan.", "Gone", "The link has expired; …"
    ),
}
ACKNOWLEDGE_REPLY: Responses = {
    **response_example(
        "What became of the reply, and a text for the contact.",
        {
            "outcome": "acknowledged",
            "answer": "Thank you. Your acknowledgement is recorded.",
            "contactId": "water",
            "notificationId": "high-water~alkmaar.singelgracht~1~0~0~water~sms",
            "incidentId": "high-water~alkmaar.singelgracht~1",
            "_links": {"incident": {"href": "/v1/incidents/high-water~alkmaar.singelgracht~1"}},
        },
    ),
    **problem_example(401, "The key or the signature is not valid.", "Unauthorized", "Expected the key …"),
    **problem_example(404, "This server takes no replies.", "Not Found", "This server takes no replies: …"),
    **problem_example(429, "The contact has sent too many codes.", "Too Many Requests", "This contact …"),
    **problem_example(503, "The live view is not up to date.", "Service Unavailable", "The live view …"),
}
_CAP = """<?xml version='1.0' encoding='utf-8'?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
<identifier>high-water~alkmaar.singelgracht.2.17</identifier>
<sender>livetwin.alkmaar</sender><sent>2026-11-23T12:00:01-00:00</sent><status>Exercise</status>
<msgType>Alert</msgType><source>LiveTwin</source><scope>Public</scope><code>livetwin:alkmaar</code>
<info><language>en-GB</language><category>Met</category><event>High water</event>…</info></alert>
"""
CAP = response_example("The alert.", _CAP, "application/cap+xml")
