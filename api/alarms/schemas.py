"""Query parameters and bodies of the endpoints of alarms and incidents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from api.entities.selection import EntityFilter
from api.http.bodies import RequestBody
from api.http.parameters import (
    LIMIT_DEFAULT,
    DurationText,
    Names,
    PageCursor,
    PageLimit,
    Parameters,
    TimeText,
    parse_time,
    split_names,
)
from api.http.problems import RequestFault, bad_request
from cities.duration import format_duration, parse_duration
from twin.alarms.state_machine import AlarmState
from twin.instant import DAY, Duration, Instant, format_instant
from twin.model.observed_property import Theme

SHELVE_MAX: Duration = 7 * DAY
"""An alarm may be shelved so long at a time: what nobody wants to hear for longer goes out of service."""

SNOOZE_MAX: Duration = DAY
"""Nobody is told of an incident for so long at most: after a day somebody else is on duty."""

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
    cursor: PageCursor = None
    limit: PageLimit = LIMIT_DEFAULT

    def filter(self) -> EntityFilter:
        """Return the part that the model answers."""
        return EntityFilter(
            entities=frozenset(self.entity),
            types=frozenset(self.type),
            parents=frozenset(self.parent),
            themes=frozenset(self.theme),
            change_kinds=frozenset({"alarm"}),
        )


class CapParameters(Parameters):
    """Which alarms in force."""

    alarm: str | None = Field(default=None, max_length=600, description="Id of one alarm, in force or not.")
    severity: Severities = Field(default=[], description="Severities, any of them.")
    theme: Annotated[list[Theme], BeforeValidator(split_names)] = Field(
        default=[], description="Themes of the rule, any of them."
    )
    parent: Names = Field(default=[], description="Ids of areas; everything below them.")

    def filter(self) -> EntityFilter:
        """Return the part that the model answers."""
        return EntityFilter(
            parents=frozenset(self.parent), themes=frozenset(self.theme), change_kinds=frozenset({"alarm"})
        )


class AlarmEventParameters(Parameters):
    """Which page of what happened to an alarm, newest first."""

    cursor: PageCursor = None
    limit: PageLimit = LIMIT_DEFAULT


class IncidentParameters(Parameters):
    """Which incidents, the one that was opened last first."""

    open: bool | None = Field(
        default=None, description="Whether any of its alarms is active; both by default."
    )
    theme: Annotated[list[Theme], BeforeValidator(split_names)] = Field(
        default=[], description="Themes, any of them."
    )
    severity: Severities = Field(default=[], description="Severities, any of them.")
    cause: Names = Field(default=[], description="Causes, any of them.")
    area: Names = Field(default=[], description="Ids of the areas that incidents are of.")
    cursor: PageCursor = None
    limit: PageLimit = LIMIT_DEFAULT


class StatisticsParameters(Parameters):
    """Of which time, and for how many operators."""

    start: TimeText | None = Field(default=None, description="Inclusive; 24 hours before `end` by default.")
    end: TimeText | None = Field(default=None, description="Exclusive; now by default. At most 31 days.")
    operators: Annotated[int, Field(ge=1, le=100, description="Who share the alarms evenly.")] = 1


class RemarkBody(RequestBody):
    """What may be said with anything."""

    comment: str = Field(default="", max_length=TEXT_CHARACTERS_MAX, description="Why; kept with the event.")


class PeriodBody(RemarkBody):
    """For how long: until a time, or for a duration."""

    until: TimeText | None = Field(default=None, description="A time after now.")
    duration: DurationText | None = Field(default=None, description="ISO 8601, such as PT1H.")

    @model_validator(mode="after")
    def _either(self) -> PeriodBody:
        if (self.until is None) == (self.duration is None):
            raise ValueError("expected either `until` or `duration`")
        return self

    def end(self, now: Instant, longest: Duration, instead: str) -> Instant:
        """Return until when; raise a problem unless it is after now and not beyond the `longest` time."""
        until = (
            parse_time(self.until) if self.until is not None else now + parse_duration(self.duration or "")
        )
        if now < until <= now + longest:
            return until
        raise bad_request(
            RequestFault(
                "body",
                "until",
                "range",
                f"found {format_instant(until)}, expected a time after now and at most "
                f"{format_duration(longest)} away; {instead}",
            )
        )


class AssignBody(RemarkBody):
    """To whom."""

    assignee: str = Field(min_length=1, max_length=NAME_CHARACTERS_MAX, description="Who looks after it.")


class CommentBody(RequestBody):
    """What is said."""

    text: str = Field(
        min_length=1,
        max_length=TEXT_CHARACTERS_MAX,
        validation_alias=AliasChoices("text", "comment"),
        description="What is said.",
    )


class _OfOccurrence(RequestBody):
    occurrence: int = Field(
        default=0, ge=0, description="Refuse when the present occurrence is another; 0: any."
    )


class AlarmRemarkBody(RemarkBody, _OfOccurrence):
    """What may be said with any action of an alarm."""


class ShelveBody(PeriodBody, _OfOccurrence):
    """For how long an alarm is set aside."""


class AlarmAssignBody(AssignBody, _OfOccurrence):
    """Who looks after an alarm."""


class AlarmCommentBody(CommentBody, _OfOccurrence):
    """What is kept with an alarm."""
