"""The answers about rules, their versions and back-tests, with examples."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from msgspec.structs import replace

from api.alarms.models import SeverityCounts
from api.http.answers import Answer, Body, NoContent
from api.http.models import Link
from api.http.pages import Page, PageLinks
from api.rules.models import (
    BacktestDifference,
    BacktestNotifications,
    BacktestResultModel,
    EntityFirings,
    FiringModel,
    Night,
    NightNotifications,
    RuleCondition,
    RuleContent,
    RuleLinks,
    RuleModel,
    RuleReference,
    RuleSelection,
    RuleVersionModel,
)
from api.rules.schemas import BacktestBody, PutRuleBody
from twin.model.bilingual_text import BilingualText

_RULE: dict[str, Any] = {
    "id": "high-water",
    "title": {"en": "High water", "nl": "Hoog water"},
    "theme": "water",
    "select": {"types": ["Waterway", "Polder"]},
    "when": {
        "value": "water_level",
        "unit": "cm",
        "relativeTo": "targetLevel",
        "above": {"warning": 10, "minor": 15, "major": 20},
        "deadband": 3,
    },
    "onDelay": "PT10M",
    "offDelay": "PT30M",
    "incidentArea": "Municipality",
    "guidance": {"en": "Check the pumping station.", "nl": "Controleer het gemaal."},
}
_CURRENT = RuleModel(
    id="high-water",
    title=BilingualText("High water", "Hoog water"),
    theme="water",
    select=RuleSelection(types=["Waterway", "Polder"]),
    when=RuleCondition(
        value="water_level",
        unit="m",
        relative_to="targetLevel",
        above={"warning": 0.1, "minor": 0.15, "major": 0.2},
        clear={"warning": 0.07, "minor": 0.12, "major": 0.17},
    ),
    on_delay="PT10M",
    off_delay="PT30M",
    incident_area="Municipality",
    guidance=BilingualText("Check the pumping station.", "Controleer het gemaal."),
    version=3,
    origin="api",
    changed_time="2026-11-23T12:00:00Z",
    changed_by="control room",
    links=RuleLinks(
        self_=Link(href="/v1/rules/high-water"),
        versions=Link(href="/v1/rules/high-water/versions"),
        alarms=Link(href="/v1/alarms?rule=high-water"),
    ),
)
_ETAG = {"ETag": "The version of the rule, for `If-Match`."}

RULES = Answer(
    model=Page[RuleModel],
    description="A page of rules.",
    example=Page(
        items=[_CURRENT],
        links=PageLinks(self_=Link(href="/v1/rules"), next=Link(href="/v1/rules?cursor=qmhpZ2gtd2F0ZXI")),
    ),
)
RULE = Answer(model=RuleModel, description="The rule.", example=_CURRENT, headers=_ETAG)
RULE_PUT = Answer(
    model=RuleModel,
    description="Changed or unchanged: the rule in force.",
    example=_CURRENT,
    headers=_ETAG,
)
RULE_CREATED = Answer(
    model=RuleModel,
    description="Created.",
    example=replace(_CURRENT, version=1),
    status=HTTPStatus.CREATED,
    headers={**_ETAG, "Location": "The path of the rule."},
)
PUT_BODY = Body(PutRuleBody, _RULE)
DELETED = NoContent("No longer in force; its versions stay.")
VERSIONS = Answer(
    model=Page[RuleVersionModel],
    description="A page of versions, newest first.",
    example=Page(
        items=[
            RuleVersionModel(
                version=3,
                deleted=False,
                origin="api",
                changed_time="2026-11-23T12:00:00Z",
                changed_by="control room",
                rule=RuleContent(
                    id="high-water",
                    title=_CURRENT.title,
                    theme="water",
                    select=_CURRENT.select,
                    when=_CURRENT.when,
                ),
            )
        ],
        links=PageLinks(self_=Link(href="/v1/rules/high-water/versions")),
    ),
)

_FIRING = FiringModel(
    alarm_id="high-water~alkmaar.schermer",
    entity_id="alkmaar.schermer",
    sensor_id=None,
    raised_time="2026-11-20T02:10:00Z",
    returned_time="2026-11-20T04:40:00Z",
    duration="PT2H30M",
    severity="minor",
    peak=-2.02,
    sentence=BilingualText(
        "High water, Schermer: water level is -2.05 m, at or above -2.05 m for 10 min, at …",
        "Hoog water, Schermer: waterstand is -2,05 m, op of boven -2,05 m gedurende 10 min, op …",
    ),
)
BACKTEST = Answer(
    model=BacktestResultModel,
    description="What the rule would have raised.",
    example=BacktestResultModel(
        rule=RuleReference(id="high-water", version=None),
        start="2026-11-01T00:00:00Z",
        end="2026-11-23T00:00:00Z",
        entities=12,
        firing_count=1,
        firings=[_FIRING],
        per_entity=[
            EntityFirings(entity_id="alkmaar.schermer", firings=1, active="PT2H30M", longest="PT2H30M")
        ],
        notifications=BacktestNotifications(
            total=1,
            most_in_ten_minutes=1.0,
            most_time="2026-11-20T02:10:00Z",
            by_severity=SeverityCounts(warning=0, minor=1, major=0, critical=0),
        ),
        notifications_per_night=NightNotifications(
            severity="minor",
            nights=23,
            total=1,
            mean=0.043,
            most=1,
            by_night=[Night(evening="2026-11-19", count=1)],
        ),
        chattering=[],
        fleeting=[],
        faults=[],
        difference=BacktestDifference(
            compared_with=RuleReference(id="high-water", version=3),
            firing_count=2,
            notifications=2,
            added_count=0,
            removed_count=1,
            changed_count=0,
            unchanged_count=1,
            added=[],
            removed=[replace(_FIRING, raised_time="2026-11-12T22:00:00Z")],
            changed=[],
        ),
    ),
)
BACKTEST_BODY = Body(
    BacktestBody,
    {
        "rule": {
            "id": "high-water",
            "title": {"en": "High water", "nl": "Hoog water"},
            "theme": "water",
            "select": {"types": ["Polder"]},
            "when": {
                "value": "water_level",
                "unit": "cm",
                "relativeTo": "targetLevel",
                "above": {"minor": 15},
                "deadband": 3,
            },
            "onDelay": "PT10M",
        },
        "start": "2026-11-01T00:00:00Z",
        "end": "2026-11-23T00:00:00Z",
        "compareWith": "in-force",
        "severity": "minor",
        "limit": 100,
    },
)
