"""The items of routes.yaml: each reads itself into the duty plan, and is written from it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator

from cities.duration import format_duration, parse_duration
from cities.files.schema import Item
from cities.files.values import ONE_LINE, Id, SeverityWord, Text
from cities.files.weekly_times import WeeklyTimesItem
from twin.alarms.severity import severity_of
from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration
from twin.model.duty import (
    Contact,
    DutyTeam,
    EscalationPolicy,
    EscalationStep,
    IncidentRoute,
    NotificationChannel,
    QuietHours,
    StormLimit,
    WebhookTemplate,
)
from twin.model.observed_property import Theme

STEPS_MAX = 20
REPEAT_MAX = 20
LISTED_MAX = 1_000  #: members of a team, areas of a route, times of quiet hours
STORM_MESSAGES_MAX = 100
POLICY_MAX: Duration = 7 * DAY
"""Duration of all steps of a policy with their repetitions."""

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


_WRITTEN = PlainSerializer(format_duration)
Wait = Annotated[Duration, _between(10 * SECOND, DAY), _WRITTEN]
GroupWait = Annotated[Duration, _between(0, 10 * MINUTE), _WRITTEN]
StormTime = Annotated[Duration, _between(MINUTE, DAY), _WRITTEN]
DigestTime = Annotated[Duration, _between(5 * SECOND, HOUR), _WRITTEN]
GroupInterval = Annotated[Duration, _between(10 * SECOND, DAY), _WRITTEN]
Reminder = Annotated[Duration, _between(5 * MINUTE, 7 * DAY, or_none=True), _WRITTEN]
RosterFile = Annotated[str, AfterValidator(_roster_file)]
HeaderText = Annotated[str, Field(max_length=1_000)]
Url = Annotated[str, Field(min_length=1, max_length=2_000)]
Address = Annotated[str, Field(min_length=1, max_length=500), ONE_LINE]
Ids = Annotated[list[Id], Field(min_length=1, max_length=LISTED_MAX)]


class WebhookItem(Item):
    """`webhook` of a channel; `cities.duty.webhook_faults` checks its texts."""

    url: Url
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: Annotated[dict[str, HeaderText], Field(max_length=20)] = Field(default_factory=dict)
    body: Annotated[dict[str, Any], Field(max_length=50)] = Field(default_factory=dict)
    format: Literal["json", "form"] = "json"
    text: Literal["sms", "voice", "full"] = "sms"
    characters: Annotated[int, Field(ge=40, le=10_000)] = 160
    replies: bool = False

    def read(self) -> WebhookTemplate:
        """Return the template."""
        return WebhookTemplate(
            url=self.url,
            method=self.method,
            headers=self.headers,
            body=self.body,
            format=self.format,
            text=self.text,
            characters=self.characters,
            replies=self.replies,
        )

    @classmethod
    def write(cls, webhook: WebhookTemplate) -> Self:
        """Return the item of a template."""
        return cls.of(
            ("method", "text"),
            url=webhook.url,
            method=webhook.method,
            headers=dict(webhook.headers),
            body=dict(webhook.body),
            format=webhook.format,
            text=webhook.text,
            characters=webhook.characters,
            replies=webhook.replies,
        )


class ChannelItem(Item):
    """One of `channels`; `cities.duty.urls` checks the URL."""

    id: Id
    url: Url | None = None
    webhook: WebhookItem | None = None

    def read(self) -> NotificationChannel:
        """Return the channel."""
        webhook = None if self.webhook is None else self.webhook.read()
        return NotificationChannel(id=self.id, url=self.url or "", webhook=webhook)

    @classmethod
    def write(cls, channel: NotificationChannel) -> Self:
        """Return the item of a channel."""
        webhook = None if channel.webhook is None else WebhookItem.write(channel.webhook)
        return cls.of(id=channel.id, url=channel.url or None, webhook=webhook)


class ContactItem(Item):
    """One of `contacts`."""

    id: Id
    name: Text
    language: Literal["en", "nl"] = "nl"
    addresses: dict[str, Address] = Field(default_factory=dict)

    def read(self) -> Contact:
        """Return the contact."""
        return Contact(id=self.id, name=self.name, language=self.language, addresses=self.addresses)

    @classmethod
    def write(cls, contact: Contact) -> Self:
        """Return the item of a contact."""
        return cls.of(
            ("language",),
            id=contact.id,
            name=contact.name,
            language=contact.language,
            addresses=dict(contact.addresses),
        )


class HandOverItem(Item):
    """`handOver` of a team: how a contact is told that their duty begins."""

    channels: Ids


class TeamItem(Item):
    """One of `teams`; `cities.duty.urls` checks the URL."""

    id: Id
    name: Text
    members: Ids
    roster: RosterFile | None = None
    roster_url: Url | None = None
    hand_over: HandOverItem | None = None

    def read(self, calendar: str) -> DutyTeam:
        """Return the team with the text of its roster."""
        return DutyTeam(
            id=self.id,
            name=self.name,
            members=tuple(self.members),
            calendar=calendar,
            calendar_url=self.roster_url or "",
            hand_over=() if self.hand_over is None else tuple(self.hand_over.channels),
        )

    @classmethod
    def write(cls, team: DutyTeam) -> Self:
        """Return the item of a team; its roster is a file of its own."""
        return cls.of(
            id=team.id,
            name=team.name,
            members=list(team.members),
            roster=roster_file(team) if team.calendar else None,
            roster_url=team.calendar_url or None,
            hand_over=HandOverItem.of(channels=list(team.hand_over)) if team.hand_over else None,
        )


def roster_file(team: DutyTeam) -> str:
    """Return the name of the file in which the roster of a team is written."""
    return f"roster-{team.id}.ics"


class StepItem(Item):
    """One of a policy's `steps`."""

    notify: Literal["on-call", "next", "team", "contact"]
    contact: Id | None = None
    channels: Ids
    wait: Wait = 10 * MINUTE

    def read(self) -> EscalationStep:
        """Return the step."""
        return EscalationStep(
            notify=self.notify, channels=tuple(self.channels), wait=self.wait, contact=self.contact or ""
        )

    @classmethod
    def write(cls, step: EscalationStep) -> Self:
        """Return the item of a step."""
        return cls.of(
            ("wait",),
            notify=step.notify,
            contact=step.contact or None,
            channels=list(step.channels),
            wait=step.wait,
        )


