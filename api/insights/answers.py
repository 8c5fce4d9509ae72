"""The answers of correlations and of the liveability card, with examples."""

from __future__ import annotations

from api.http.answers import Answer
from api.http.models import Link
from api.http.pages import PageLinks
from api.insights.models import (
    ConfidenceInterval,
    CorrelatedValue,
    CorrelationModel,
    DomainScoreModel,
    LagCorrelationModel,
    Liveability,
    LiveabilityLinks,
)
from twin.model.bilingual_text import BilingualText

_LAG = LagCorrelationModel(
    lag=1,
    coefficient=0.62,
    pairs=700,
    effective_pairs=96.4,
    interval=ConfidenceInterval(low=0.48, high=0.73),
)
CORRELATIONS = Answer(
    model=CorrelationModel,
    description="The correlation at each lag.",
    example=CorrelationModel(
        x=CorrelatedValue(entity_id="alkmaar.overdie", property="area_speed_ratio", unit="1", hours=720),
        y=CorrelatedValue(entity_id="alkmaar.overdie", property="no2", unit="ug/m3", hours=702),
        start="2026-10-24T12:00:00Z",
        end="2026-11-23T12:00:00Z",
        method="pearson",
        confidence=0.95,
        best=_LAG,
        significant=True,
        lags=[_LAG],
        links=PageLinks(
            self_=Link(href="/v1/insights/correlations?entity=alkmaar.overdie&x=area_speed_ratio&y=no2&lag=1")
        ),
    ),
)
LIVEABILITY = Answer(
    model=Liveability,
    description="The card.",
    example=Liveability(
        entity_id="alkmaar.overdie",
        name="Overdie",
        type="Neighbourhood",
        domains=[
            DomainScoreModel(
                domain="air",
                title=BilingualText("Air", "Lucht"),
                score=80.0,
                value=3,
                unit="1",
                measured_by="lki",
                property="area_lki",
                count=3,
                members=3,
                members_expected=3,
                preliminary=False,
                phenomenon_time="2026-11-23T12:00:00Z",
                quality="good",
                freshness="live",
                best=1,
                worst=11,
                explanation=BilingualText(
                    "100 at class 1, 0 at class 11", "100 bij klasse 1, 0 bij klasse 11"
                ),
                source="RIVM report 2014-0050: lowest and highest class",
            )
        ],
        links=LiveabilityLinks(
            self_=Link(href="/v1/entities/alkmaar.overdie/liveability"),
            entity=Link(href="/v1/entities/alkmaar.overdie"),
        ),
    ),
)
