"""What a message says, in the language of the contact. Pure; links are added when it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from alerting.incidents.incident_state import IncidentState, MessageKind
from alerting.messages.phrases import duration_text, phrases_of, severity_label, time_text
from alerting.messages.short_text import SHORT_CHARACTERS_MAX, short_text
from twin.alarms.messages import AlarmEvent, IncidentMember, OperandValue
from twin.alarms.rules.rule import ThresholdCondition
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState
from twin.instant import MINUTE
from twin.model.bilingual_text import Language
from twin.model.city_model import CityModel
from twin.model.localization import display_name, format_quantity
from twin.privacy.cohort import CONNECTIONS_MIN

ALARMS_LISTED_MAX = 5

TITLE_CHARACTERS_MAX = 120


class MessageText(msgspec.Struct, frozen=True, kw_only=True):
    """Title and body; the short one stands for both where there is no room."""

    title: str
    body: str
    short: str
    language: Language
    severity: Severity  #: CLEARED when it says that it is over
    answer_label: str  #: what stands before the link; empty: there is nothing to acknowledge


class _Composition(NamedTuple):
    """What is said, and in which language of which city."""

    topic: MessageSubject
    language: Language
    alarms: Mapping[str, AlarmEvent]
    model: CityModel

    @property
    def words(self) -> Mapping[str, str]:
        return phrases_of(self.language)

    @property
    def recovery(self) -> bool:
        return self.topic.kind == "recovery"

    def place(self, entity: str) -> str:
        """Return the name of an entity."""
        found = self.model.entities.get(entity)
        return found.name if found is not None else entity

    def title_of(self, event: AlarmEvent) -> str:
        """Return the title of the rule of an alarm."""
        rule = self.model.rules.get(event.rule)
        return rule.title.in_language(self.language) if rule is not None else event.rule


def compose_message(
    topic: MessageSubject, language: Language, alarms: Mapping[str, AlarmEvent], model: CityModel
) -> MessageText:
    """Return what to say; `alarms` are the newest events of the alarms of the case, as far as known."""
    speech = _Composition(topic, language, alarms, model)
    case, words = topic.case, speech.words
    named = [alarms[one.alarm] for one in topic.titled if one.alarm in alarms]
    severity = Severity.CLEARED if speech.recovery else case.incident.severity
    title = _title(speech, severity, named)
    when = _when(speech)
    body = [_status(speech, when), *_lines(speech)]
    body.append(words["area"].format(place=speech.place(case.incident.area)))
    if case.remarks and not speech.recovery:
        remark = case.remarks[-1]
        body.append(words["remark"].format(actor=remark.actor, text=remark.text))
    return MessageText(
        title=title,
        body="\n".join(body),
        short=_short(speech, title, when, named),
        language=language,
        severity=severity,
        answer_label="" if speech.recovery or case.all_acknowledged else words["answer"],
    )


def _title(speech: _Composition, severity: Severity, named: Sequence[AlarmEvent]) -> str:
    """Return how bad the incident is, what has happened, and the alarm that it is about."""
    topic, words, language = speech.topic, speech.words, speech.language
    head = words["aside"] if _is_set_aside(speech) else severity_label(severity, language).upper()
    turn = words[topic.turn] if topic.turn else ""
    turn = turn.format(was=severity_label(topic.was, language), now=severity_label(severity, language))
    name = _name(speech, named)
    if named and not speech.recovery and named[0].severity != severity:
        name += f" ({severity_label(named[0].severity, language)})"
    others = len(topic.titled) - 1
    more = words["and more"].format(count=others) if others > 0 else ""
    room = TITLE_CHARACTERS_MAX - len(f"{head} · {turn}{more}")
    return f"{head} · {turn}{name[:room]}{more}"


def _name(speech: _Composition, named: Sequence[AlarmEvent]) -> str:
    """Return the title of the rule and the name of the entity; cause and area where no alarm is known."""
    if not named:
        incident = speech.topic.case.incident
        return f"{incident.cause}, {speech.place(incident.area)}"
    return f"{speech.title_of(named[0])}, {speech.place(named[0].entity)}"


def _is_set_aside(speech: _Composition) -> bool:
    """Whether it is over only because people, or rules, have set aside what goes on."""
    return speech.recovery and any(one.active for one in speech.topic.members)


def _when(speech: _Composition) -> str:
    """Return since when it goes on; of a recovery since when it is over, and how long it took."""
    case, words, model = speech.topic.case, speech.words, speech.model
    incident = case.incident
    if speech.recovery:
        over = incident.closed_time if incident.closed_time is not None else incident.time
        lasted = duration_text(over - incident.opened_time, speech.language)
        said = words["set aside" if _is_set_aside(speech) else "over"]
        return said.format(time=time_text(over, model), duration=lasted)
    return words["since"].format(time=time_text(incident.opened_time, model))


def _status(speech: _Composition, when: str) -> str:
    case, words, count = speech.topic.case, speech.words, len(speech.topic.members)
    lasting = case.last_told - case.incident.opened_time if case.last_told is not None else 0
    if lasting >= MINUTE and not speech.recovery:
        when += words["lasting"].format(duration=duration_text(lasting, speech.language))
    return f"{when}, {words['alarms'].format(count=count)}" if count > 1 else when


def _lines(speech: _Composition) -> list[str]:
    """Return a line for each alarm, what is new before the rest; those without room are counted."""
    topic, words = speech.topic, speech.words
    lines: list[str] = []
    listed = 0
    for heading, members in (("new", topic.news), ("earlier", topic.rest)):
        known = [one for one in members if one.alarm in speech.alarms][: ALARMS_LISTED_MAX - listed]
        if known and topic.news:
            lines.append(words[f"heading {heading}"])
        lines += [_line(one, speech) for one in known]
        listed += len(known)
    if listed and (more := len(topic.members) - listed):
        lines.append(words["more alarm" if more == 1 else "more alarms"].format(count=more))
    return lines


def _line(member: IncidentMember, speech: _Composition) -> str:
    """Return an alarm: how bad, what, where, its value, since when."""
    event, language = speech.alarms[member.alarm], speech.language
    said = _explained(event, speech)
    if speech.recovery:
        aside = speech.words.get(member.state, "")
        return f"– {said}" + (f" ({aside})" if aside else "")
    begun = time_text(event.raised_time if event.raised_time is not None else event.time, speech.model)
    since = "" if begun in said else f", {speech.words['since'].format(time=begun)}"
    return f"– {severity_label(event.severity, language).upper()} · {said.removesuffix('.')}{since}"


def _explained(event: AlarmEvent, speech: _Composition) -> str:
    """Return an alarm with its value: beside the threshold where there is one, else in its own sentence."""
    place, name = speech.place(event.entity), f"{speech.title_of(event)}, {speech.place(event.entity)}"
    if not all(_may_be_disclosed(one, speech.model) for one in event.operands):
        return name
    threshold = _threshold(event, speech.model)
    if threshold is not None and event.active and not speech.recovery:
        one = event.operands[0]
        limit = format_quantity(one.threshold or 0.0, one.unit, speech.language)
        limit = speech.words[threshold.direction].format(limit=limit)
        value = format_quantity(one.value, one.unit, speech.language)
        return f"{name}: {display_name(one.name, speech.language)} {value}, {limit}"
    sentence = event.sentence_nl if speech.language == "nl" else event.sentence_en
    return sentence if place in sentence else f"{place}: {sentence}"


def _threshold(event: AlarmEvent, model: CityModel) -> ThresholdCondition | None:
    """Return the condition of an alarm whose rule compares just its one value with a threshold."""
    rule = model.rules.get(event.rule)
    if (
        rule is None
        or not isinstance(rule.condition, ThresholdCondition)
        or rule.condition.transform is not None
    ):
        return None
    one = event.operands[0] if event.operands else None
    return rule.condition if one is not None and one.threshold is not None else None


def _may_be_disclosed(operand: OperandValue, model: CityModel) -> bool:
    """Whether a value may leave the system: not where it is of few households (decision 0009)."""
    personal = {one.datastream for one in operand.sources if _is_personal(one.datastream, model)}
    return not personal or len(personal) >= CONNECTIONS_MIN


def _is_personal(datastream: int, model: CityModel) -> bool:
    found = model.datastreams.get(datastream)
    sensor = model.sensors.get(found.sensor) if found is not None else None
    return sensor is not None and sensor.personal


def _short(speech: _Composition, title: str, when: str, named: Sequence[AlarmEvent]) -> str:
    """Return one line; the value goes first when there is no room, the title is cut last."""
    for parts in ((title, *_value(speech, named), when), (title, when)):
        text = short_text(", ".join(parts))
        if len(text) <= SHORT_CHARACTERS_MAX:
            return text
    return short_text(title)[:SHORT_CHARACTERS_MAX]


def _value(speech: _Composition, named: Sequence[AlarmEvent]) -> list[str]:
    """Return the value of the alarm in the title, where the rule compares just that with a threshold."""
    if speech.recovery or not named or _threshold(named[0], speech.model) is None:
        return []
    return [
        format_quantity(one.value, one.unit, speech.language)
        for one in named[0].operands[:1]
        if _may_be_disclosed(one, speech.model)
    ]


# What a message is about: the alarms in it, and what it says that the message before did not. Pure.

TitlePrefix: TypeAlias = Literal["", "new", "worse", "again", "reminder", "repeated"]
"""What the title says before the name; empty: the name alone. The names of `alerting.messages.phrases`."""


class MessageSubject(NamedTuple):
    """What a message is about."""

    case: IncidentState
    kind: MessageKind
    turn: TitlePrefix
    news: tuple[
        IncidentMember, ...
    ]  #: what was not said before, the worst first; empty: nothing, or all of it
    rest: tuple[IncidentMember, ...]  #: what else stands, the worst first
    was: Severity  #: of `worse`: how bad it was said to be

    @property
    def members(self) -> tuple[IncidentMember, ...]:
        """All alarms of the message in its order."""
        return (*self.news, *self.rest)

    @property
    def titled(self) -> tuple[IncidentMember, ...]:
        """The alarms that its title is about."""
        return self.news if self.news and self.turn else _ordered(self.members)


def message_subject(kind: MessageKind, case: IncidentState, before: IncidentState) -> MessageSubject:
    """Return what a message about a case is about; `before` is the case before it was decided on."""
    if kind == "recovery":
        members = _ordered(case.incident.members)
        return MessageSubject(case, kind, "repeated" if before.repeats else "", (), members, before.severity)
    turn, fresh = _title_prefix(kind, case, before)
    news = _ordered(one for one in case.open_members if one.alarm in fresh)
    rest = _ordered(one for one in case.open_members if one.alarm not in fresh)
    if not rest:
        news, rest = (), news
    return MessageSubject(case, kind, turn, news, rest, before.severity)


def _title_prefix(
    kind: MessageKind, case: IncidentState, before: IncidentState
) -> tuple[TitlePrefix, set[str]]:
    """Return what the title says first, and the alarms that are new, worse, or speak again."""
    was = before.severity
    unknown = {one.alarm for one in case.open_members if one.alarm not in before.known}
    if kind != "change":
        # A step may be told to somebody to whom all of it is new: the title is about the worst.
        return "reminder" if kind == "reminder" else "", unknown if before.known else set()
    if was is Severity.CLEARED:
        return "again", set()
    if case.incident.severity > was:
        return "worse", {one.alarm for one in case.open_members if one.severity > was} | unknown
    if unknown:
        return "new", unknown
    if before.round == before.step == 0:
        unanswered = {one.alarm for one in case.open_members if one.state == AlarmState.UNACKNOWLEDGED}
        return "again", unanswered
    return "", set()


def _ordered(members: Iterable[IncidentMember]) -> tuple[IncidentMember, ...]:
    """Return the worst first, and of those the one that began first."""
    return tuple(sorted(members, key=lambda one: (-one.severity, one.time, one.alarm)))
