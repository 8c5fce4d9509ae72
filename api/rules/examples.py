"""Examples of answers about rules, for /v1/openapi.json."""

from __future__ import annotations

from typing import Any

from api.http.openapi_examples import Responses, body_example, page_example, problem_example, response_example

_RULE: dict[str, Any] = {
    "id": "high-water",
    "title": {"en": "High water", "nl": "Hoog water"},
    "theme": "water",
    "select": {"types": ["Waterway", "Polder"]},
    "when": {
        "value": "water_level",
        "unit": "cm",
        "relativeTo": "targetLevel",
        "above": {"warning": 10, "minor": 15, "major": 20},
        "deadband": 3,
    },
    "onDelay": "PT10M",
    "offDelay": "PT30M",
    "incidentArea": "Municipality",
    "guidance": {"en": "Check the pumping station.", "nl": "Controleer het gemaal."},
}
_WRITTEN = {
    "value": "water_level",
    "unit": "m",
    "relativeTo": "targetLevel",
    "above": {"warning": 0.1, "minor": 0.15, "major": 0.2},
    "clear": {"warning": 0.07, "minor": 0.12, "major": 0.17},
}
_CHANGE = {"origin": "api", "changedTime": "2026-11-23T12:00:00Z", "changedBy": "control room"}
_CURRENT = {
    **_RULE,
    "when": _WRITTEN,
    "version": 3,
    **_CHANGE,
    "_links": {
        "self": {"href": "/v1/rules/high-water"},
        "versions": {"href": "/v1/rules/high-water/versions"},
        "alarms": {"href": "/v1/alarms?rule=high-water"},
    },
}
_OUTDATED = problem_example(
    412,
    "Changed by another client: its version is not the one in If-Match.",
    "Precondition Failed",
    "rule high-water has version 4, expected 3. Read the rule again before you change it.",
)
RULES = response_example("A page of rules.", page_example(_CURRENT, "/v1/rules"))
RULE = response_example("The rule; its version is the ETag.", _CURRENT)
PUT: Responses = {
    **response_example("Changed or unchanged: the rule in force.", _CURRENT),
    201: {
        "description": "Created.",
        "content": {"application/json": {"example": {**_CURRENT, "version": 1}}},
    },
    **_OUTDATED,
}
PUT_BODY = body_example(_RULE)
DELETED: Responses = {204: {"description": "No longer in force; its versions stay."}, **_OUTDATED}
VERSIONS = response_example(
    "A page of versions, newest first.",
    page_example(
        {"version": 3, "deleted": False, **_CHANGE, "rule": {**_RULE, "when": _WRITTEN}},
        "/v1/rules/high-water/versions",
    ),
)


# Example of a back-test, for /v1/openapi.json.

_FIRING: dict[str, Any] = {
    "alarmId": "high-water~alkmaar.schermer",
    "entityId": "alkmaar.schermer",
    "sensorId": None,
    "raisedTime": "2026-11-20T02:10:00Z",
    "returnedTime": "2026-11-20T04:40:00Z",
    "duration": "PT2H30M",
    "severity": "minor",
    "peak": -2.02,
    "sentence": {
        "en": "High water, Schermer: water level is -2.05 m, at or above -2.05 m for 10 min, at …",
        "nl": "Hoog water, Schermer: waterstand is -2,05 m, op of boven -2,05 m gedurende 10 min, op …",
    },
}
_DOCUMENT: dict[str, Any] = {
    "rule": {"id": "high-water", "version": None},
    "start": "2026-11-01T00:00:00Z",
    "end": "2026-11-23T00:00:00Z",
    "entities": 12,
    "firingCount": 1,
    "firings": [_FIRING],
    "perEntity": [{"entityId": "alkmaar.schermer", "firings": 1, "active": "PT2H30M", "longest": "PT2H30M"}],
    "notifications": {
        "total": 1,
        "mostInTenMinutes": 1.0,
        "mostTime": "2026-11-20T02:10:00Z",
        "bySeverity": {"warning": 0, "minor": 1, "major": 0, "critical": 0},
    },
    "notificationsPerNight": {
        "severity": "minor",
        "nights": 23,
        "total": 1,
        "mean": 0.043,
        "most": 1,
        "byNight": [{"evening": "2026-11-19", "count": 1}],
    },
    "chattering": [],
    "fleeting": [],
    "faults": [],
    "difference": {
        "comparedWith": {"id": "high-water", "version": 3},
        "firingCount": 2,
        "notifications": 2,
        "addedCount": 0,
        "removedCount": 1,
        "changedCount": 0,
        "unchangedCount": 1,
        "added": [],
        "removed": [{**_FIRING, "raisedTime": "2026-11-12T22:00:00Z"}],
        "changed": [],
    },
}
BACKTEST: Responses = {
    **response_example("What the rule would have raised.", _DOCUMENT),
    **problem_example(
        503,
        "Too many at one time, or it took too long.",
        "Service Unavailable",
        "4 back-tests are under way or waiting already; ask again in a while.",
    ),
}
BACKTEST_BODY = body_example(
    {
        "rule": {
            "id": "high-water",
            "title": {"en": "High water", "nl": "Hoog water"},
            "theme": "water",
            "select": {"types": ["Polder"]},
            "when": {
                "value": "water_level",
                "unit": "cm",
                "relativeTo": "targetLevel",
                "above": {"minor": 15},
                "deadband": 3,
            },
            "onDelay": "PT10M",
        },
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-11-23T00:00:00Z",
        "compareWith": "in-force",
        "severity": "minor",
        "limit": 100,
    }
)
