"""Events of alarms on the live stream: what anybody may see of an alarm, as JSON."""

from __future__ import annotations

import msgspec

from api.alarms.visibility import may_see_alarm, may_see_sentence, may_see_value
from twin.alarms.messages import AlarmEvent
from twin.instant import Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.role import Role
from twin.quality.quality_flags import quality_word


class Sentence(msgspec.Struct, frozen=True, gc=False):
    """The same, said in both languages of the city."""

    en: str
    nl: str


class OperandData(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An operand as it was at the last change by the process."""

    name: str
    entity_id: str
    value: float | None
    unit: str
    quality: str
    time: str
    threshold: float | None


class AlarmData(msgspec.Struct, frozen=True, rename="camel", gc=False, kw_only=True):
    """What an alarm event tells, and the alarm in a snapshot."""

    alarm_id: str
    revision: int
    kind: str
    time: str
    late: bool
    rule: str
    rule_version: int
    entity_id: str
    sensor_id: str | None
    theme: str
    state: str
    active: bool
    severity: str
    occurrence: int
    raised_time: str | None
    returned_time: str | None
    acknowledged_time: str | None
    shelved_until: str | None
    suppressed_by: str | None
    cause: str
    area: str
    sentence: Sentence
    operands: list[OperandData]


class FinalAlarmData(AlarmData, frozen=True, rename="camel", gc=False, kw_only=True):
    """The last event of a snapshot."""

    complete: bool = True


_encode = msgspec.json.Encoder().encode


def alarm_data(event: AlarmEvent, model: CityModel, *, last: bool = False) -> bytes | None:
    """Return the JSON of an alarm; `last_received` marks the end of a snapshot. None where not everybody may
    know.

    A stream is the same for everybody: who acknowledged, and what people wrote, is at `/v1/alarms/{id}`.
    """
    if event.entity not in model.entities or not may_see_alarm("anonymous", event, model):
        return None
    kind = FinalAlarmData if last else AlarmData
    return _encode(
        kind(
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
            sentence=sentence_of("anonymous", event, model),
            operands=[
                OperandData(
                    name=one.name,
                    entity_id=one.entity,
                    value=one.value if may_see_value("anonymous", one, model) else None,
                    unit=one.unit,
                    quality=quality_word(one.flags),
                    time=format_instant(one.time),
                    threshold=one.threshold,
                )
                for one in event.operands
            ],
        )
    )


def sentence_of(role: Role, event: AlarmEvent, model: CityModel) -> Sentence:
    """Return what a role can read of an alarm; without its values where they are of few households."""
    if may_see_sentence(role, event, model):
        return Sentence(event.sentence_en, event.sentence_nl)
    return title_of(event, model)


def title_of(event: AlarmEvent, model: CityModel) -> Sentence:
    """Return the title of an alarm's rule, or its id where the rule is gone."""
    rule = model.rules.get(event.rule)
    return Sentence(rule.title.en, rule.title.nl) if rule is not None else Sentence(event.rule, event.rule)


def format_optional_instant(instant: Instant | None) -> str | None:
    """Return an instant as the API writes it; None where there is none."""
    return format_instant(instant) if instant is not None else None
