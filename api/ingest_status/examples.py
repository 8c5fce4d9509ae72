"""Examples of ledger, quarantine and unassigned devices, for /v1/openapi.json."""

from __future__ import annotations

from typing import Any

from api.http.openapi_examples import page_example, response_example

_QUARANTINED = {
    "id": "9a4ef3f1c2d35f6e0b6d7a81",
    "feed": "native",
    "device": "aq-overdie-1",
    "topic": "livetwin/alkmaar/aq-overdie-1/observations",
    "receivedTime": "2026-11-23T12:00:01Z",
    "reason": "malformed",
    "detail": "the payload is not JSON: it ends after 12 bytes",
    "decoder": "native",
    "decoderVersion": 1,
    "observations": 0,
    "attempts": 0,
    "replayState": "none",
    "replayRequestedTime": None,
    "resolvedTime": None,
    "payloadBytes": 9,
    "payloadSha256": "0c2e…",
    "payloadTruncated": False,
    "_links": {"payload": {"href": "/v1/quarantine/9a4ef3f1c2d35f6e0b6d7a81/payload"}},
}
QUARANTINE = response_example("A page of quarantined messages.", page_example(_QUARANTINED, "/v1/quarantine"))
QUARANTINED = response_example(
    "The message, with the beginning of its payload.", {**_QUARANTINED, "payload": "eyJ0aW1lIjog"}
)
QUARANTINED_PAYLOAD = response_example("The bytes of the payload.", '{"time": ', "application/octet-stream")
_COUNTS = {
    "received": 120,
    "accepted": 118,
    "quarantined": 2,
    "observations": 300,
    "new": 290,
    "corrected": 1,
    "superseded": 0,
    "duplicate": 9,
    "replayed": 0,
    "resolved": 0,
}
_EQUATIONS = [
    "received 120 = accepted 118 + quarantined 2",
    "observations 300 = new 290 + corrected 1 + superseded 0 + duplicate 9",
]
LEDGER = response_example(
    "The ledger of the requested interval, and the balance of everything.",
    {
        "start": "2026-11-23T12:00:00Z",
        "end": "2026-11-23T13:00:00Z",
        "balanced": True,
        "balance": {
            **_COUNTS,
            "stored": 290,
            "removed": 0,
            "missing": 0,
            "lost": 0,
            "equations": [*_EQUATIONS, "new 290 = stored 290 + removed 0", "lost 0 = 0"],
            "balanced": True,
        },
        "totals": {**_COUNTS, "equations": _EQUATIONS, "balanced": True},
        "sessions": [
            {
                "session": "2f6c…",
                "firstReceived": "2026-11-23T12:00:00Z",
                "lastReceived": "2026-11-23T12:00:00Z",
                "messages": 120,
                "lastSequence": 119,
                "missing": 0,
                "lost": 0,
                "holes": [],
            }
        ],
        "interruptions": [],
        "quarantine": {"bytes": 1_240_000, "headsOnly": 0, "countedOnly": 0},
        "items": [{"feed": "ttn", "minute": "2026-11-23T12:00:00Z", **_COUNTS}],
        "_links": {"self": {"href": "/v1/ledger"}},
    },
)
_REQUESTED = "The replay is requested; `replayState` in /v1/quarantine shows its progress."
REPLAY = response_example(
    _REQUESTED, {"id": "9a4ef3f1c2d35f6e0b6d7a81", "requested": 1, "replayState": "requested"}, status=202
)
REPLAYS = response_example(_REQUESTED, {"requested": 42, "limit": 10_000}, status=202)
UNASSIGNED = response_example(
    "Devices without a sensor.",
    page_example(
        {
            "feed": "ttn",
            "device": "eui-70b3d57ed0001234",
            "count": 6,
            "firstReceivedTime": "2026-11-23T11:00:00Z",
            "lastReceivedTime": "2026-11-23T11:50:00Z",
            "messages": [
                {
                    "topic": "v3/alkmaar@ttn/devices/eui-70b3d57ed0001234/up",
                    "receivedTime": "2026-11-23T11:50:00Z",
                    "payloadBytes": 212,
                    "_links": {},
                }
            ],
            "assign": {
                "how": "Put this into sensors.yaml of the city folder …",
                "sensorsYaml": '  - id: <a name of yours>\n    feed: "ttn"\n',
            },
        },
        "/v1/unassigned-devices",
    ),
)
ASSIGN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "id": "aq-overdie-2",
                    "feed": "native",
                    "device": "aq-overdie-2",
                    "entity": "alkmaar.overdie",
                    "interval": "PT10M",
                    "observes": [{"property": "pm2_5", "field": "pm2_5", "unit": "ug/m3"}],
                },
            }
        },
    }
}
ASSIGNED = response_example(
    "The sensor was added; its quarantined messages are processed now.",
    {
        "sensorId": "aq-overdie-2",
        "modelVersion": 8,
        "_links": {"quarantine": {"href": "/v1/quarantine?resolved=false"}},
    },
    status=201,
)
