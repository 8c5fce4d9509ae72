"""Documents of alarms, their events and explanations, of incidents, and of the alarm statistics.

They contain what a role may see.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from api.alarms.visibility import may_see_people, may_see_value, sentence_of, visible_sources
from api.http.access import Role
from api.http.responses import Document, format_optional_instant
from api.live.alarm_view import AlarmView
from cities.duration import format_duration
from twin.alarms.messages import AlarmEvent, IncidentEvent, OperandValue
from twin.alarms.rules.operand import ObservationRef
from twin.alarms.statistics import STALE_AFTER, AlarmCount, AlarmStatistics, Flood
from twin.backtest.firing import Firing
from twin.instant import Duration, Instant, format_instant
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
    """Return an alarm by its newest event; `incident` is the id of the one that it belongs to."""
    rule = model.rules.get(event.rule)
    entity = model.entities.get(event.entity)
    path = alarm_path(event.alarm)
    incidents = {"incident": {"href": incident_path(incident)}} if incident is not None else {}
    return {
        "id": event.alarm,
        "revision": event.revision,
        "time": format_instant(event.time),
        "title": _bilingual(rule.title) if rule is not None else None,
        "guidance": _bilingual(rule.guidance) if rule is not None and rule.guidance is not None else None,
        "entityName": entity.name if entity is not None else None,
        "incidentId": incident,
        **_condition(event, model, role),
        "_links": {
            "self": {"href": path},
            "events": {"href": f"{path}/events"},
            "entity": {"href": f"/v1/entities/{quote(event.entity)}"},
            **incidents,
        },
    }


def event_document(event: AlarmEvent, model: CityModel, role: Role, amendment: int = 0) -> Document:
    """Return an event of an alarm, with the alarm's condition after it; `amendment`: added to the past."""
    may_see = may_see_people(role)
    return {
        "alarmId": event.alarm,
        "revision": event.revision,
        "amendment": amendment,
        "kind": event.kind,
        "time": format_instant(event.time),
        "toldTime": format_instant(event.told_time),
        "late": event.late,
        "actor": (event.actor or None) if may_see else None,
        "text": (event.text or None) if may_see else None,
        **_condition(event, model, role),
    }


def episode_document(episode: Firing, end: Instant) -> Document:
    """Return an episode of an alarm; one that is still active has lasted until `end`."""
    return {
        "alarmId": episode.alarm,
        "entityId": episode.entity,
        "sensorId": episode.sensor or None,
        "raisedTime": format_instant(episode.raised),
        "returnedTime": format_optional_instant(episode.returned),
        "duration": format_duration(max(0, episode.lasted(end))),
        "severity": episode.severity.word,
    }


def _condition(event: AlarmEvent, model: CityModel, role: Role) -> Document:
    may_see = may_see_people(role)
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
        "acknowledgedBy": (event.acknowledged_by or None) if may_see else None,
        "shelvedUntil": format_optional_instant(event.shelved_until),
        "suppressedBy": event.suppressed_by or None,
        "assignee": (event.assignee or None) if may_see else None,
        "cause": event.cause,
        "area": event.area,
        "sentence": {"en": sentence.en, "nl": sentence.nl},
        "explanation": {
            "rule": event.rule,
            "ruleVersion": event.rule_version,
            "operands": [_operand(operand, model, role) for operand in event.operands],
        },
    }


def _operand(operand: OperandValue, model: CityModel, role: Role) -> Document:
    time = format_instant(operand.time)
    window = None
    if operand.window:
        start = format_instant(operand.time - operand.window)
        window = {"start": start, "end": time, "statistic": operand.statistic}
    period = {"start": window["start"], "end": window["end"]} if window else {"time": time}
    return {
        "name": operand.name,
        "entityId": operand.entity,
        "value": operand.value if may_see_value(role, operand, model) else None,
        "unit": operand.unit,
        "quality": quality_word(operand.flags),
        "time": time,
        "window": window,
        "threshold": operand.threshold,
        "observations": [_source(source, model) for source in visible_sources(role, operand, model)],
        "_links": {"provenance": {"href": _provenance_path(operand.entity, operand.name, period)}},
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
            "provenance": {"href": _provenance_path(datastream.entity, datastream.property, {"time": time})}
        },
    }


def _provenance_path(entity: str, name: str, period: dict[str, str]) -> str:
    return f"/v1/entities/{quote(entity)}/provenance?{urlencode({'property': name, **period})}"


def _bilingual(text: BilingualText) -> Document:
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
    """Return the present alarms of an incident."""
    return [alarm_document(event, view.incident_of(event.alarm), model, role) for event in alarms]


# EEMUA 191, long-term average alarm rate in steady operation: less than one alarm per operator in ten minutes
# is very likely acceptable, one in five minutes manageable, one in two likely over-demanding, and more than
# one a minute very likely unacceptable.
_RATINGS = ((1.0, "acceptable"), (2.0, "manageable"), (10.0, "over-demanding"))


def alarm_rate_rating(average: float) -> str:
    """Return the rating by EEMUA 191 of an average number of alarms per operator in ten minutes.

    >>> [alarm_rate_rating(average) for average in (0.0, 1.0, 1.5, 5.0, 10.1)]
    ['acceptable', 'acceptable', 'manageable', 'over-demanding', 'unacceptable']
    """
    return next((word for most, word in _RATINGS if average <= most), "unacceptable")


def statistics_document(
    statistics: AlarmStatistics, standing: Iterable[AlarmEvent], start: Instant, end: Instant, now: Instant
) -> Document:
    """Return the statistics of an interval, and the stale ones of the alarms that stand `now`."""
    standing = list(standing)
    stale = [
        event
        for event in standing
        if event.active and event.raised_time is not None and now - event.raised_time > STALE_AFTER
    ]
    stale.sort(key=lambda event: (event.raised_time or 0, event.alarm))
    return {
        "start": format_instant(start),
        "end": format_instant(end),
        "annunciated": statistics.annunciated,
        "perOperatorTenMinutes": {
            "average": statistics.average,
            "peak": statistics.peak,
            "peakTime": format_optional_instant(statistics.peak_time),
            "rating": alarm_rate_rating(statistics.average),
        },
        "floods": [_flood(flood) for flood in statistics.floods],
        "floodedShare": statistics.flooded_share,
        "chattering": [_alarm_count(each) for each in statistics.chattering],
        "fleeting": [_alarm_count(each) for each in statistics.fleeting],
        "badActors": [{**_alarm_count(each), "share": each.share} for each in statistics.bad_actors],
        "bySeverity": {severity.word: count for severity, count in statistics.by_severity.items()},
        "acknowledged": statistics.acknowledged,
        "acknowledgeDelay": {
            "p50": _optional_duration(statistics.acknowledge_p50),
            "p95": _optional_duration(statistics.acknowledge_p95),
        },
        "standing": len(standing),
        "stale": [
            {
                "alarmId": event.alarm,
                "rule": event.rule,
                "raisedTime": format_optional_instant(event.raised_time),
            }
            for event in stale
        ],
    }


def _flood(flood: Flood) -> Document:
    return {
        "start": format_instant(flood.start),
        "end": format_instant(flood.end),
        "count": flood.count,
        "peak": flood.peak,
    }


def _alarm_count(count: AlarmCount) -> Document:
    return {"alarmId": count.alarm, "rule": count.rule, "count": count.count}


def _optional_duration(duration: Duration | None) -> str | None:
    return format_duration(duration) if duration is not None else None