class PolicyItem(Item):
    """One of `policies`."""

    id: Id
    group_wait: GroupWait = 5 * SECOND
    group_interval: GroupInterval = 5 * MINUTE
    remind: Reminder = 4 * HOUR
    repeat: Annotated[int, Field(ge=0, le=REPEAT_MAX)] = 3
    steps: Annotated[list[StepItem], Field(min_length=1, max_length=STEPS_MAX)]

    def read(self) -> EscalationPolicy:
        """Return the policy."""
        return EscalationPolicy(
            id=self.id,
            steps=tuple(step.read() for step in self.steps),
            group_wait=self.group_wait,
            group_interval=self.group_interval,
            repeat=self.repeat,
            remind=self.remind,
        )

    @classmethod
    def write(cls, policy: EscalationPolicy) -> Self:
        """Return the item of a policy."""
        return cls.of(
            ("group_wait", "group_interval", "remind", "repeat"),
            id=policy.id,
            group_wait=policy.group_wait,
            group_interval=policy.group_interval,
            remind=policy.remind,
            repeat=policy.repeat,
            steps=[StepItem.write(step) for step in policy.steps],
        )


class QuietHoursItem(Item):
    """One of `quietHours`."""

    up_to: SeverityWord
    times: Annotated[list[WeeklyTimesItem], Field(min_length=1, max_length=LISTED_MAX)]

    def read(self) -> QuietHours:
        """Return the quiet hours."""
        intervals = tuple(interval for times in self.times for interval in times.to_intervals())
        return QuietHours(up_to=severity_of(self.up_to), intervals=intervals)

    @classmethod
    def write(cls, quiet_hours: QuietHours) -> Self:
        """Return the item of quiet hours."""
        always = ("start", "until")
        times = [WeeklyTimesItem.from_interval(interval, always) for interval in quiet_hours.intervals]
        return cls.of(up_to=quiet_hours.up_to.word, times=times)


class RouteItem(Item):
    """One of `routes`; a key that is left out matches everything."""

    severities: Annotated[list[SeverityWord], Field(min_length=1, max_length=4)] | None = None
    themes: Annotated[list[Theme], Field(min_length=1, max_length=6)] | None = None
    within: Ids | None = None
    causes: Ids | None = None
    team: Id
    policy: Id

    def read(self) -> IncidentRoute:
        """Return the route."""
        return IncidentRoute(
            severities=tuple(map(severity_of, self.severities or ())),
            themes=tuple(self.themes or ()),
            within=tuple(self.within or ()),
            causes=tuple(self.causes or ()),
            team=self.team,
            policy=self.policy,
        )

    @classmethod
    def write(cls, route: IncidentRoute) -> Self:
        """Return the item of a route."""
        return cls.of(
            severities=[severity.word for severity in route.severities] or None,
            themes=list(route.themes) or None,
            within=list(route.within) or None,
            causes=list(route.causes) or None,
            team=route.team,
            policy=route.policy,
        )

    def covers(self, other: RouteItem) -> bool:
        """Whether everything that matches another route matches this one."""
        pairs = (
            (self.severities, other.severities),
            (self.themes, other.themes),
            (self.within, other.within),
            (self.causes, other.causes),
        )
        return all(
            wide is None or (narrow is not None and set(narrow) <= set(wide)) for wide, narrow in pairs
        )


class WatchdogItem(Item):
    """`watchdog`: the channel and address for a failure of the notifications themselves."""

    channel: Id
    address: Annotated[str, Field(max_length=500), ONE_LINE] = ""


class StormItem(Item):
    """`storm`: how many messages a contact gets over one channel before they become digests."""

    messages: Annotated[int, Field(ge=0, le=STORM_MESSAGES_MAX)] = StormLimit().messages
    within: StormTime = StormLimit().within
    digest: DigestTime = StormLimit().digest
    group: Literal["incident", "area", "all"] = StormLimit().group

    def read(self) -> StormLimit:
        """Return the limit."""
        return StormLimit(messages=self.messages, within=self.within, digest=self.digest, group=self.group)

    @classmethod
    def write(cls, storm: StormLimit) -> Self:
        """Return the item of a limit."""
        return cls.of(messages=storm.messages, within=storm.within, digest=storm.digest, group=storm.group)
