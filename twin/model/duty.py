"""The duty plan of a city, as data: whom to tell of which incident, how, and who is next.

What people write (routes.yaml, roster.ics) is read by `cities.duty.reader`; the duty loop in `alerting`
works by it. All durations are microseconds. Secrets are not in it: an address or URL names them as `${NAME}`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from twin.alarms.rules.schedule import WeeklyInterval
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant


class NotificationChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A way to reach people: an apprise URL in which `{address}` stands for the contact's address."""

    id: str
    url: str


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can be told; roles have contacts, too."""

    id: str
    name: str
    language: Literal["en", "nl"] = "nl"
    addresses: dict[str, str] = {}  #: channel id → address


class DutyTeam(msgspec.Struct, frozen=True, kw_only=True):
    """Contacts who take turns: the events of its calendar name one, by ATTENDEE or SUMMARY."""

    id: str
    name: str
    members: tuple[str, ...]  #: contact ids, in the order in which the next one is asked
    calendar: str = ""  #: iCalendar (RFC 5545); empty: the first member is always on call


class EscalationStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of an escalation."""

    notify: Literal["on-call", "next", "team", "contact"]
    channels: tuple[str, ...]  #: ids, tried all at once
    wait: Duration = 10 * MINUTE  #: for an acknowledgement, before the next step
    contact: str = ""  #: of `contact`


class EscalationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How an incident is told until somebody acknowledges it."""

    id: str
    steps: tuple[EscalationStep, ...]
    group_wait: Duration = 5 * SECOND  #: alarms of one incident that come within are told together
    group_interval: Duration = 5 * MINUTE  #: least time between messages about what is new in an incident
    repeat: int = 3  #: how often all steps are gone through again while nobody acknowledges
    remind: Duration = 4 * HOUR  #: after an acknowledgement, while it is still wrong; 0: never


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """Local times at which incidents up to a severity wait until the end of it."""

    up_to: Severity
    intervals: tuple[WeeklyInterval, ...]


class IncidentRoute(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents go to which team by which policy; the first route that fits counts."""

    severities: tuple[Severity, ...] = ()  #: empty: all
    themes: tuple[str, ...] = ()
    within: tuple[str, ...] = ()  #: areas and everything below
    causes: tuple[str, ...] = ()
    team: str
    policy: str


class DutyOverride(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody takes over somebody's duty for a while; the last one made counts."""

    id: str
    team: str
    contact: str
    start: Instant
    end: Instant
    note: str = ""


class DutyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Without routes nobody is told anything."""

    channels: tuple[NotificationChannel, ...] = ()
    contacts: tuple[Contact, ...] = ()
    teams: tuple[DutyTeam, ...] = ()
    policies: tuple[EscalationPolicy, ...] = ()
    quiet_hours: tuple[QuietHours, ...] = ()
    routes: tuple[IncidentRoute, ...] = ()
    overrides: tuple[DutyOverride, ...] = ()
    #: channel id and address that is told when the path itself fails; a way that needs none of the others
    watchdog: tuple[str, str] | None = None


NO_DUTY_PLAN = DutyPlan()


_encode = msgspec.json.Encoder().encode


def encode_duty_plan(plan: DutyPlan) -> bytes:
    """Return a duty plan as JSON."""
    return _encode(plan)
