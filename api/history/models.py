"""Models of stored values."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from api.entities.models import EntityId, PropertyName, Unit
from api.http.models import Count, DurationText, Model, Time
from api.http.pages import Page, PageLinks
from storage.stores.recomputes import RecomputeReason
from twin.quality.quality_flags import QualityWord

Coverage: TypeAlias = Annotated[float, Meta(description="Measured share of the time.", ge=0, le=1)]
SuspectCount: TypeAlias = Annotated[Count, Meta(description="Of values that do not take part.")]


class ObservationModel(Model, frozen=True, kw_only=True):
    """One reading of a datastream."""

    phenomenon_time: Time
    received_time: Time
    value: float
    quality: QualityWord
    sensor_id: str | None  #: null when the sensor has left the model


class ObservationPage(Page[ObservationModel], frozen=True, kw_only=True):
    """A page of readings; `start` and `end` (exclusive) are the time that all pages cover."""

    start: Time
    end: Time


class StoredValue(Model, frozen=True, kw_only=True):
    """A reading, with `receivedTime` and `sensorId`, or a published value, with `count`."""

    phenomenon_time: Time
    value: float
    quality: QualityWord
    received_time: Time | UnsetType = UNSET
    sensor_id: (
        Annotated[str, Meta(description="Null when the sensor has left the model.")] | UnsetType | None
    ) = UNSET
    count: (
        Annotated[Count, Meta(description="Sensors or, of households, connections behind it.")] | UnsetType
    ) = UNSET


class BucketModel(Model, frozen=True, kw_only=True):
    """The aggregates of one bucket of time: those that were requested, null without usable values."""

    start: Time
    end: Annotated[Time, Meta(description="Exclusive.")]
    count: Annotated[Count, Meta(description="Of the values in the aggregates.")]
    suspect: SuspectCount
    coverage: Coverage | None
    quality: Annotated[QualityWord, Meta(description="Of all values, including suspect ones.")] | None
    mean: float | UnsetType | None = UNSET
    min: float | UnsetType | None = UNSET
    max: float | UnsetType | None = UNSET
    sum: float | UnsetType | None = UNSET
    first: float | UnsetType | None = UNSET
    last: float | UnsetType | None = UNSET
    p50: float | UnsetType | None = UNSET
    p95: float | UnsetType | None = UNSET
    percentile_error: (
        Annotated[
            float,
            Meta(
                description="Where p50 and p95 come from stored distributions: each is within this share of "
                "a value of that rank. Absent where they are exact.",
                ge=0,
                le=1,
            ),
        ]
        | UnsetType
    ) = UNSET


class History(Model, frozen=True, kw_only=True):
    """The history of a value: `buckets` with an `interval`, `observations` without."""

    entity_id: EntityId
    property: PropertyName
    unit: Unit
    source: Annotated[
        Literal["observations", "published"],
        Meta(description="Readings of datastreams, or values that were published, such as indicators."),
    ]
    known_at: Time | UnsetType = UNSET
    interval: Annotated[DurationText, Meta(examples=["PT1H"])] | UnsetType = UNSET
    buckets: Annotated[list[BucketModel], Meta(description="Oldest first.")] | UnsetType = UNSET
    observations: Annotated[list[StoredValue], Meta(description="Oldest first.")] | UnsetType = UNSET
    links: PageLinks


class RecomputeModel(Model, frozen=True, kw_only=True):
    """What one change of the model made be computed again."""

    requested_time: Time
    reason: Annotated[
        RecomputeReason,
        Meta(description="A correction is a calibration or a maintenance."),
    ]
    property: Annotated[str, Meta(description="Null: all of a sensor.", examples=["water_level"])] | None
    sensors: Count
    finished_sensors: Count
    progress: Annotated[float, Meta(description="Share of the time to process.", ge=0, le=1)]
    finished_time: Time | None
