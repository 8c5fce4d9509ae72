"""Models of the incident of an acknowledgement link, as a phone gets it: small, and the worst first."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, UnsetType

from api.alarms.links.linked_incident import AcknowledgementOutcome
from api.alarms.models import AlarmIdText, IncidentIdText
from api.duty.models import ContactId
from api.duty.schemas import NotificationOutcome
from api.entities.models import EntityId, PropertyName, Unit
from api.http.models import Count, Link, Model, Time
from twin.alarms.severity import SeverityWord
from twin.alarms.state_machine import AlarmState
from twin.model.bilingual_text import BilingualText, Language
from twin.quality.quality_flags import QualityWord
from twin.state.freshness import Freshness


class LinkedContact(Model, frozen=True, kw_only=True):
    """Whose link it is: in this name it acknowledges."""

    id: ContactId
    name: str
    language: Language


class ValueNow(Model, frozen=True, kw_only=True):
    """The present value of what an alarm is about."""

    value: float | None
    time: Annotated[Time, Meta(description="When it was measured.")]
    quality: QualityWord
    freshness: Freshness


class LinkedValue(Model, frozen=True, kw_only=True):
    """A value against its limit."""

    name: PropertyName
    value: Annotated[float, Meta(description="At `time`. Null where it is personal data.")] | None
    unit: Unit
    time: Annotated[Time, Meta(description="Of the last change of the alarm, of a window its end.")]
    threshold: float | None
    now: Annotated[ValueNow, Meta(description="Null for the statistic of a window.")] | None


class LinkedAlarmLinks(Model, frozen=True, kw_only=True):
    """Links of an alarm."""

    alarm: Link
    page: Link


class LinkedAlarm(Model, frozen=True, kw_only=True):
    """An alarm of the link's incident."""

    id: AlarmIdText
    severity: SeverityWord
    state: AlarmState
    title: BilingualText
    sentence: BilingualText
    guidance: Annotated[BilingualText, Meta(description="What to do.")] | None
    entity_id: EntityId
    entity_name: str | None
    values: list[LinkedValue]
    raised_time: Time | None
    returned_time: Time | None
    acknowledged_time: Time | None
    acknowledged_by: str | None
    told: Annotated[bool, Meta(description="Whether the message of the link told of it, as it is now.")]
    waits: Annotated[bool, Meta(description="Whether it waits for an acknowledgement.")]
    links: LinkedAlarmLinks


class LinkedNotification(Model, frozen=True, kw_only=True):
    """A message about the incident."""

    contact_name: str
    channel: Annotated[str, Meta(examples=["mail"])]
    outcome: NotificationOutcome
    time: Time


class LinkedNextStep(Model, frozen=True, kw_only=True):
    """Whom the plan has notified next."""

    contact_names: list[str]
    time: Time


class LinkedIncidentLinks(Model, frozen=True, kw_only=True):
    """Links of the incident."""

    self_: Link
    page: Annotated[Link, Meta(description="The incident on the page.")]
    incident: Link | UnsetType


class LinkedIncidentModel(Model, frozen=True, kw_only=True):
    """The incident of an acknowledgement link."""

    contact: LinkedContact
    incident_id: Annotated[IncidentIdText, Meta(description="Null: of a digest.")] | None
    time: Annotated[Time, Meta(description="Of this answer.")]
    waiting: Annotated[Count, Meta(description="Alarms that the link acknowledges.")]
    later: Annotated[
        Count, Meta(description="Alarms that wait, and that it does not acknowledge: they came later.")
    ]
    alarms: Annotated[list[LinkedAlarm], Meta(description="At most 20, the worst first.")]
    omitted: Annotated[Count, Meta(description="Further alarms, for which there is no room.")]
    notifications: (
        Annotated[
            list[LinkedNotification],
            Meta(description="At most 20, the newest first; null while they are unknown."),
        ]
        | None
    )
    next: Annotated[LinkedNextStep, Meta(description="Null when nobody is due, or it is unknown.")] | None
    links: LinkedIncidentLinks


class LinkAcknowledgement(LinkedIncidentModel, frozen=True, kw_only=True):
    """Whether an acknowledgement counted, and the incident afterwards."""

    outcome: AcknowledgementOutcome
    answer: Annotated[str, Meta(description="The outcome in the language of the contact.")]
    acknowledged_by: Annotated[str, Meta(description="Of the alarms that the message told.")] | None
    acknowledged_time: Time | None
