"""Examples of entities, their state and datastreams, for /v1/openapi.json."""

from __future__ import annotations

from api.http.openapi_examples import VALUE, page_example, response_example

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
            "area_pm2_5": {
                **VALUE,
                "revision": 41,
                "count": 3,
                "members": 2,
                "membersExpected": 2,
                "preliminary": True,
                "deviatingEntityIds": [],
            },
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
_OBSERVATION = {
    "phenomenonTime": "2026-11-23T12:00:00Z",
    "receivedTime": "2026-11-23T12:00:01Z",
    "value": 11.2,
    "quality": "good",
}
OBSERVATIONS = response_example(
    "A page of observations, and the time that all pages cover.",
    {
        "start": "2026-11-22T12:00:00.000001Z",
        "end": "2026-11-23T12:00:05Z",
        **page_example(_OBSERVATION, "/v1/datastreams/17/observations"),
    },
)
