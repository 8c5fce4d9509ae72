"""Example of the lineage of a value, for /v1/openapi.json."""

from __future__ import annotations

from api.http.openapi_examples import VALUE, response_example

_MESSAGE = {
    "topic": "v3/alkmaar@ttn/devices/eui-a81758fffe0512ab/up",
    "feed": "ttn",
    "device": "eui-a81758fffe0512ab",
    "receivedTime": "2026-11-23T12:00:01Z",
    "decoder": "ttn",
    "decoderVersion": 1,
    "payloadBytes": 812,
    "payloadSha256": "0c2e…",
    "payload": "eyJlbmRf…",
    "session": "2f6c…",
    "sequence": 5120,
    "replayed": False,
    "log": {"id": "livetwin-1", "topic": "observations", "partition": 1, "offset": 4711},
}
PROVENANCE = response_example(
    "Where the value comes from.",
    {
        "entityId": "alkmaar.overdie",
        "property": "pm2_5",
        "unit": "ug/m3",
        "kind": "observed",
        "value": {**VALUE, "revision": 7, "count": 1, "sensorIds": ["aq-overdie-1"]},
        "observations": [
            {
                "datastreamId": 17,
                "sensorId": "aq-overdie-1",
                "phenomenonTime": "2026-11-23T12:00:00Z",
                "receivedTime": "2026-11-23T12:00:01Z",
                "rawValue": 10.2,
                "value": 11.2,
                "quality": "good",
                "flags": [],
                "calibration": {"start": "2026-11-01T00:00:00Z", "end": None, "gain": 1.0, "offset": 1.0},
                "message": _MESSAGE,
            }
        ],
        "truncated": False,
    },
)
