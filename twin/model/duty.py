"""The duty plan of a city, as data: who is notified of which incident, how, and who follows.

`cities.duty.routes_file` reads it from routes.yaml and roster.ics; the duty loop in `alerting` follows it.
All durations are microseconds. It holds no secrets: an address or URL refers to them as `${NAME}`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from twin.alarms.rules.schedule import WeeklyInterval
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant


class WebhookTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """The request by which a provider of SMS or calls takes a message; `{text}` and others are fields."""

    url: str
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}
    format: Literal["json", "form"] = "json"  #: of the body
    #: what `{text}` is: one line in the alphabet of SMS, a text to be read aloud, or title, body and link
    text: Literal["sms", "voice", "full"] = "sms"
    characters: int = 160  #: the longest text
    replies: bool = False  #: whether a contact may acknowledge by a reply, with the code in the text


class NotificationChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A notification channel: an apprise URL in which `{address}` stands for the contact's address."""

    id: str
    url: str = ""  #: empty: `webhook` is how messages are sent
    webhook: WebhookTemplate | None = None

    @property
    def takes_replies(self) -> bool:
        """Whether a contact can acknowledge by a reply on this channel."""
        return self.webhook is not None and self.webhook.replies

    @property
    def needs_address(self) -> bool:
        """Whether a contact needs an address on this channel."""
        webhook = self.webhook
        texts = [self.url]
        if webhook is not None:
            texts += [webhook.url, *webhook.headers.values(), msgspec.json.encode(webhook.body).decode()]
        return any("{address}" in text for text in texts)


PUSH_URL = "livetwin://push"
"""The URL of a channel to the browsers that contacts have subscribed (web push, RFC 8030)."""


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A person, or a function such as a control room, that can be notified."""

    id: str
    name: str
    language: Literal["en", "nl"] = "nl"
    addresses: dict[str, str] = {}  #: channel id → address


class DutyTeam(msgspec.Struct, frozen=True, kw_only=True):
    """Contacts who take turns on duty: each event of the calendar names one, by ATTENDEE or SUMMARY."""

    id: str
    name: str
    members: tuple[str, ...]  #: contact ids, in the order of escalation
    calendar: str = ""  #: iCalendar (RFC 5545); empty: the first member is always on call
    calendar_url: str = ""  #: where a newer calendar is; until it is fetched, `calendar` applies
    #: channel ids over which a contact is told that they are on call now; empty: they are not told
    hand_over: tuple[str, ...] = ()


class EscalationStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an escalation."""

    notify: Literal["on-call", "next", "team", "contact"]
    channels: tuple[str, ...]  #: ids, all used at the same time
    wait: Duration = 10 * MINUTE  #: time for an acknowledgement, before the next step
    contact: str = ""  #: id, when `notify` is `contact`


class EscalationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How an incident escalates until somebody acknowledges it."""

    id: str
    steps: tuple[EscalationStep, ...]
    group_wait: Duration = 5 * SECOND  #: alarms of one incident within this time share a message
    group_interval: Duration = 5 * MINUTE  #: least time between two messages about changes
    repeat: int = 3  #: how many times all steps are repeated without an acknowledgement
    remind: Duration = 4 * HOUR  #: after an acknowledgement, while the alarm lasts; 0: never


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """Local times during which incidents up to a severity wait."""

    up_to: Severity
    intervals: tuple[WeeklyInterval, ...]


class IncidentRoute(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents go to which team by which policy; the first route that matches applies."""

    severities: tuple[Severity, ...] = ()  #: empty: all
    themes: tuple[str, ...] = ()
    within: tuple[str, ...] = ()  #: areas, with all entities in them
    causes: tuple[str, ...] = ()
    team: str
    policy: str


class StormLimit(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages a contact gets over one channel before they are sent together as digests.

    By default the first ten minutes of a storm cause about ten messages, which EEMUA 191 calls manageable.
    """

    messages: int = 5  #: the most messages, digests included, `within` a time; 0: no limit
    within: Duration = 10 * MINUTE
    digest: Duration = 2 * MINUTE  #: the longest time that a message beyond the limit waits for its digest
    #: which incidents share a message when they are due at the same time: none, those of an area, all
    group: Literal["incident", "area", "all"] = "area"


class DutyOverride(msgspec.Struct, frozen=True, kw_only=True):
    """A contact takes over a team's duty for some time; the override created last applies."""

    id: str
    team: str
    contact: str
    start: Instant
    end: Instant
    note: str = ""


class FetchedRoster(msgspec.Struct, frozen=True, kw_only=True):
    """The newest valid copy of a roster that a team names by URL."""

    team: str
    calendar: str
    changed: Instant  #: when this content was first fetched


class PushSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A browser of a contact that takes messages: where to send them, and how to encrypt them (RFC 8291)."""

    id: str
    contact: str
    endpoint: str = ""  #: URL at the push service of the browser; whoever knows it and the key may send
    p256dh: str = ""  #: public key of the browser, base64url
    auth: str = ""  #: secret of the subscription, base64url
    expires: Instant


class DutyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole duty plan. Without routes nobody is notified."""

    channels: tuple[NotificationChannel, ...] = ()
    contacts: tuple[Contact, ...] = ()
    teams: tuple[DutyTeam, ...] = ()
    policies: tuple[EscalationPolicy, ...] = ()
    quiet_hours: tuple[QuietHours, ...] = ()
    routes: tuple[IncidentRoute, ...] = ()
    overrides: tuple[DutyOverride, ...] = ()
    #: channel id and address for notices that the alarm path itself fails; needs none of the other channels
    watchdog: tuple[str, str] | None = None
    storm: StormLimit = StormLimit()
    rosters: tuple[FetchedRoster, ...] = ()  #: copies; like overrides, not part of the city folder
    push_subscriptions: tuple[PushSubscription, ...] = ()  #: not part of the city folder either

    def calendar_of(self, team: DutyTeam) -> str:
        """Return the calendar of a team: the copy of the one that it names by URL, or its own."""
        copies = (one.calendar for one in self.rosters if one.team == team.id)
        return next(copies, team.calendar) if team.calendar_url else team.calendar


NO_DUTY_PLAN = DutyPlan()


_encode = msgspec.json.Encoder().encode


def encode_duty_plan(plan: DutyPlan) -> bytes:
    """Return a duty plan as JSON."""
    return _encode(plan)
