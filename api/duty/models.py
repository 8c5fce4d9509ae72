"""Models of duty: contacts on call, shifts, overrides, and the notifications sent to contacts."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from alerting.policy.roster import ShiftSource
from api.duty.schemas import NotificationOutcome
from api.http.models import Count, Link, Model, Time
from api.http.pages import Page
from twin.model.bilingual_text import Language

TeamId: TypeAlias = Annotated[str, Meta(examples=["water"])]
ContactId: TypeAlias = Annotated[str, Meta(examples=["water-second"])]
NotificationKind: TypeAlias = Literal[
    "alarm", "change", "reminder", "recovery", "watchdog", "digest", "hand-over"
]


class ContactModel(Model, frozen=True, kw_only=True):
    """A contact: a person, or a function such as a control room."""

    id: ContactId
    name: str
    language: Language
    addresses: (
        Annotated[dict[str, str], Meta(description="By channel; for the role duty and above.")] | UnsetType
    ) = UNSET


class OnCallLinks(Model, frozen=True, kw_only=True):
    """Links of a team's contact on call."""

    roster: Link


class OnCallModel(Model, frozen=True, kw_only=True):
    """The contact on call for a team."""

    team_id: TeamId
    team_name: str
    contact: ContactModel | None  #: null in a gap of the calendar
    source: ShiftSource
    until: Time | None  #: null when the shift lasts longer than 28 days
    next: ContactModel | None
    links: OnCallLinks


class OnCallPage(Page[OnCallModel], frozen=True, kw_only=True):
    """The contacts on call at a time, by team."""

    at: Time


class DutyShiftModel(Model, frozen=True, kw_only=True):
    """A shift of a team."""

    team_id: TeamId
    contact: ContactModel | None  #: null in a gap of the calendar
    start: Time
    end: Time
    source: ShiftSource


class DutyOverrideLinks(Model, frozen=True, kw_only=True):
    """Links of an override."""

    self_: Link


class DutyOverrideModel(Model, frozen=True, kw_only=True):
    """A contact takes over a team's duty for some time. Note and names are for the role duty and above."""

    id: str
    team_id: TeamId
    contact_id: ContactId
    start: Time
    end: Time
    note: str | None
    made_by: str | None
    made_time: Time
    withdrawn_by: str | None
    withdrawn_time: Time | None
    links: DutyOverrideLinks


class PushKeyModel(Model, frozen=True, kw_only=True):
    """The public key of web push."""

    application_server_key: Annotated[
        str, Meta(description="An uncompressed point of the curve P-256, base64url without padding.")
    ]


class PushSubscriptionLinks(Model, frozen=True, kw_only=True):
    """Links of a subscribed browser."""

    collection: Link


class PushSubscriptionModel(Model, frozen=True, kw_only=True):
    """A browser that takes the messages of a contact."""

    id: str
    contact_id: ContactId
    device: Annotated[str, Meta(description="What its owner calls it.")]
    push_service: Annotated[str, Meta(description="Host of its endpoint.", examples=["push.example.com"])]
    made_by: str
    made_time: Time
    expiration_time: Annotated[Time, Meta(description="Until when messages are sent to it.")]
    links: PushSubscriptionLinks


class NotificationLinks(Model, frozen=True, kw_only=True):
    """Links of a notification."""

    incident: Link | UnsetType = UNSET
    messages: Link | UnsetType = UNSET  #: of a digest: what it contained


class NotificationModel(Model, frozen=True, kw_only=True):
    """A message to one contact over one channel, with its last attempt."""

    id: str
    incident_id: str | None
    digest_id: str | None
    kind: NotificationKind
    round: Count
    step: Count
    contact: ContactId
    contact_name: str | None
    channel: Annotated[str, Meta(examples=["mail"])]
    outcome: NotificationOutcome
    attempt: Count
    time: Time
    due_time: Time
    title: str
    detail: Annotated[str, Meta(description="Why it failed.")] | None
    links: NotificationLinks
