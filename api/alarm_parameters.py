"""Query parameters and bodies of the endpoints of alarms and incidents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from api.body import Body
from api.parameters import (
    LIMIT_DEFAULT,
    Cursor,
    DurationText,
    Limit,
    Names,
    Parameters,
    TimeText,
    parse_time,
    split_names,
)
from api.selection import Filter
from cities.duration import parse_duration
from twin.alarms.state_machine import AlarmState
from twin.instant import DAY, Duration, Instant
from twin.observed_property import Theme

SHELVE_MAX: Duration = 7 * DAY
"""An alarm may be shelved so long at a time: what nobody wants to hear for longer goes out of service."""

TEXT_CHARACTERS_MAX = 2_000
NAME_CHARACTERS_MAX = 200

SeverityWord = Literal["warning", "minor", "major", "critical"]
Severities = Annotated[list[SeverityWord], BeforeValidator(split_names)]


class AlarmParameters(Parameters):
    """Which alarms, the one that was raised last first."""

    state: Annotated[list[AlarmState], BeforeValidator(split_names)] = Field(
        default=[], description="States, any of them."
    )
    severity: Severities = Field(default=[], description="Severities, any of them.")
    theme: Annotated[list[Theme], BeforeValidator(split_names)] = Field(
        default=[], description="Themes of the rule, any of them."
    )
    type: Names = Field(default=[], description="Types of the entity, any of them.")
    parent: Names = Field(default=[], description="Ids of areas; everything below them.")
    entity: Names = Field(default=[], description="Ids of entities.")
    rule: Names = Field(default=[], description="Ids of rules.")
    cause: Names = Field(default=[], description="Causes of incidents.")
    active: bool | None = Field(default=None, description="Whether the condition holds; both by default.")
    acknowledged: bool | None = Field(
        default=None, description="Whether the present occurrence was acknowledged; both by default."
    )
    since: TimeText | None = Field(
        default=None, description="Only those that changed at this time or later; of the log's clock."
    )
    cursor: Cursor = None
    limit: Limit = LIMIT_DEFAULT

    def filter(self) -> Filter:
        """Return the part that the model answers."""
        return Filter(
            entities=frozenset(self.entity),
            types=frozenset(self.type),
            parents=frozenset(self.parent),
            themes=frozenset(self.theme),
            changes=frozenset({"alarm"}),
        )


class AlarmEventParameters(Parameters):
    """Which page of what happened to an alarm, newest first."""

    cursor: Cursor = None
    limit: Limit = LIMIT_DEFAULT


class CommandBody(Body):
    """What may be said with any command."""

    comment: str = Field(default="", max_length=TEXT_CHARACTERS_MAX, description="Why; kept with the event.")
    occurrence: int = Field(
        default=0, ge=0, description="Refuse when the present occurrence is another; 0: any."
    )


class ShelveBody(CommandBody):
    """For how long: until a time, or for a duration."""

    until: TimeText | None = Field(default=None, description="At most 7 days from now.")
    duration: DurationText | None = Field(default=None, description="ISO 8601, such as PT1H; at most P7D.")

    @model_validator(mode="after")
    def _either(self) -> ShelveBody:
        if (self.until is None) == (self.duration is None):
            raise ValueError("expected either `until` or `duration`")
        return self

    def end(self, now: Instant) -> Instant:
        """Return until when."""
        if self.until is not None:
            return parse_time(self.until)
        assert self.duration is not None  # noqa: S101 - `_either` saw to it
        return now + parse_duration(self.duration)


class AssignBody(CommandBody):
    """To whom."""

    assignee: str = Field(min_length=1, max_length=NAME_CHARACTERS_MAX, description="Who looks after it.")


class CommentBody(Body):
    """What is said."""

    text: str = Field(
        min_length=1,
        max_length=TEXT_CHARACTERS_MAX,
        validation_alias=AliasChoices("text", "comment"),
        description="What is said.",
    )
    occurrence: int = Field(
        default=0, ge=0, description="Refuse when the present occurrence is another; 0: any."
    )
