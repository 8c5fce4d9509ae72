"""Query parameters and bodies of rules and back-tests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.alarms.schemas import SeverityWord
from api.http.bodies import RequestBody
from api.http.parameters import PageParameters, Themes, TimeText
from cities.files.values import Id, described_as
from cities.rules.document import RuleItem

_IGNORED = Field(default=None, description="Ignored.", json_schema_extra={"readOnly": True})


def without_default(schema: dict[str, Any]) -> None:
    """Remove the default of a schema: that of an id is the one of the path."""
    del schema["default"]


FIRINGS_SHOWN = 100
FIRINGS_SHOWN_MAX = 1_000


class RuleParameters(PageParameters):
    """Which rules, by id."""

    theme: Themes = Field(default=[], description="Themes, any of them.")


class RuleBody(RuleItem):
    """A rule, as an item of rules.yaml. What answers add to a rule is ignored."""

    version: Any = _IGNORED
    origin: Any = _IGNORED
    changed_time: Any = _IGNORED
    changed_by: Any = _IGNORED
    links: Annotated[Any, Field(alias="_links")] = _IGNORED


class PutRuleBody(RuleBody):
    """A rule, as an item of rules.yaml, with the id of the path. What answers add to a rule is ignored."""

    id: Annotated[Id, Field(json_schema_extra=without_default)] = ""


class BacktestBody(RequestBody):
    """The rule and the interval of a back-test."""

    rule: Annotated[str | dict[str, Any], described_as(str | RuleBody)] = Field(
        description="A rule in the format of rules.yaml, or the id of one in force."
    )
    start: TimeText = Field(description="Inclusive.")
    end: TimeText = Field(description="Exclusive.")
    compare_with: Literal["in-force"] | int = Field(
        default="in-force", description="The rule to compare with: the one in force, or a version of it."
    )
    severity: SeverityWord = Field(
        default="minor", description="The lowest severity that counts as a notification at night."
    )
    limit: int = Field(
        default=FIRINGS_SHOWN, ge=0, le=FIRINGS_SHOWN_MAX, description="The largest number of listed firings."
    )
