"""What a message says, in the language of the contact. Pure; links are added when it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from alerting.case import Case, Kind
from twin.alarms.messages import AlarmEvent, OperandValue
from twin.alarms.severity import Severity
from twin.cohort import CONNECTIONS_MIN
from twin.instant import Instant, to_datetime
from twin.model import CityModel

Language = Literal["en", "nl"]

SHORT_CHARACTERS_MAX = 160
"""A text message of one part (GSM 03.38)."""

ALARMS_LISTED_MAX = 5

TITLE_CHARACTERS_MAX = 120


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """Title and body; the short one stands for both where there is no room."""

    title: str
    body: str
    short: str
    language: Language
    severity: Severity  #: CLEARED when it says that it is over
    answer_label: str  #: what stands before the link; empty: there is nothing to acknowledge


_SEVERITY: dict[Language, tuple[str, ...]] = {
    "en": ("CLEARED", "WARNING", "MINOR", "MAJOR", "CRITICAL"),
    "nl": ("HERSTELD", "WAARSCHUWING", "KLEIN", "GROOT", "KRITIEK"),
}

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "change": "New",
        "reminder": "Still",
        "since": "since",
        "over": "over since",
        "more": "and {count} more alarms",
        "area": "Area",
        "remark": "Comment by",
        "answer": "Acknowledge",
    },
    "nl": {
        "change": "Nieuw",
        "reminder": "Nog steeds",
        "since": "sinds",
        "over": "voorbij sinds",
        "more": "en nog {count} alarmen",
        "area": "Gebied",
        "remark": "Opmerking van",
        "answer": "Bevestigen",
    },
}


def wording(
    case: Case, kind: Kind, language: Language, alarms: Mapping[str, AlarmEvent], model: CityModel
) -> Wording:
    """Return what to say of a case; `alarms` are the newest events of its members, as far as known."""
    words, recovery = _WORDS[language], kind == "recovery"
    severity = Severity.CLEARED if recovery else case.incident.severity
    members = case.incident.members if recovery else case.speaking
    # The worst first, and of those the one that began first: it is what the message is named after.
    order = sorted(members, key=lambda one: (-one.severity, one.time, one.alarm))
    known = [alarms[one.alarm] for one in order if one.alarm in alarms]
    name = _name(case, known, language, model)
    prefix = f"{words[kind]}: " if kind in words else ""
    title = f"{_SEVERITY[language][severity]} · {prefix}{name}"[:TITLE_CHARACTERS_MAX]
    since = _since(case, recovery, words, model)
    lines = [_line(one, language, model) for one in known[:ALARMS_LISTED_MAX]]
    if len(members) > len(lines) and lines:
        lines.append(words["more"].format(count=len(members) - len(lines)))
    body = [name, since, *lines, f"{words['area']}: {_place(case.incident.area, model)}"]
    if case.remarks and not recovery:
        remark = case.remarks[-1]
        body.append(f"{words['remark']} {remark.actor}: {remark.text}")
    return Wording(
        title=title,
        body="\n".join(body),
        short=_short(title, since, known, model),
        language=language,
        severity=severity,
        answer_label="" if recovery or case.answered else words["answer"],
    )


def _name(case: Case, known: Sequence[AlarmEvent], language: Language, model: CityModel) -> str:
    """Return the title of the rule and the name of the entity; cause and area where no alarm is known."""
    if not known:
        return f"{case.incident.cause}, {_place(case.incident.area, model)}"
    first = known[0]
    rule = model.rules.get(first.rule)
    title = getattr(rule.title, language) if rule is not None else first.rule
    return f"{title}, {_place(first.entity, model)}"


def _place(entity: str, model: CityModel) -> str:
    found = model.entities.get(entity)
    return found.name if found is not None else entity


def _since(case: Case, recovery: bool, words: Mapping[str, str], model: CityModel) -> str:
    incident = case.incident
    if recovery:
        time = incident.closed_time if incident.closed_time is not None else incident.time
        return f"{words['over']} {_local(time, model)}"
    return f"{words['since']} {_local(incident.opened_time, model)}"


def _local(time: Instant, model: CityModel) -> str:
    return f"{to_datetime(time).astimezone(ZoneInfo(model.city.timezone)):%d-%m-%Y %H:%M}"


def _line(event: AlarmEvent, language: Language, model: CityModel) -> str:
    """Return an alarm's sentence of explanation, which has value and unit; of households the name alone."""
    place = _place(event.entity, model)
    if not all(_may_be_said(one, model) for one in event.operands):
        return f"– {place}"
    return f"– {place}: {event.sentence_nl if language == 'nl' else event.sentence_en}"


def _may_be_said(operand: OperandValue, model: CityModel) -> bool:
    """Whether a value may leave the system: not where it is of few households (decision 0009)."""
    personal = {one.datastream for one in operand.sources if _is_personal(one.datastream, model)}
    return not personal or len(personal) >= CONNECTIONS_MIN


def _is_personal(datastream: int, model: CityModel) -> bool:
    found = model.datastreams.get(datastream)
    sensor = model.sensors.get(found.sensor) if found is not None else None
    return sensor is not None and sensor.personal


def _short(title: str, since: str, known: Sequence[AlarmEvent], model: CityModel) -> str:
    """Return one line; the value goes first when there is no room, the title is cut last."""
    values = [
        f"{one.value:g} {one.unit}".strip()
        for event in known[:1]
        for one in event.operands[:1]
        if _may_be_said(one, model)
    ]
    for parts in ((title, *values, since), (title, since)):
        text = ", ".join(parts)
        if len(text) <= SHORT_CHARACTERS_MAX:
            return text
    return title[:SHORT_CHARACTERS_MAX]
