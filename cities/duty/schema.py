"""The layout of routes.yaml, item by item, as pydantic models."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator

from cities.duration import format_duration, parse_duration
from cities.files.schema import Item
from cities.files.values import Id, SeverityWord, Text
from cities.files.weekly_times import WeeklyTimesItem
from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration
from twin.model.observed_property import Theme

STEPS_MAX = 20
REPEAT_MAX = 20
LISTED_MAX = 1_000  #: members of a team, areas of a route, times of quiet hours
POLICY_MAX: Duration = 7 * DAY
"""Of all steps and their repetitions: longer, nobody would still be waiting."""


_ROSTER = re.compile(r"roster[A-Za-z0-9._-]{0,140}\.ics")


def _between(least: Duration, most: Duration, *, or_none: bool = False) -> PlainValidator:
    def check(value: object) -> Duration:
        if not isinstance(value, str):
            raise ValueError("expected an ISO 8601 duration such as PT10M")
        duration = parse_duration(value)
        if not (least <= duration <= most or (or_none and duration == 0)):
            raise ValueError(
                f"expected {format_duration(least)} to {format_duration(most)}"
                f"{', or PT0S for never' if or_none else ''}"
            )
        return duration

    return PlainValidator(check)


def _roster_file(name: str) -> str:
    if not _ROSTER.fullmatch(name):
        raise ValueError("expected the name of a file beside routes.yaml such as roster-water.ics")
    return name


Wait = Annotated[Duration, _between(10 * SECOND, DAY)]
GroupWait = Annotated[Duration, _between(0, 10 * MINUTE)]
GroupInterval = Annotated[Duration, _between(10 * SECOND, DAY)]
Reminder = Annotated[Duration, _between(5 * MINUTE, 7 * DAY, or_none=True)]
RosterFile = Annotated[str, AfterValidator(_roster_file)]
Address = Annotated[str, Field(min_length=1, max_length=500)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=LISTED_MAX)]


class ChannelItem(Item):
    """One of `channels`; `cities.duty.channel_url` checks the URL."""

    id: Id
    url: Annotated[str, Field(min_length=1, max_length=2_000)]


class ContactItem(Item):
    """One of `contacts`."""

    id: Id
    name: Text
    language: Literal["en", "nl"] = "nl"
    addresses: dict[str, Address] = Field(default_factory=dict)


class TeamItem(Item):
    """One of `teams`."""

    id: Id
    name: Text
    members: Ids
    roster: RosterFile | None = None


class StepItem(Item):
    """One of a policy's `steps`."""

    notify: Literal["on-call", "next", "team", "contact"]
    channels: Ids
    wait: Wait = 10 * MINUTE
    contact: Id | None = None


class PolicyItem(Item):
    """One of `policies`."""

    id: Id
    steps: Annotated[list[StepItem], Field(min_length=1, max_length=STEPS_MAX)]
    group_wait: GroupWait = 5 * SECOND
    group_interval: GroupInterval = 5 * MINUTE
    repeat: Annotated[int, Field(ge=0, le=REPEAT_MAX)] = 3
    remind: Reminder = 4 * HOUR


class QuietHoursItem(Item):
    """One of `quietHours`."""

    up_to: SeverityWord
    times: Annotated[list[WeeklyTimesItem], Field(min_length=1, max_length=LISTED_MAX)]


class RouteItem(Item):
    """One of `routes`: what is not named fits all."""

    severities: Annotated[list[SeverityWord], Field(min_length=1, max_length=4)] | None = None
    themes: Annotated[list[Theme], Field(min_length=1, max_length=6)] | None = None
    within: Ids | None = None
    causes: Ids | None = None
    team: Id
    policy: Id


class WatchdogItem(Item):
    """`watchdog`: who is told when the way to people itself fails."""

    channel: Id
    address: Annotated[str, Field(max_length=500)] = ""
