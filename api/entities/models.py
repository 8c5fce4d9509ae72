"""Models of entities, their state, their relations and their datastreams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from api.http.models import Count, DurationText, Link, Model, Revision, Time
from api.http.pages import PageLinks
from cities.model.geometry import GEOMETRY_TYPES, POSITION_DEPTHS
from twin.model.bilingual_text import BilingualText
from twin.model.observed_property import Aggregation, Combination, RollUp, Theme
from twin.quality.quality_flags import QualityWord
from twin.state.freshness import Freshness

EntityId: TypeAlias = Annotated[str, Meta(examples=["alkmaar.overdie"])]
SensorId: TypeAlias = Annotated[str, Meta(examples=["aq-overdie-1"])]
PropertyName: TypeAlias = Annotated[str, Meta(examples=["pm2_5"])]
Unit: TypeAlias = Annotated[str, Meta(description="UCUM.", examples=["ug/m3"])]

_POSITION = {"type": "array", "items": {"type": "number"}, "minItems": 2}


def _coordinates(depth: int) -> dict[str, Any]:
    """Return the schema of positions in so many lists."""
    return {"type": "array", "items": _coordinates(depth - 1)} if depth else _POSITION


def _member_of(kind: str, member: str, schema: dict[str, Any]) -> dict[str, Any]:
    members = {"type": {"type": "string", "enum": [kind]}, member: schema}
    return {"type": "object", "required": ["type", member], "properties": members}


# Collections may nest, and a schema inside another one cannot refer to itself.
_IN_A_COLLECTION = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"type": "string", "enum": list(GEOMETRY_TYPES)}},
}

Geometry: TypeAlias = Annotated[
    Mapping[str, Any],
    Meta(
        description="GeoJSON geometry (RFC 7946); WGS 84, longitude before latitude.",
        examples=[{"type": "Point", "coordinates": [4.7489, 52.6324]}],
        extra_json_schema={
            "oneOf": [
                *(
                    _member_of(kind, "coordinates", _coordinates(depth))
                    for kind, depth in POSITION_DEPTHS.items()
                ),
                _member_of("GeometryCollection", "geometries", {"type": "array", "items": _IN_A_COLLECTION}),
            ]
        },
    ),
]


class EntityLinks(Model, frozen=True, kw_only=True):
    """Links of an entity."""

    self_: Link
    state: Link
    relations: Link
    liveability: Link | UnsetType = UNSET  #: of areas


class EntityMembers(Model, frozen=True, kw_only=True):
    """An entity without its geometry: the properties of a GeoJSON feature."""

    id: EntityId
    type: Annotated[str, Meta(examples=["Neighbourhood"])]
    name: Annotated[str, Meta(examples=["Overdie"])]
    parent: Annotated[str, Meta(description="The area it belongs to.", examples=["alkmaar.oost"])] | None
    attributes: Annotated[Mapping[str, Any], Meta(examples=[{"connections": 2900}])]
    themes: list[Theme]
    properties: Annotated[list[str], Meta(description="Observed.", examples=[["no2", "pm2_5"]])]
    interval: Annotated[DurationText, Meta(examples=["PT10M"])] | None
    freshness: Freshness | None
    links: EntityLinks


class EntityModel(EntityMembers, frozen=True, kw_only=True):
    """A thing in the city: a street, a canal, a neighbourhood."""

    geometry: Geometry | None


class EntityFeature(Model, tag_field="type", tag="Feature", frozen=True, kw_only=True):
    """An entity as a GeoJSON feature (RFC 7946)."""

    id: EntityId
    geometry: Geometry | None
    properties: EntityMembers


class EntityFeatureCollection(Model, tag_field="type", tag="FeatureCollection", frozen=True, kw_only=True):
    """A page of entities as GeoJSON."""

    features: list[EntityFeature]
    links: PageLinks


class LastGood(Model, frozen=True, kw_only=True):
    """The newest value that was good, beside one that is suspect."""

    value: float
    phenomenon_time: Time


class Value(Model, frozen=True, kw_only=True):
    """The value of a property, an indicator or a roll-up."""

    value: float
    unit: Unit
    phenomenon_time: Time
    received_time: Time
    quality: QualityWord
    freshness: Freshness
    revision: Revision
    count: Annotated[Count, Meta(description="Sensors or, of households, connections behind it.")]
    last_good: LastGood | UnsetType = UNSET
    combination: Combination | UnsetType = UNSET
    sensor_ids: list[str] | UnsetType = UNSET
    deviating_sensor_ids: list[str] | UnsetType = UNSET
    members: Count | UnsetType | None = UNSET
    members_expected: Count | UnsetType | None = UNSET
    preliminary: bool | UnsetType = UNSET
    deviating_entity_ids: list[str] | UnsetType = UNSET


class DatastreamStateModel(Model, frozen=True, kw_only=True):
    """The newest value of one datastream."""

    id: int
    sensor_id: SensorId
    property: PropertyName
    value: float
    unit: Unit
    phenomenon_time: Time
    received_time: Time
    quality: QualityWord
    freshness: Freshness


class StateLinks(Model, frozen=True, kw_only=True):
    """Links of a state."""

    self_: Link
    entity: Link


class State(Model, frozen=True, kw_only=True):
    """The present state of an entity."""

    entity_id: EntityId
    revision: Revision
    properties: dict[str, Value]
    indicators: dict[str, Value]
    datastreams: list[DatastreamStateModel]
    links: StateLinks


class Related(Model, frozen=True, kw_only=True):
    """An entity that a relation leads to or comes from."""

    type: Annotated[str, Meta(examples=["drainsTo"])]
    entity_id: EntityId
    name: str | None


class RelationsLinks(Model, frozen=True, kw_only=True):
    """Links of relations."""

    self_: Link


class Relations(Model, frozen=True, kw_only=True):
    """The relations of an entity in both directions, its parent and its children."""

    entity_id: EntityId
    parent: str | None
    children: list[str]
    outgoing: list[Related]
    incoming: list[Related]
    links: RelationsLinks


class DatastreamLinks(Model, frozen=True, kw_only=True):
    """Links of a datastream."""

    self_: Link
    entity: Link
    property: Link
    observations: Link


class DatastreamModel(Model, frozen=True, kw_only=True):
    """One sensor and one property on one entity."""

    id: int
    sensor_id: SensorId
    entity_id: EntityId
    property: PropertyName
    unit: Unit | None
    interval: Annotated[DurationText, Meta(examples=["PT10M"])]
    links: DatastreamLinks


PropertyKind: TypeAlias = Literal["observed", "indicator", "roll-up"]


class PropertyLinks(Model, frozen=True, kw_only=True):
    """Links of a property."""

    self_: Link
    datastreams: Link | UnsetType = UNSET  #: of an observed property
    base: Link | UnsetType = UNSET  #: of a roll-up: what is rolled up


class PropertyModel(Model, frozen=True, kw_only=True):
    """What the values of a name are: of an observed property, an indicator, or the roll-up of either."""

    name: PropertyName
    kind: PropertyKind
    unit: Unit
    theme: Theme
    aggregation: Annotated[Aggregation, Meta(description="Over time.")]
    roll_up: Annotated[RollUp, Meta(description="Over the entities of an area, as `area_…`.")]
    title: BilingualText | UnsetType = UNSET  #: of an indicator
    combination: Annotated[Combination, Meta(description="Of sensors on one entity.")] | UnsetType = UNSET
    minimum: Annotated[float, Meta(description="The least possible value.")] | UnsetType = UNSET
    maximum: Annotated[float, Meta(description="The greatest possible value.")] | UnsetType = UNSET
    links: PropertyLinks


class EntityTypeLinks(Model, frozen=True, kw_only=True):
    """Links of a type of entities."""

    entities: Link


class EntityTypeModel(Model, frozen=True, kw_only=True):
    """A type that entities of the city have."""

    name: Annotated[str, Meta(examples=["Neighbourhood"])]
    area: Annotated[bool, Meta(description="Whether values roll up into its entities.")]
    count: Annotated[Count, Meta(description="Entities of the type.")]
    links: EntityTypeLinks
