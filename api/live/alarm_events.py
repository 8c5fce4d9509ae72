"""Alarm events of the live stream, as JSON: the part of an alarm that every role may see."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from api.access.rights import PUBLIC
from api.alarms.visibility import is_public, may_see_value, sentence_of
from api.http.responses import format_optional_instant
from api.live.models import OperandData, SnapshotAlarm
from twin.alarms.messages import AlarmEvent
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.quality.quality_flags import quality_word

_encode = msgspec.json.Encoder().encode


def alarm_data(event: AlarmEvent, model: CityModel, *, last: bool = False) -> bytes | None:
    """Return the JSON of an alarm; `last` marks the end of a snapshot. None for an alarm that is not public.

    A stream is the same for all roles: who acknowledged and what people wrote is at `/v1/alarms/{id}`.
    """
    if not is_public(event, model):
        return None
    return _encode(
        SnapshotAlarm(
            complete=True if last else UNSET,
            alarm_id=event.alarm,
            revision=event.revision,
            kind=event.kind,
            time=format_instant(event.time),
            late=event.late,
            rule=event.rule,
            rule_version=event.rule_version,
            entity_id=event.entity,
            sensor_id=event.sensor or None,
            theme=event.theme,
            state=event.state,
            active=event.active,
            severity=event.severity.word,
            occurrence=event.occurrence,
            raised_time=format_optional_instant(event.raised_time),
            returned_time=format_optional_instant(event.returned_time),
            acknowledged_time=format_optional_instant(event.acknowledged_time),
            shelved_until=format_optional_instant(event.shelved_until),
            suppressed_by=event.suppressed_by or None,
            cause=event.cause,
            area=event.area,
            sentence=sentence_of(PUBLIC, event, model),
            operands=[
                OperandData(
                    name=operand.name,
                    entity_id=operand.entity,
                    value=operand.value if may_see_value(PUBLIC, operand, model) else None,
                    unit=operand.unit,
                    quality=quality_word(operand.flags),
                    time=format_instant(operand.time),
                    threshold=operand.threshold,
                )
                for operand in event.operands
            ],
        )
    )
