"""Query parameters and request bodies of alarms and incidents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, model_validator

from api.entities.known_names import Causes, EntityIds, EntityTypes, RuleIds
from api.entities.selection import EntityFilter
from api.http.bodies import RequestBody
from api.http.parameters import (
    DurationText,
    Names,
    PageParameters,
    Parameters,
    Themes,
    TimeText,
    parse_time,
    split_names,
)
from api.http.problems import RequestFault, bad_request
from cities.duration import format_duration, parse_duration
from twin.alarms.state_machine import AlarmState
from twin.instant import DAY, Duration, Instant, format_instant
from twin.model.plain_text import check_lines, check_one_line

SHELVE_MAX: Duration = 7 * DAY
"""The longest time of one shelving; an alarm that is unwanted for longer is taken out of service."""

SNOOZE_MAX: Duration = DAY
"""The longest snooze of an incident: after a day another contact is on duty."""

TEXT_CHARACTERS_MAX = 2_000
NAME_CHARACTERS_MAX = 200

SeverityWord = Literal["warning", "minor", "major", "critical"]
Severities = Annotated[list[SeverityWord], BeforeValidator(split_names)]


class AlarmParameters(PageParameters):
    """Which alarms, the last raised first."""

    state: Annotated[list[AlarmState], BeforeValidator(split_names)] = Field(
        default=[], description="States, any of them."
    )
    severity: Severities = Field(default=[], description="Severities, any of them.")
    theme: Themes = Field(default=[], description="Themes of the rule, any of them.")
    type: EntityTypes = Field(default=[], description="Types of the entity, any of them.")
    parent: EntityIds = Field(default=[], description="Ids of areas; everything inside them.")
    entity: EntityIds = Field(default=[], description="Ids of entities.")
    rule: RuleIds = Field(default=[], description="Ids of rules.")
    cause: Causes = Field(default=[], description="Causes of incidents.")
    active: bool | None = Field(default=None, description="Whether the condition holds; both by default.")
    acknowledged: bool | None = Field(
        default=None, description="Whether the present occurrence was acknowledged; both by default."
    )
    since: TimeText | None = Field(
        default=None, description="Only alarms that changed at this time or later, by the clock of the log."
    )

    def filter(self) -> EntityFilter:
        """Return the conditions that the city model decides."""
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
    theme: Themes = Field(default=[], description="Themes of the rule, any of them.")
    parent: EntityIds = Field(default=[], description="Ids of areas; everything inside them.")

    def filter(self) -> EntityFilter:
        """Return the conditions that the city model decides."""
        return EntityFilter(
            parents=frozenset(self.parent), themes=frozenset(self.theme), change_kinds=frozenset({"alarm"})
        )


class AlarmEventParameters(PageParameters):
    """Which page of an alarm's events, newest first."""


class AlarmEpisodeParameters(Parameters):
    """Which time of an alarm."""

    start: TimeText | None = Field(default=None, description="Inclusive; 24 hours before `end` by default.")
    end: TimeText | None = Field(default=None, description="Exclusive; now by default. At most 366 days.")


class IncidentParameters(PageParameters):
    """Which incidents, the latest first."""

    open: bool | None = Field(
        default=None, description="Whether any of its alarms is active; both by default."
    )
    theme: Themes = Field(default=[], description="Themes, any of them.")
    severity: Severities = Field(default=[], description="Severities, any of them.")
    cause: Names = Field(default=[], description="Causes, any of them.")
    area: Names = Field(default=[], description="Ids of the areas of incidents.")


class StatisticsParameters(Parameters):
    """Which interval, and the number of operators."""

    start: TimeText | None = Field(default=None, description="Inclusive; 24 hours before `end` by default.")
    end: TimeText | None = Field(default=None, description="Exclusive; now by default. At most 31 days.")
    operators: Annotated[int, Field(ge=1, le=100, description="Operators that share the alarms evenly.")] = 1


class RemarkBody(RequestBody):
    """A comment with an action."""

    comment: Annotated[str, AfterValidator(check_lines)] = Field(
        default="", max_length=TEXT_CHARACTERS_MAX, description="Reason; stored with the event."
    )


class PeriodBody(RemarkBody):
    """A period from now: until a time, or for a duration."""

    until: TimeText | None = Field(default=None, description="A time after now.")
    duration: DurationText | None = Field(default=None, description="ISO 8601, such as PT1H.")

    @model_validator(mode="after")
    def _either(self) -> PeriodBody:
        if (self.until is None) == (self.duration is None):
            raise ValueError("expected either `until` or `duration`")
        return self

    def end(self, now: Instant, longest: Duration, alternative: str) -> Instant:
        """Return the end of the period; raise a problem unless it is after now and within `longest`."""
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
                f"{format_duration(longest)} away; {alternative}",
            )
        )


class AssignBody(RemarkBody):
    """An assignment."""

    assignee: Annotated[str, AfterValidator(check_one_line)] = Field(
        min_length=1, max_length=NAME_CHARACTERS_MAX, description="Who is responsible from now on."
    )


class CommentBody(RequestBody):
    """A comment."""

    text: Annotated[str, AfterValidator(check_lines)] = Field(
        min_length=1,
        max_length=TEXT_CHARACTERS_MAX,
        validation_alias=AliasChoices("text", "comment"),
        description="Text of the comment.",
    )


class _OfOccurrence(RequestBody):
    """An action on one occurrence of an alarm."""

    occurrence: int = Field(
        default=0, ge=0, description="Refuse when the present occurrence is another one; 0 for any."
    )


class AlarmRemarkBody(RemarkBody, _OfOccurrence):
    """A comment with an action on an alarm."""


class ShelveBody(PeriodBody, _OfOccurrence):
    """The period for which an alarm is shelved."""


class AlarmAssignBody(AssignBody, _OfOccurrence):
    """An assignment of an alarm."""


class AlarmCommentBody(CommentBody, _OfOccurrence):
    """A comment on an alarm."""
