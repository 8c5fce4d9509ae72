"""Renders the incident of an acknowledgement link for a phone, as JSON."""

from __future__ import annotations

from urllib.parse import quote

from msgspec import UNSET
from msgspec.structs import asdict

from alerting.delivery.push_channel import incident_page_path
from alerting.messages.phrases import time_text
from api.access.rights import Rights
from api.alarms.documents import alarm_path, incident_path
from api.alarms.incident_acknowledgement import awaits_acknowledgement
from api.alarms.links import link_models as models
from api.alarms.links.linked_incident import (
    LINKED_ALARMS_MAX,
    AcknowledgementOutcome,
    LinkedAlarms,
    LinkedIncident,
)
from api.alarms.visibility import may_see_value, sentence_of, title_of
from api.http.models import Link
from api.http.responses import format_optional_instant
from api.live.live_view import LiveView
from twin.alarms.messages import AlarmEvent, OperandValue
from twin.alarms.state_machine import AlarmState
from twin.instant import Instant, format_instant
from twin.model.bilingual_text import Language
from twin.model.city_model import CityModel
from twin.model.duty import Contact
from twin.quality.quality_flags import quality_word

_ANSWERS: dict[Language, dict[AcknowledgementOutcome, str]] = {
    "en": {
        "acknowledged": "Thank you. Your acknowledgement is recorded.",
        "already": "{name} acknowledged these alarms at {time}.",
        "changed": "Not acknowledged: it has become worse since your message, or is another alarm.",
        "over": "No alarm of your message waits for an acknowledgement any more.",
        "used": "This link was already used for this occurrence; acknowledge the alarm on the page.",
        "unanswered": "The command is being processed; look again in a moment.",
    },
    "nl": {
        "acknowledged": "Dank u. Uw bevestiging is vastgelegd.",
        "already": "{name} heeft deze alarmen om {time} bevestigd.",
        "changed": "Niet bevestigd: het is erger geworden sinds uw bericht, of het is een ander alarm.",
        "over": "Er wacht geen alarm van uw bericht meer op een bevestiging.",
        "used": "Deze link is voor dit voorval al gebruikt; bevestig het op de pagina.",
        "unanswered": "De opdracht wordt verwerkt; kijk over een ogenblik opnieuw.",
    },
}


def alarm_page_path(alarm: str) -> str:
    """Return the path of the page that shows an alarm."""
    return f"/?alarm={quote(alarm, safe='~')}"


def linked_incident_model(
    linked: LinkedIncident,
    contact: Contact,
    path: str,
    *,
    model: CityModel,
    view: LiveView,
    rights: Rights,
    now: Instant,
) -> models.LinkedIncidentModel:
    """Return the incident of the link at `path`."""
    every = linked.alarms.all
    names = {one.id: one.name for one in model.duty.contacts}
    id = linked.incident.incident if linked.incident is not None else ""
    told = {event.alarm for event in linked.alarms.told}
    return models.LinkedIncidentModel(
        contact=models.LinkedContact(id=contact.id, name=contact.name, language=contact.language),
        incident_id=id or None,
        time=format_instant(now),
        waiting=len(linked.alarms.waiting),
        later=len(linked.alarms.later),
        alarms=[
            _alarm(event, told=event.alarm in told, model=model, view=view, rights=rights)
            for event in every[:LINKED_ALARMS_MAX]
        ],
        omitted=max(0, len(every) - LINKED_ALARMS_MAX),
        notifications=None
        if linked.notifications is None
        else [
            models.LinkedNotification(
                contact_name=names.get(one.contact, one.contact),
                channel=one.channel,
                outcome=one.outcome,
                time=format_instant(one.time),
            )
            for one in linked.notifications
        ],
        next=None
        if linked.next is None
        else models.LinkedNextStep(
            contact_names=[names.get(one, one) for one in linked.next.contacts],
            time=format_instant(linked.next.time),
        ),
        links=models.LinkedIncidentLinks(
            self_=Link(href=path),
            page=Link(href=incident_page_path(id)),
            incident=Link(href=incident_path(id)) if id else UNSET,
        ),
    )


def link_acknowledgement(
    document: models.LinkedIncidentModel,
    outcome: AcknowledgementOutcome,
    linked: LinkedIncident,
    contact: Contact,
    model: CityModel,
) -> models.LinkAcknowledgement:
    """Return whether an acknowledgement counted, with the incident afterwards."""
    name, time = _acknowledged(outcome, linked.alarms, contact)
    return models.LinkAcknowledgement(
        **asdict(document),
        outcome=outcome,
        answer=answer_text(outcome, linked.alarms, contact, model),
        acknowledged_by=name or None,
        acknowledged_time=format_optional_instant(time),
    )


def answer_text(
    outcome: AcknowledgementOutcome, alarms: LinkedAlarms, contact: Contact, model: CityModel
) -> str:
    """Return an outcome in the language of the contact."""
    name, time = _acknowledged(outcome, alarms, contact)
    at = time_text(time, model) if time is not None else ""
    return _ANSWERS[contact.language][outcome].format(name=name, time=at)


def _acknowledged(
    outcome: AcknowledgementOutcome, alarms: LinkedAlarms, contact: Contact
) -> tuple[str, Instant | None]:
    """Return who acknowledged the worst alarm that the message told, and when."""
    done = [event for event in alarms.told if event.acknowledged_time is not None]
    own = [event for event in done if event.acknowledged_by == contact.name]
    for event in (own if outcome == "acknowledged" else []) or done:
        return event.acknowledged_by, event.acknowledged_time
    return "", None


def _alarm(
    event: AlarmEvent, *, told: bool, model: CityModel, view: LiveView, rights: Rights
) -> models.LinkedAlarm:
    rule, entity = model.rules.get(event.rule), model.entities.get(event.entity)
    return models.LinkedAlarm(
        id=event.alarm,
        severity=event.severity.word,
        state=AlarmState(event.state),
        title=title_of(event, model),
        sentence=sentence_of(rights, event, model),
        guidance=rule.guidance if rule is not None else None,
        entity_id=event.entity,
        entity_name=entity.name if entity is not None else None,
        values=[_value(operand, model, view, rights) for operand in event.operands],
        raised_time=format_optional_instant(event.raised_time),
        returned_time=format_optional_instant(event.returned_time),
        acknowledged_time=format_optional_instant(event.acknowledged_time),
        acknowledged_by=event.acknowledged_by or None,
        told=told,
        waits=awaits_acknowledgement(event),
        links=models.LinkedAlarmLinks(
            alarm=Link(href=alarm_path(event.alarm)), page=Link(href=alarm_page_path(event.alarm))
        ),
    )


def _value(operand: OperandValue, model: CityModel, view: LiveView, rights: Rights) -> models.LinkedValue:
    may_see = may_see_value(rights, operand, model)
    return models.LinkedValue(
        name=operand.name,
        value=operand.value if may_see else None,
        unit=operand.unit,
        time=format_instant(operand.time),
        threshold=operand.threshold,
        now=value_now(operand, view) if may_see else None,
    )


def value_now(operand: OperandValue, view: LiveView) -> models.ValueNow | None:
    """Return the present value of an operand; None for a window, and for what has no present value."""
    entity = view.entity(operand.entity)
    value = entity.values.get(operand.name) if entity is not None else None
    if operand.window or value is None or value.freshness is None:
        return None
    update = value.update
    return models.ValueNow(
        value=update.value,
        time=format_instant(update.phenomenon_time),
        quality=quality_word(update.flags),
        freshness=value.freshness,
    )
