"""Renders the liveability card: each domain with its value, score, freshness and source."""

from __future__ import annotations

from typing import NamedTuple

from api.http.models import Link
from api.insights.models import DomainScoreModel, Liveability, LiveabilityLinks
from api.live.live_view import LiveView
from twin.indicators.indicator import IndicatorValue
from twin.indicators.liveability import SCORE_SCALES, DomainScore, liveability_card
from twin.instant import Instant, format_instant
from twin.model.entity import Entity
from twin.model.names import AREA_PREFIX
from twin.quality.quality_flags import quality_word
from twin.state.freshness import Freshness
from twin.wire.messages import Update


class _ScaleValue(NamedTuple):
    """The present value of the indicator of a score scale."""

    update: Update
    freshness: Freshness


def liveability_model(entity: Entity, view: LiveView, now: Instant) -> Liveability:
    """Return the card of an area, from the roll-ups over it, or its own values where there is none."""
    values = {
        scale.indicator: value
        for scales in SCORE_SCALES.values()
        for scale in scales
        if (value := _present_value(entity.id, scale.indicator, view, now)) is not None
    }
    scored = {
        name: IndicatorValue(value.update.value, value.update.phenomenon_time, value.update.flags, ())
        for name, value in values.items()
        if value.freshness != "silent"
    }
    path = f"/v1/entities/{entity.id}"
    return Liveability(
        entity_id=entity.id,
        name=entity.name,
        type=entity.type,
        domains=[_domain(score, values) for score in liveability_card(scored)],
        links=LiveabilityLinks(self_=Link(href=f"{path}/liveability"), entity=Link(href=path)),
    )


def _present_value(entity: str, indicator: str, view: LiveView, now: Instant) -> _ScaleValue | None:
    state = view.entity(entity)
    if state is None:
        return None
    for name in (AREA_PREFIX + indicator, indicator):
        value = state.values.get(name)
        freshness = view.freshness_of(value, now) if value is not None else None
        if value is not None and freshness is not None:
            return _ScaleValue(value.update, freshness)
    return None


def _domain(score: DomainScore, values: dict[str, _ScaleValue]) -> DomainScoreModel:
    scale = score.scale
    value = values.get(scale.indicator)
    update = value.update if value is not None else None
    return DomainScoreModel(
        domain=score.domain,
        title=score.title,
        score=score.score,
        value=update.value if update is not None else None,
        unit=scale.unit,
        measured_by=scale.indicator,
        property=update.property if update is not None else None,
        count=update.count if update is not None else 0,
        members=update.members if update is not None else 0,
        members_expected=update.members_expected if update is not None else 0,
        preliminary=update.preliminary if update is not None else False,
        phenomenon_time=format_instant(update.phenomenon_time) if update is not None else None,
        quality=quality_word(update.flags) if update is not None else None,
        freshness=value.freshness if value is not None else None,
        best=scale.good,
        worst=scale.bad,
        explanation=scale.explanation,
        source=scale.source,
    )
