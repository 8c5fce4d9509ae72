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

VALUE = {
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
"freshness":"live","revision":7,"count":1}

"""


def response_example(
    description: str, example: object, media_type: str = "application/json", status: int = 200
) -> Responses:
    """Return the description of an endpoint's answers: the one that it gives, and that of a wrong request."""
    return {status: {"description": description, "content": {media_type: {"example": example}}}, **_PROBLEM}


def page_example(item: object, path: str) -> dict[str, object]:
    """Return a page with one item."""
    return {
        "items": [item],
        "_links": {"self": {"href": path}, "next": {"href": f"{path}?cursor=r2Fsa21hYXI"}},
    }


ENTITIES = response_example("A page of entities.", page_example(_ENTITY, "/v1/entities"))
ENTITY = response_example("The entity.", _ENTITY)
STATE = response_example(
    "The state.",
    {
        "entityId": "alkmaar.overdie",
        "revision": 7,
        "properties": {
            "pm2_5": {
                **VALUE,
                "revision": 7,
                "count": 1,
                "combination": "mean",
                "sensorIds": ["aq-overdie-1"],
                "deviatingSensorIds": [],
            },
            "no2": {
                **VALUE,
                "value": 940.0,
                "quality": "suspect",
                "lastGood": {"value": 31.0, "phenomenonTime": "2026-11-23T11:50:00Z"},
                "revision": 6,
                "count": 1,
                "combination": "mean",
                "sensorIds": ["aq-overdie-1"],
                "deviatingSensorIds": [],
            },
        },
        "indicators": {
            "lki": {**VALUE, "value": 3, "unit": "1", "revision": 5, "count": 2},
            "area_pm2_5": {**VALUE, "revision": 41, "count": 3, "deviatingEntityIds": []},
        },
        "datastreams": [{"id": 17, "sensorId": "aq-overdie-1", "property": "pm2_5", **VALUE}],
    },
)
RELATIONS = response_example(
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
DATASTREAMS = response_example(
    "A page of datastreams.",
    page_example(
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
OBSERVATIONS = response_example(
    "A page of observations.", page_example(_OBSERVATION, "/v1/datastreams/17/observations")
)
LIVE = response_example("Events, until either side ends.", _EVENT, "text/event-stream")
LIVENESS = response_example("It answers.", {"status": "ok"})
READINESS = response_example(
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
