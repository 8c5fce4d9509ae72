"""Models of the sensor register."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from api.entities.models import EntityId, Geometry, PropertyName, Unit
from api.http.models import Count, DurationText, Link, Model
from api.http.pages import PageLinks
from twin.model.bilingual_text import BilingualText

SensorStatus: TypeAlias = Literal["active", "retired"]
DateText: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date"})]
RegisterText: TypeAlias = BilingualText | None


class ObservedBySensor(Model, frozen=True, kw_only=True):
    """A property that a sensor observes."""

    property: PropertyName
    unit: Unit | None
    interval: DurationText | None


class SensorDevice(Model, frozen=True, kw_only=True):
    """How the network knows the device of a sensor."""

    feed: Annotated[str, Meta(examples=["ttn"])]
    address: Annotated[str, Meta(examples=["eui-a81758fffe0512ab"])]


class SensorLinks(Model, frozen=True, kw_only=True):
    """Links of a sensor."""

    self_: Link
    entity: Link
    datastreams: Link | UnsetType = UNSET  #: of an active sensor that is shown by itself


class SensorMembers(Model, frozen=True, kw_only=True):
    """A sensor without its geometry: the properties of a GeoJSON feature."""

    id: Annotated[str, Meta(description="Of a sensor, or of all household meters of an area together.")]
    status: SensorStatus
    count: (
        Annotated[
            Count,
            Meta(description="Of sensors: 1, or those of households in the area; null where they are few."),
        ]
        | None
    )
    kind: Annotated[str, Meta(description="Of device.", examples=["air-quality"])] | None
    device_kind: Annotated[RegisterText, Meta(description="The kind of device in words.")]
    owner: str | None
    contact: Annotated[str, Meta(description="URL.", examples=["mailto:sensors@city.example"])] | None
    purpose: Annotated[RegisterText, Meta(description="Why it is there.")]
    observes: Annotated[RegisterText, Meta(description="What it observes.")]
    observes_not: Annotated[RegisterText, Meta(description="What it explicitly does not observe.")]
    legal_basis: RegisterText
    personal_data: Annotated[bool, Meta(description="Whether personal data are processed.")] | None
    properties: list[ObservedBySensor]
    interval: Annotated[DurationText, Meta(description="Expected time between observations.")] | None
    entity_id: EntityId
    entity_name: str | None
    since: DateText | None
    until: Annotated[DateText, Meta(description="When it was or will be removed.")] | None
    device: Annotated[SensorDevice, Meta(description="Null for anonymous clients.")] | None
    links: SensorLinks


class SensorModel(SensorMembers, frozen=True, kw_only=True):
    """An entry of the sensor register: a sensor, or the meters of the households of an area together."""

    geometry: Annotated[Geometry, Meta(description="Of the entity that it observes.")] | None


class SensorFeature(Model, tag_field="type", tag="Feature", frozen=True, kw_only=True):
    """An entry of the register as a GeoJSON feature (RFC 7946)."""

    id: str
    geometry: Geometry | None
    properties: SensorMembers


class SensorFeatureCollection(Model, tag_field="type", tag="FeatureCollection", frozen=True, kw_only=True):
    """A page of the register as GeoJSON."""

    features: list[SensorFeature]
    links: PageLinks
