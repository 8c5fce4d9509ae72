"""The answers of entities and datastreams, with examples."""

from __future__ import annotations

from msgspec.structs import replace

from api.entities.models import (
    DatastreamLinks,
    DatastreamModel,
    DatastreamStateModel,
    EntityFeature,
    EntityFeatureCollection,
    EntityModel,
    EntityTypeLinks,
    EntityTypeModel,
    LastGood,
    PropertyLinks,
    PropertyModel,
    Related,
    Relations,
    RelationsLinks,
    State,
    StateLinks,
    Value,
)
from api.history.models import ObservationModel, ObservationPage
from api.http.answers import GEOJSON, Answer
from api.http.models import Link
from api.http.pages import Page, PageLinks

CONTENT_CRS = {"Content-Crs": "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"}
"""Of answers with geometries (NLGov API Design Rules, module geospatial 1.0.2): WGS 84, longitude first."""

CRS_HEADER = {
    "Content-Crs": f"The coordinate reference system of geometries: `{CONTENT_CRS['Content-Crs']}`."
}
ENTITIES = Answer(model=Page[EntityModel], description="A page of entities.", headers=CRS_HEADER)
ENTITIES_GEOJSON = Answer(
    model=EntityFeatureCollection, description="The same as GeoJSON.", media_type=GEOJSON, headers=CRS_HEADER
)
ENTITY = Answer(model=EntityModel, description="The entity.", headers=CRS_HEADER)
ENTITY_GEOJSON = Answer(
    model=EntityFeature, description="The same as GeoJSON.", media_type=GEOJSON, headers=CRS_HEADER
)

_VALUE = Value(
    value=11.2,
    unit="ug/m3",
    phenomenon_time="2026-11-23T12:00:00Z",
    received_time="2026-11-23T12:00:01Z",
    quality="good",
    freshness="live",
    revision=8_589_934_599,
    count=1,
)
_OBSERVED = replace(_VALUE, combination="mean", sensor_ids=["aq-overdie-1"], deviating_sensor_ids=[])
STATE = Answer(
    model=State,
    description="The state.",
    example=State(
        entity_id="alkmaar.overdie",
        revision=8_589_934_599,
        properties={
            "pm2_5": _OBSERVED,
            "no2": replace(
                _OBSERVED,
                value=940.0,
                quality="suspect",
                last_good=LastGood(value=31.0, phenomenon_time="2026-11-23T11:50:00Z"),
                revision=8_589_934_598,
            ),
        },
        indicators={
            "lki": replace(_VALUE, value=3, unit="1", revision=8_589_934_597, count=2),
            "area_pm2_5": replace(
                _VALUE,
                revision=8_589_934_633,
                count=3,
                members=2,
                members_expected=2,
                preliminary=True,
                deviating_entity_ids=[],
            ),
        },
        datastreams=[
            DatastreamStateModel(
                id=17,
                sensor_id="aq-overdie-1",
                property="pm2_5",
                value=11.2,
                unit="ug/m3",
                phenomenon_time="2026-11-23T12:00:00Z",
                received_time="2026-11-23T12:00:01Z",
                quality="good",
                freshness="live",
            )
        ],
        links=StateLinks(
            self_=Link(href="/v1/entities/alkmaar.overdie/state"),
            entity=Link(href="/v1/entities/alkmaar.overdie"),
        ),
    ),
)
RELATIONS = Answer(
    model=Relations,
    description="The relations.",
    example=Relations(
        entity_id="alkmaar.overdie",
        parent="alkmaar.oost",
        children=[],
        outgoing=[
            Related(type="drainsTo", entity_id="alkmaar.schermerboezem", name="Schermerboezem"),
        ],
        incoming=[],
        links=RelationsLinks(self_=Link(href="/v1/entities/alkmaar.overdie/relations")),
    ),
)
_DATASTREAM = DatastreamModel(
    id=17,
    sensor_id="aq-overdie-1",
    entity_id="alkmaar.overdie",
    property="pm2_5",
    unit="ug/m3",
    interval="PT10M",
    links=DatastreamLinks(
        self_=Link(href="/v1/datastreams/17"),
        entity=Link(href="/v1/entities/alkmaar.overdie"),
        property=Link(href="/v1/properties/pm2_5"),
        observations=Link(href="/v1/datastreams/17/observations"),
    ),
)
DATASTREAM = Answer(model=DatastreamModel, description="The datastream.", example=_DATASTREAM)
DATASTREAMS = Answer(
    model=Page[DatastreamModel],
    description="A page of datastreams.",
    example=Page(
        items=[_DATASTREAM],
        links=PageLinks(
            self_=Link(href="/v1/datastreams"), next=Link(href="/v1/datastreams?cursor=r2Fsa21hYXI")
        ),
    ),
)
OBSERVATIONS = Answer(
    model=ObservationPage,
    description="A page of observations, and the time that all pages cover.",
    example=ObservationPage(
        start="2026-11-22T12:00:00.000001Z",
        end="2026-11-23T12:00:05Z",
        items=[
            ObservationModel(
                phenomenon_time="2026-11-23T12:00:00Z",
                received_time="2026-11-23T12:00:01Z",
                value=11.2,
                quality="good",
                sensor_id="aq-overdie-1",
            )
        ],
        links=PageLinks(self_=Link(href="/v1/datastreams/17/observations")),
    ),
)
_PROPERTY = PropertyModel(
    name="pm2_5",
    kind="observed",
    unit="ug/m3",
    theme="environment",
    aggregation="mean",
    roll_up="mean",
    combination="mean",
    minimum=-100.0,
    maximum=5_000.0,
    links=PropertyLinks(
        self_=Link(href="/v1/properties/pm2_5"), datastreams=Link(href="/v1/datastreams?property=pm2_5")
    ),
)
PROPERTY = Answer(model=PropertyModel, description="The property.", example=_PROPERTY)
PROPERTIES = Answer(
    model=Page[PropertyModel],
    description="A page of properties.",
    example=Page(items=[_PROPERTY], links=PageLinks(self_=Link(href="/v1/properties"))),
)
ENTITY_TYPES = Answer(
    model=Page[EntityTypeModel],
    description="All types.",
    example=Page(
        items=[
            EntityTypeModel(
                name="Neighbourhood",
                area=True,
                count=78,
                links=EntityTypeLinks(entities=Link(href="/v1/entities?type=Neighbourhood")),
            )
        ],
        links=PageLinks(self_=Link(href="/v1/entity-types")),
    ),
)
