"""Documents: alarms, what happened to them and what they follow from, as a role may see them."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from api.alarms.visibility import may_see_people, may_see_value, sentence_of, visible_sources
from api.http.access import Role
from api.http.responses import Document, format_optional_instant
from api.live.alarm_view import AlarmView
from twin.alarms.messages import AlarmEvent, IncidentEvent, OperandValue
from twin.alarms.rules.operand import ObservationRef
from twin.instant import format_instant
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.quality.quality_flags import quality_word


def alarm_path(alarm: str) -> str:
    """Return the path of an alarm."""
    return f"/v1/alarms/{quote(alarm)}"


def incident_path(incident: str) -> str:
    """Return the path of an incident."""
    return f"/v1/incidents/{quote(incident)}"


def alarm_document(event: AlarmEvent, incident: str | None, model: CityModel, role: Role) -> Document:
    """Return what an alarm is now, as its newest event tells it; `incident` is the one that it belongs to."""
    rule = model.rules.get(event.rule)
    entity = model.entities.get(event.entity)
    path = alarm_path(event.alarm)
    incidents = {"incident": {"href": incident_path(incident)}} if incident is not None else {}
    return {
        "id": event.alarm,
        "revision": event.revision,
        "time": format_instant(event.time),
        "title": _said(rule.title) if rule is not None else None,
        "guidance": _said(rule.guidance) if rule is not None and rule.guidance is not None else None,
        "entityName": entity.name if entity is not None else None,
        "incidentId": incident,
        **_standing(event, model, role),
        "_links": {
            "self": {"href": path},
            "events": {"href": f"{path}/events"},
            "entity": {"href": f"/v1/entities/{quote(event.entity)}"},
            **incidents,
        },
    }


def event_document(event: AlarmEvent, model: CityModel, role: Role) -> Document:
    """Return what happened to an alarm, and what it was after it."""
    seen = may_see_people(role)
    return {
        "alarmId": event.alarm,
        "revision": event.revision,
        "kind": event.kind,
        "time": format_instant(event.time),
        "toldTime": format_instant(event.told_time),
        "late": event.late,
        "actor": (event.actor or None) if seen else None,
        "text": (event.text or None) if seen else None,
        **_standing(event, model, role),
    }


def _standing(event: AlarmEvent, model: CityModel, role: Role) -> Document:
    seen = may_see_people(role)
    sentence = sentence_of(role, event, model)
    return {
        "rule": event.rule,
        "ruleVersion": event.rule_version,
        "entityId": event.entity,
        "sensorId": event.sensor or None,
        "theme": event.theme,
        "state": event.state,
        "active": event.active,
        "acknowledged": event.acknowledged_time is not None,
        "severity": event.severity.word,
        "occurrence": event.occurrence,
        "raisedTime": format_optional_instant(event.raised_time),
        "returnedTime": format_optional_instant(event.returned_time),
        "acknowledgedTime": format_optional_instant(event.acknowledged_time),
        "acknowledgedBy": (event.acknowledged_by or None) if seen else None,
        "shelvedUntil": format_optional_instant(event.shelved_until),
        "suppressedBy": event.suppressed_by or None,
        "assignee": (event.assignee or None) if seen else None,
        "cause": event.cause,
        "area": event.area,
        "sentence": {"en": sentence.en, "nl": sentence.nl},
        "explanation": {
            "rule": event.rule,
            "ruleVersion": event.rule_version,
            "operands": [_operand(one, model, role) for one in event.operands],
        },
    }


def _operand(one: OperandValue, model: CityModel, role: Role) -> Document:
    time = format_instant(one.time)
    window = (
        {"start": format_instant(one.time - one.window), "end": time, "statistic": one.statistic}
        if one.window
        else None
    )
    moment = {"start": window["start"], "end": window["end"]} if window else {"time": time}
    return {
        "name": one.name,
        "entityId": one.entity,
        "value": one.value if may_see_value(role, one, model) else None,
        "unit": one.unit,
        "quality": quality_word(one.flags),
        "time": time,
        "window": window,
        "threshold": one.threshold,
        "observations": [_source(each, model) for each in visible_sources(role, one, model)],
        "_links": {"provenance": {"href": _provenance(one.entity, one.name, moment)}},
    }


def _source(source: ObservationRef, model: CityModel) -> Document:
    datastream = model.datastreams[source.datastream]
    time = format_instant(source.phenomenon_time)
    return {
        "datastreamId": source.datastream,
        "sensorId": datastream.sensor,
        "property": datastream.property,
        "phenomenonTime": time,
        "_links": {
            "provenance": {"href": _provenance(datastream.entity, datastream.property, {"time": time})}
        },
    }


def _provenance(entity: str, name: str, moment: dict[str, str]) -> str:
    return f"/v1/entities/{quote(entity)}/provenance?{urlencode({'property': name, **moment})}"


def _said(text: BilingualText) -> Document:
    return {"en": text.en, "nl": text.nl}


def incident_document(event: IncidentEvent, model: CityModel) -> Document:
    """Return an incident."""
    area = model.entities.get(event.area)
    return {
        "id": event.incident,
        "revision": event.revision,
        "time": format_instant(event.time),
        "cause": event.cause,
        "area": event.area,
        "areaName": area.name if area is not None else None,
        "theme": event.theme,
        "open": event.open,
        "severity": event.severity.word,
        "openedTime": format_instant(event.opened_time),
        "closedTime": format_optional_instant(event.closed_time),
        "_links": {
            "self": {"href": incident_path(event.incident)},
            "area": {"href": f"/v1/entities/{quote(event.area)}"},
            "notifications": {"href": f"/v1/notifications?{urlencode({'incident': event.incident})}"},
        },
    }


def member_documents(
    alarms: Iterable[AlarmEvent], view: AlarmView, model: CityModel, role: Role
) -> list[Document]:
    """Return the alarms of an incident as they are now."""
    return [alarm_document(one, view.incident_of(one.alarm), model, role) for one in alarms]
