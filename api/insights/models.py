"""Models of correlations and of the liveability card."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.entities.models import EntityId, PropertyName, Unit
from api.http.models import Count, Link, Model, Time
from api.http.pages import PageLinks
from twin.indicators.correlation import Method
from twin.indicators.liveability import Domain
from twin.model.bilingual_text import BilingualText
from twin.quality.quality_flags import QualityWord
from twin.state.freshness import Freshness


class CorrelatedValue(Model, frozen=True, kw_only=True):
    """One of the two values."""

    entity_id: EntityId
    property: PropertyName
    unit: Unit
    hours: Annotated[Count, Meta(description="That have a mean.")]


class ConfidenceInterval(Model, frozen=True, kw_only=True):
    """The interval in which the coefficient is, at the confidence of the answer."""

    low: float
    high: float


class LagCorrelationModel(Model, frozen=True, kw_only=True):
    """The correlation at one lag."""

    lag: Annotated[int, Meta(description="Hours; positive: y follows x.")]
    coefficient: Annotated[float, Meta(description="-1 to 1.")]
    pairs: Annotated[Count, Meta(description="Hours that both have.")]
    effective_pairs: Annotated[float, Meta(description="The equivalent number of independent pairs.")]
    interval: ConfidenceInterval


class CorrelationModel(Model, frozen=True, kw_only=True):
    """The correlation of the hourly means of two values, at each lag that has a coefficient."""

    x: CorrelatedValue
    y: CorrelatedValue
    start: Time
    end: Annotated[Time, Meta(description="Exclusive.")]
    method: Method
    confidence: Annotated[float, Meta(ge=0, le=1)]
    best: Annotated[LagCorrelationModel, Meta(description="The strongest; null without any.")] | None
    significant: Annotated[bool, Meta(description="Of the best, as the strongest of that many lags.")]
    lags: list[LagCorrelationModel]
    links: PageLinks


class DomainScoreModel(Model, frozen=True, kw_only=True):
    """One line of the card: a score, the value that it was made of, and its scale."""

    domain: Domain
    title: BilingualText
    score: Annotated[float, Meta(ge=0, le=100, description="Null without a usable value.")] | None
    value: float | None
    unit: Unit
    measured_by: Annotated[str, Meta(description="The indicator of the scale.", examples=["lki"])]
    property: Annotated[str, Meta(description="The name of the value.", examples=["area_lki"])] | None
    count: Annotated[Count, Meta(description="Sensors or, of households, connections behind it.")]
    members: Count | None
    members_expected: Count | None
    preliminary: bool
    phenomenon_time: Time | None
    quality: QualityWord | None
    freshness: Freshness | None
    best: Annotated[float, Meta(description="The value with the score 100.")]
    worst: Annotated[float, Meta(description="The value with the score 0.")]
    explanation: BilingualText
    source: Annotated[str, Meta(description="Of the scale.")]


class LiveabilityLinks(Model, frozen=True, kw_only=True):
    """Links of a card."""

    self_: Link
    entity: Link


class Liveability(Model, frozen=True, kw_only=True):
    """The liveability card of an area: its scores by domain, without a total."""

    entity_id: EntityId
    name: str
    type: Annotated[str, Meta(examples=["Neighbourhood"])]
    domains: list[DomainScoreModel]
    links: LiveabilityLinks
