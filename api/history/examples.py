"""Examples of stored values, for /v1/openapi.json."""

from __future__ import annotations

from api.http.openapi_examples import page_example, response_example

HISTORY = response_example(
    "The history: `buckets` with an `interval`, `observations` without.",
    {
        "entityId": "alkmaar.overdie",
        "property": "pm2_5",
        "unit": "ug/m3",
        "source": "observations",
        "interval": "PT1H",
        "buckets": [
            {
                "start": "2026-11-23T11:00:00Z",
                "end": "2026-11-23T12:00:00Z",
                "count": 6,
                "suspect": 0,
                "coverage": 1.0,
                "quality": "good",
                "mean": 11.0,
                "max": 12.5,
            }
        ],
        "_links": {"self": {"href": "/v1/entities/alkmaar.overdie/history?property=pm2_5&interval=PT1H"}},
    },
)

RECOMPUTES = response_example(
    "What is computed again, newest change first.",
    page_example(
        {
            "requestedTime": "2026-11-23T12:00:00Z",
            "reason": "quality",
            "property": "water_level",
            "sensors": 12,
            "finishedSensors": 3,
            "progress": 0.31,
            "finishedTime": None,
        },
        "/v1/recomputes",
    ),
)
