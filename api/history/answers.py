"""The answers of stored values, with examples."""

from __future__ import annotations

from api.history.models import BucketModel, History, RecomputeModel
from api.http.answers import Answer
from api.http.models import Link
from api.http.pages import Page, PageLinks

HISTORY = Answer(
    model=History,
    description="The history: `buckets` with an `interval`, `observations` without.",
    example=History(
        entity_id="alkmaar.overdie",
        property="pm2_5",
        unit="ug/m3",
        source="observations",
        interval="PT1H",
        buckets=[
            BucketModel(
                start="2026-11-23T11:00:00Z",
                end="2026-11-23T12:00:00Z",
                count=6,
                suspect=0,
                coverage=1.0,
                quality="good",
                mean=11.0,
                max=12.5,
            )
        ],
        links=PageLinks(self_=Link(href="/v1/entities/alkmaar.overdie/history?property=pm2_5&interval=PT1H")),
    ),
)

RECOMPUTES = Answer(
    model=Page[RecomputeModel],
    description="What is computed again, newest change first.",
    example=Page(
        items=[
            RecomputeModel(
                requested_time="2026-11-23T12:00:00Z",
                reason="quality",
                property="water_level",
                sensors=12,
                finished_sensors=3,
                progress=0.31,
                finished_time=None,
            )
        ],
        links=PageLinks(self_=Link(href="/v1/recomputes")),
    ),
)
