"""Events of alarms, incidents and notifications, as the stages publish them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twin.alarms.messages import (
    ALARMS,
    AlarmBatch,
    AlarmEvent,
    CommandReply,
    IncidentEvent,
    IncidentMember,
    OperandValue,
    alarm_id,
)
from twin.alarms.rules.operand import ObservationRef
from twin.alarms.severity import Severity
from twin.instant import MINUTE, SECOND, Instant, parse_instant
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import NotificationEvent

NOON: Instant = parse_instant("2026-11-23T12:00:00Z")


def operand_value(entity: str = "city.canal", *, datastream: int = 4, **others: Any) -> OperandValue:
    """Return an operand: a water level above its threshold."""
    known: dict[str, Any] = {
        "name": "water_level",
        "over": "instant",
        "statistic": "value",
        "entity": entity,
        "value": -0.25,
        "unit": "m",
        "flags": 0,
        "time": NOON,
        "window": 0,
        "sources": (ObservationRef(datastream, NOON),),
        "threshold": -0.3,
    }
    return OperandValue(**{**known, **others})


def alarm_event(
    rule: str = "high-water", entity: str = "city.canal", revision: int = 1, **others: Any
) -> AlarmEvent:
    """Return the event of a raised alarm."""
    sensor = others.get("sensor", "")
    known: dict[str, Any] = {
        "alarm": alarm_id(rule, entity, sensor),
        "revision": revision,
        "kind": "raised",
        "time": NOON,
        "told_time": NOON + SECOND,
        "late": False,
        "actor": "",
        "text": "",
        "command": "",
        "rule": rule,
        "rule_version": 3,
        "entity": entity,
        "sensor": sensor,
        "theme": "water",
        "state": "unacknowledged",
        "active": True,
        "severity": Severity.MAJOR,
        "occurrence": 1,
        "raised_time": NOON,
        "returned_time": None,
        "acknowledged_time": None,
        "acknowledged_by": "",
        "shelved_until": None,
        "suppressed_by": "",
        "assignee": "",
        "cause": rule,
        "area": "city",
        "operands": (operand_value(entity),),
        "sentence_en": "Water level is −0.25 m, above −0.30 m.",
        "sentence_nl": "Waterstand is −0,25 m, boven −0,30 m.",
    }
    return AlarmEvent(**{**known, **others})


def acknowledged_event(event: AlarmEvent, actor: str = "operator", command: str = "") -> AlarmEvent:
    """Return the event of an acknowledgement of an alarm."""
    return replace(
        event,
        revision=event.revision + 1,
        kind="acknowledged",
        state="acknowledged" if event.active else "normal",
        actor=actor,
        command=command,
        time=event.time + MINUTE,
        told_time=event.told_time + MINUTE,
        acknowledged_time=event.time + MINUTE,
        acknowledged_by=actor,
    )


def returned_event(event: AlarmEvent) -> AlarmEvent:
    """Return the event of an alarm that has cleared."""
    known = event.state == "acknowledged"
    return replace(
        event,
        revision=event.revision + 1,
        kind="returned",
        state="normal" if known else "returned-unacknowledged",
        active=False,
        actor="",
        command="",
        time=event.time + 2 * MINUTE,
        told_time=event.told_time + 2 * MINUTE,
        returned_time=event.time + 2 * MINUTE,
    )


def incident_event(*alarms: AlarmEvent, number: int = 1, revision: int = 1, **others: Any) -> IncidentEvent:
    """Return the event of the incident that these alarms belong to."""
    first = alarms[0]
    active = [one for one in alarms if one.active]
    closed = None if active else max(one.time for one in alarms)
    known: dict[str, Any] = {
        "incident": f"{first.cause}~{first.area}~{number}",
        "revision": revision,
        "time": max(one.time for one in alarms),
        "told_time": max(one.told_time for one in alarms),
        "cause": first.cause,
        "area": first.area,
        "theme": first.theme,
        "open": bool(active),
        "severity": max(one.severity for one in active or alarms),
        "opened_time": min(one.raised_time or one.time for one in alarms),
        "closed_time": closed,
        "members": tuple(
            IncidentMember(alarm.alarm, alarm.revision, alarm.state, alarm.active, alarm.severity, alarm.time)
            for alarm in alarms
        ),
    }
    return IncidentEvent(**{**known, **others})


def notification_event(number: int = 1, revision: int = 1, **others: Any) -> NotificationEvent:
    """Return the event of a sent message."""
    known: dict[str, Any] = {
        "version": LAYOUT_VERSION,
        "notification": f"high-water~city~1~0~{number}~duty-officer-water~mail",
        "revision": revision,
        "incident": "high-water~city~1",
        "kind": "alarm",
        "round": 0,
        "step": number,
        "contact": "duty-officer-water",
        "channel": "mail",
        "outcome": "sent",
        "attempt": revision,
        "time": NOON + number * MINUTE,
        "due_time": NOON + number * MINUTE,
        "title": "High water",
        "detail": "",
    }
    return NotificationEvent(**{**known, **others})


def alarm_record(
    *alarms: AlarmEvent, incidents: tuple[IncidentEvent, ...] = (), answers: tuple[CommandReply, ...] = ()
) -> bytes:
    """Return a record on `alarms`."""
    return ALARMS.encode(AlarmBatch(LAYOUT_VERSION, NOON, alarms, incidents, answers))
