"""Converts events of alarms, incidents and notifications to rows, and back; columns follow the fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from storage.column_limits import without_nul
from twin.alarms.messages import AlarmEvent, IncidentEvent, IncidentMember, OperandValue
from twin.alarms.severity import Severity
from twin.instant import from_datetime, to_datetime
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import NotificationEvent

# Columns with another name than their field.
_COLUMNS = {"alarm": "alarm_id", "entity": "entity_id", "incident": "incident_id"}

_ALARM = AlarmEvent.__struct_fields__
_INCIDENT = IncidentEvent.__struct_fields__
_NOTIFICATION = NotificationEvent.__struct_fields__[1:]  #: without the layout version

_operands = msgspec.json.Decoder(tuple[OperandValue, ...]).decode
_members = msgspec.json.Decoder(tuple[IncidentMember, ...]).decode


def encode_rows(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as a JSON array, the form in which statements receive them."""
    return msgspec.json.encode(rows).decode()


def alarm_columns(event: AlarmEvent) -> dict[str, Any]:
    """Return an event of an alarm as a row."""
    return _row(event, _ALARM)


def incident_columns(event: IncidentEvent) -> dict[str, Any]:
    """Return an event of an incident as a row."""
    return _row(event, _INCIDENT)


def notification_columns(event: NotificationEvent) -> dict[str, Any]:
    """Return an event of a notification as a row."""
    row = _row(event, _NOTIFICATION)
    row["notification_id"] = row.pop("notification")
    return row


def alarm_from_row(row: Sequence[Any]) -> AlarmEvent:
    """Return the event of an alarm in a row."""
    values = _values(_ALARM, row)
    values["operands"] = _operands(values["operands"])
    values["severity"] = Severity(values["severity"])
    values["worst"] = Severity(values["worst"])
    return AlarmEvent(**values)


def incident_from_row(row: Sequence[Any]) -> IncidentEvent:
    """Return the event of an incident in a row."""
    values = _values(_INCIDENT, row)
    values["members"] = _members(values["members"])
    values["severity"] = Severity(values["severity"])
    return IncidentEvent(**values)


def notification_from_row(row: Sequence[Any]) -> NotificationEvent:
    """Return the event of a notification in a row."""
    return NotificationEvent(version=LAYOUT_VERSION, **_values(_NOTIFICATION, row))


def _is_time(field: str) -> bool:
    return field == "time" or field.endswith("_time") or field == "shelved_until"


def _row(event: msgspec.Struct, fields: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field in fields:
        value = getattr(event, field)
        if isinstance(value, str):
            value = without_nul(value)
        elif value is not None and _is_time(field):
            value = to_datetime(value)
        row[_COLUMNS.get(field, field)] = value
    return row


def _values(fields: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {
        field: from_datetime(value) if value is not None and _is_time(field) else value
        for field, value in zip(fields, row, strict=True)
    }
