"""Examples of answers, for /v1/openapi.json."""

from __future__ import annotations

from typing import Any, TypeAlias

Responses: TypeAlias = dict[int | str, dict[str, Any]]

_PROBLEM: Responses = {
    400: {
        "description": "The request is wrong; every fault at once.",
        "content": {
            "application/problem+json": {
                "example": {
                    "type": "about:blank",
                    "title": "Bad Request",
                    "status": 400,
                    "detail": "The request has 1 fault; `errors` lists each.",
                    "instance": "/v1/entities",
                    "errors": [
                        {
                            "in": "query",
                            "name": "tpye",
                            "code": "unknown",
                            "detail": "the parameter 'tpye' is unknown; did you mean 'type'?",
                        }
                    ],
                }
            }
        },
    }
}

_ENTITY = {
    "id": "alkmaar.overdie",
    "type": "Neighbourhood",
    "name": "Overdie",
    "parent": "alkmaar.oost",
    "geometry": {"type": "Point", "coordinates": [4.7489, 52.6324]},
    "attributes": {"connections": 2900},
    "themes": ["environment"],
    "properties": ["no2", "pm2_5"],
    "interval": "PT10M",
    "freshness": "live",
    "_links": {"self": {"href": "/v1/entities/alkmaar.overdie"}},
}

_VALUE = {
    "value": 11.2,
    "unit": "ug/m3",
    "phenomenonTime": "2026-11-23T12:00:00Z",
    "receivedTime": "2026-11-23T12:00:01Z",
    "quality": "good",
    "freshness": "live",
}

_EVENT = """id: lQHZ…
event: state
data: {"entityId":"alkmaar.overdie","property":"pm2_5","value":11.2,"unit":"ug/m3",\
"phenomenonTime":"2026-11-23T12:00:00Z","receivedTime":"2026-11-23T12:00:01Z","quality":"good",\
"freshness":"live","revision":7}

"""


def _answer(description: str, example: object, media_type: str = "application/json") -> Responses:
    return {200: {"description": description, "content": {media_type: {"example": example}}}, **_PROBLEM}


def _page(item: object, path: str) -> dict[str, object]:
    return {
        "items": [item],
        "_links": {"self": {"href": path}, "next": {"href": f"{path}?cursor=r2Fsa21hYXI"}},
    }


ENTITIES = _answer("A page of entities.", _page(_ENTITY, "/v1/entities"))
ENTITY = _answer("The entity.", _ENTITY)
STATE = _answer(
    "The state.",
    {
        "entityId": "alkmaar.overdie",
        "revision": 7,
        "properties": {"pm2_5": {**_VALUE, "revision": 7, "sensorIds": ["aq-overdie-1"]}},
        "indicators": {},
        "datastreams": [{"id": 17, "sensorId": "aq-overdie-1", "property": "pm2_5", **_VALUE}],
    },
)
RELATIONS = _answer(
    "The relations.",
    {
        "entityId": "alkmaar.overdie",
        "parent": "alkmaar.oost",
        "children": [],
        "outgoing": [{"type": "drainsTo", "entityId": "alkmaar.schermerboezem", "name": "Schermerboezem"}],
        "incoming": [],
    },
)
_OBSERVATION = {
    "phenomenonTime": "2026-11-23T12:00:00Z",
    "receivedTime": "2026-11-23T12:00:01Z",
    "value": 11.2,
    "quality": "good",
}
HISTORY = _answer(
    "The history: `buckets` with an `interval`, `observations` without.",
    {
        "entityId": "alkmaar.overdie",
        "property": "pm2_5",
        "unit": "ug/m3",
        "interval": "PT1H",
        "buckets": [
            {
                "start": "2026-11-23T11:00:00Z",
                "end": "2026-11-23T12:00:00Z",
                "count": 6,
                "coverage": 1.0,
                "quality": "good",
                "mean": 11.0,
                "max": 12.5,
            }
        ],
        "_links": {"self": {"href": "/v1/entities/alkmaar.overdie/history?property=pm2_5&interval=PT1H"}},
    },
)
DATASTREAMS = _answer(
    "A page of datastreams.",
    _page(
        {
            "id": 17,
            "sensorId": "aq-overdie-1",
            "entityId": "alkmaar.overdie",
            "property": "pm2_5",
            "unit": "ug/m3",
            "interval": "PT10M",
        },
        "/v1/datastreams",
    ),
)
OBSERVATIONS = _answer("A page of observations.", _page(_OBSERVATION, "/v1/datastreams/17/observations"))
QUARANTINE = _answer(
    "A page of quarantined messages.",
    _page(
        {
            "id": "9a4ef3f1c2d35f6e0b6d7a81",
            "feed": "native",
            "topic": "livetwin/alkmaar/aq-overdie-1/observations",
            "receivedTime": "2026-11-23T12:00:01Z",
            "reason": "malformed",
            "detail": "the payload is not JSON: it ends after 12 bytes",
            "payload": "eyJ0aW1lIjog",
            "payloadBytes": 9,
            "payloadSha256": "0c2e…",
            "payloadTruncated": False,
        },
        "/v1/quarantine",
    ),
)
LIVE = _answer("Events, until either side ends.", _EVENT, "text/event-stream")
ALIVE = _answer("It answers.", {"status": "ok"})
READY = _answer(
    "Ready, perhaps degraded.",
    {
        "status": "ok",
        "parts": {
            "liveView": {"status": "ok", "values": 412},
            "log": {"status": "ok", "identity": "livetwin-1"},
            "database": {"status": "ok"},
        },
    },
)
