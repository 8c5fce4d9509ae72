"""The text of a message in the contact's language: title, body and short text. Pure.

A message has a subject: which alarms it is about, and which of them no earlier message contained. The link
that acknowledges is added when the message is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from alerting.incidents.incident_state import IncidentState, MessageKind
from alerting.messages.alarm_end import end_reason, is_set_aside
from alerting.messages.phrases import duration_text, phrases_of, severity_label, time_text
from alerting.messages.short_text import SHORT_CHARACTERS_MAX, short_text
from twin.alarms.messages import AlarmEvent, IncidentMember, OperandValue
from twin.alarms.rules.rule import Rule, ThresholdCondition
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState
from twin.instant import MINUTE
from twin.model.bilingual_text import Language
from twin.model.city_model import CityModel
from twin.model.localization import display_name, format_quantity
from twin.model.plain_text import one_line
from twin.privacy.cohort import CONNECTIONS_MIN

ALARMS_LISTED_MAX = 5

TITLE_CHARACTERS_MAX = 120


class MessageText(msgspec.Struct, frozen=True, kw_only=True):
    """Title and body; the short text replaces both where there is little room. Stored in the journal."""

    title: str
    body: str
    short: str
    line: str = ""  #: the title with the value and since when, for a digest
    language: Language
    severity: Severity  #: CLEARED in a recovery, unless alarms were set aside
    answer_label: str  #: the label of the acknowledge link; empty: there is nothing to acknowledge


def compose_message(
    kind: MessageKind,
    state: IncidentState,
    before: IncidentState,
    *,
    language: Language,
    alarms: Mapping[str, AlarmEvent],
    model: CityModel,
) -> MessageText:
    """Return the text of a message about an incident; `before` is its state before the decision.

    `alarms` are the newest events of the incident's alarms, as far as they are known.
    """
    subject = message_subject(kind, state, before)
    composition = _Composition(subject, language, alarms, model)
    phrases = composition.phrases
    titled = composition.titled
    is_over = composition.is_recovery and not composition.is_set_aside
    severity = Severity.CLEARED if is_over else state.incident.severity
    # A stored title may be older than the check that refuses control characters.
    title = one_line(_title(composition, severity, titled))
    when = _when(composition)
    body = [_status(composition, when)]
    if state.returns:
        body.append(phrases["flapping"].format(count=state.returns))
    body += _lines(composition)
    body.append(phrases["area"].format(place=composition.entity_name(state.incident.area)))
    if state.comments and not composition.is_recovery:
        comment = state.comments[-1]
        body.append(phrases["remark"].format(actor=comment.actor, text=comment.text))
    has_answer = not composition.is_recovery and not state.all_acknowledged
    return MessageText(
        title=title,
        body="\n".join(body),
        short=_short(composition, title, when, titled),
        line=", ".join((title, *_title_value(composition, titled), when)),
        language=language,
        severity=severity,
        answer_label=phrases["answer"] if has_answer else "",
    )


# -- the subject ----------------------------------------------------------------------------------------

TitlePrefix: TypeAlias = Literal["", "new", "worse", "again", "reminder", "repeated"]
"""What precedes the name in the title, by its key in `alerting.messages.phrases`; empty: only the name."""


class MessageSubject(NamedTuple):
    """The alarms of a message, and how its title begins."""

    state: IncidentState
    kind: MessageKind
    prefix: TitlePrefix
    #: alarms that no earlier message contained, or that got worse, the worst first; empty: none, or all
    new: tuple[IncidentMember, ...]
    rest: tuple[IncidentMember, ...]  #: the other open alarms, the worst first
    earlier_severity: Severity  #: with `worse`: the severity in earlier messages

    @property
    def members(self) -> tuple[IncidentMember, ...]:
        """All alarms of the message in its order."""
        return (*self.new, *self.rest)

    @property
    def titled(self) -> tuple[IncidentMember, ...]:
        """The alarms that its title is about."""
        return self.new if self.new and self.prefix else _ordered(self.members)


def message_subject(kind: MessageKind, state: IncidentState, before: IncidentState) -> MessageSubject:
    """Return the subject of a message; `before` is the state before the decision to send it."""
    earlier_severity = before.notified_severity
    if kind == "recovery":
        members = _ordered(state.incident.members)
        prefix: TitlePrefix = "repeated" if before.recovery_repeats else ""
        return MessageSubject(state, kind, prefix, (), members, earlier_severity)
    prefix, new_alarms = _title_prefix(kind, state, before)
    new = _ordered(member for member in state.open_members if member.alarm in new_alarms)
    rest = _ordered(member for member in state.open_members if member.alarm not in new_alarms)
    if not rest:
        new, rest = (), new
    return MessageSubject(state, kind, prefix, new, rest, earlier_severity)


def _title_prefix(
    kind: MessageKind, state: IncidentState, before: IncidentState
) -> tuple[TitlePrefix, set[str]]:
    """Return the prefix of the title, and the alarms that are new, worse, or notified again."""
    severity = before.notified_severity
    unreported = {one.alarm for one in state.open_members if one.alarm not in before.reported_alarms}
    if kind != "change":
        # To a recipient of a later step everything may be new: the title is about the worst alarm.
        prefix: TitlePrefix = "reminder" if kind == "reminder" else ""
        return prefix, unreported if before.reported_alarms else set()
    if severity is Severity.CLEARED:
        return "again", set()
    if state.incident.severity > severity:
        worse = {member.alarm for member in state.open_members if member.severity > severity}
        return "worse", worse | unreported
    if unreported:
        return "new", unreported
    if before.round == before.step == 0:
        unacknowledged = {one.alarm for one in state.open_members if one.state == AlarmState.UNACKNOWLEDGED}
        return "again", unacknowledged
    return "", set()


def _ordered(members: Iterable[IncidentMember]) -> tuple[IncidentMember, ...]:
    """Return the worst alarms first, and of those the earliest first."""
    return tuple(sorted(members, key=lambda member: (-member.severity, member.time, member.alarm)))


# -- the text -------------------------------------------------------------------------------------------


class _Composition(NamedTuple):
    """The subject of a text, its language, and the names that it uses."""

    subject: MessageSubject
    language: Language
    alarms: Mapping[str, AlarmEvent]
    model: CityModel

    @property
    def phrases(self) -> Mapping[str, str]:
        return phrases_of(self.language)

    @property
    def is_recovery(self) -> bool:
        return self.subject.kind == "recovery"

    @property
    def is_set_aside(self) -> bool:
        """Whether the incident is over although, for all that is known, a condition still holds."""
        return self.is_recovery and any(self.was_set_aside(member) for member in self.subject.members)

    @property
    def titled(self) -> list[AlarmEvent]:
        """The known alarms that the title is about; in a recovery those first that were set aside."""
        members = [member for member in self.subject.titled if member.alarm in self.alarms]
        if self.is_set_aside:
            members.sort(key=lambda member: not self.was_set_aside(member))
        return [self.alarms[member.alarm] for member in members]

    def was_set_aside(self, member: IncidentMember) -> bool:
        """Whether an alarm is over although, for all that is known, its condition still holds."""
        return member.active or is_set_aside(self.alarms.get(member.alarm))

    def entity_name(self, id: str) -> str:
        entity = self.model.entities.get(id)
        return entity.name if entity is not None else id

    def rule_title(self, event: AlarmEvent) -> str:
        rule = _rule(event, self.model)
        return rule.title.in_language(self.language) if rule is not None else event.rule

    def alarm_name(self, event: AlarmEvent) -> str:
        return f"{self.rule_title(event)}, {self.entity_name(event.entity)}"


def _title(composition: _Composition, severity: Severity, titled: Sequence[AlarmEvent]) -> str:
    """Return severity, prefix and name of the worst alarm, and the number of other alarms."""
    subject, phrases, language = composition.subject, composition.phrases, composition.language
    head = phrases["aside"] if composition.is_set_aside else severity_label(severity, language).upper()
    prefix = phrases[subject.prefix] if subject.prefix else ""
    prefix = prefix.format(
        was=severity_label(subject.earlier_severity, language), now=severity_label(severity, language)
    )
    name = _title_name(composition, titled)
    if titled and not composition.is_recovery and titled[0].severity != severity:
        name += f" ({severity_label(titled[0].severity, language)})"
    others = len(subject.titled) - 1
    more = phrases["and more"].format(count=others) if others > 0 else ""
    room = TITLE_CHARACTERS_MAX - len(f"{head} · {prefix}{more}")
    return f"{head} · {prefix}{name[:room]}{more}"


def _title_name(composition: _Composition, titled: Sequence[AlarmEvent]) -> str:
    """Return the name of the first alarm; cause and area of the incident where no alarm is known."""
    if titled:
        return composition.alarm_name(titled[0])
    incident = composition.subject.state.incident
    return f"{incident.cause}, {composition.entity_name(incident.area)}"


def _when(composition: _Composition) -> str:
    """Return since when the incident is open; in a recovery, since when it is over and how long it lasted."""
    phrases, model = composition.phrases, composition.model
    incident = composition.subject.state.incident
    if not composition.is_recovery:
        return phrases["since"].format(time=time_text(incident.opened_time, model))
    closed = incident.closed_time if incident.closed_time is not None else incident.time
    duration = duration_text(closed - incident.opened_time, composition.language)
    phrase = phrases["set aside" if composition.is_set_aside else "over"]
    return phrase.format(time=time_text(closed, model), duration=duration)


def _status(composition: _Composition, when: str) -> str:
    state, phrases = composition.subject.state, composition.phrases
    count = len(composition.subject.members)
    last = state.last_notified
    duration = last - state.incident.opened_time if last is not None else 0
    if duration >= MINUTE and not composition.is_recovery:
        when += phrases["lasting"].format(duration=duration_text(duration, composition.language))
    return f"{when}, {phrases['alarms'].format(count=count)}" if count > 1 else when


def _lines(composition: _Composition) -> list[str]:
    """Return a line for each alarm, new ones first, and the number of those without a line."""
    subject, phrases = composition.subject, composition.phrases
    lines: list[str] = []
    listed = 0
    for heading, members in (("new", subject.new), ("earlier", subject.rest)):
        known = [member for member in members if member.alarm in composition.alarms]
        known = known[: ALARMS_LISTED_MAX - listed]
        if known and subject.new:
            lines.append(phrases[f"heading {heading}"])
        lines += [_line(member, composition) for member in known]
        listed += len(known)
    if listed and (more := len(subject.members) - listed):
        lines.append(phrases["more alarm" if more == 1 else "more alarms"].format(count=more))
    return lines


def _line(member: IncidentMember, composition: _Composition) -> str:
    """Return the line of an alarm: severity, name, value, and since when."""
    event, phrases = composition.alarms[member.alarm], composition.phrases
    description = _description(event, composition)
    if composition.is_recovery:
        reason = end_reason(member, event, phrases)
        return f"– {description.removesuffix('.')} ({reason})" if reason else f"– {description}"
    raised = event.raised_time if event.raised_time is not None else event.time
    time = time_text(raised, composition.model)
    since = "" if time in description else f", {phrases['since'].format(time=time)}"
    severity = severity_label(event.severity, composition.language).upper()
    return f"– {severity} · {description.removesuffix('.')}{since}"


def _rule(event: AlarmEvent, model: CityModel) -> Rule | None:
    return model.rules.get(event.rule) or model.withdrawn_rules.get(event.rule)


def _description(event: AlarmEvent, composition: _Composition) -> str:
    """Return an alarm with its value: beside the threshold if it has one, else in the alarm's sentence."""
    entity, name = composition.entity_name(event.entity), composition.alarm_name(event)
    if not all(_may_be_disclosed(operand, composition.model) for operand in event.operands):
        return name
    threshold, language = _threshold(event, composition.model), composition.language
    holds = event.active or is_set_aside(event)
    if threshold is not None and holds and _is_beyond(event, threshold):
        operand = event.operands[0]
        limit = format_quantity(operand.threshold or 0.0, operand.unit, language)
        limit = composition.phrases[threshold.direction].format(limit=limit)
        value = format_quantity(operand.value, operand.unit, language)
        return f"{name}: {display_name(operand.name, language)} {value}, {limit}"
    sentence = event.sentence_nl if language == "nl" else event.sentence_en
    return sentence if entity in sentence else f"{entity}: {sentence}"


def _threshold(event: AlarmEvent, model: CityModel) -> ThresholdCondition | None:
    """Return the condition of an alarm whose rule compares a single value with a threshold."""
    rule = _rule(event, model)
    condition = rule.condition if rule is not None else None
    if not isinstance(condition, ThresholdCondition) or condition.transform is not None:
        return None
    return condition if event.operands and event.operands[0].threshold is not None else None


def _is_beyond(event: AlarmEvent, threshold: ThresholdCondition) -> bool:
    """Whether an alarm's value is beyond its threshold.

    It need not be: a severity that eases stays until the value is clear of its level, and of n of m values
    any may be the newest. Then the alarm's own sentence says what holds.
    """
    operand = event.operands[0]
    if operand.threshold is None or threshold.times is not None:
        return False
    is_above = threshold.direction == "above"
    return operand.value >= operand.threshold if is_above else operand.value <= operand.threshold


def _may_be_disclosed(operand: OperandValue, model: CityModel) -> bool:
    """Whether a value may leave the system; a value of few households may not (decision 0009)."""
    personal = {one.datastream for one in operand.sources if _is_personal(one.datastream, model)}
    return not personal or len(personal) >= CONNECTIONS_MIN


def _is_personal(id: int, model: CityModel) -> bool:
    datastream = model.datastreams.get(id)
    sensor = model.sensors.get(datastream.sensor) if datastream is not None else None
    return sensor is not None and sensor.personal


def _short(composition: _Composition, title: str, when: str, titled: Sequence[AlarmEvent]) -> str:
    """Return one line; without enough room, the value is left out first, and the title is cut last."""
    for parts in ((title, *_title_value(composition, titled), when), (title, when)):
        text = short_text(", ".join(parts))
        if len(text) <= SHORT_CHARACTERS_MAX:
            return text
    return short_text(title)[:SHORT_CHARACTERS_MAX]


def _title_value(composition: _Composition, titled: Sequence[AlarmEvent]) -> list[str]:
    """Return the value of the alarm in the title if its rule compares it with a threshold; at most one."""
    if composition.is_recovery or not titled or _threshold(titled[0], composition.model) is None:
        return []
    return [
        format_quantity(operand.value, operand.unit, composition.language)
        for operand in titled[0].operands[:1]
        if _may_be_disclosed(operand, composition.model)
    ]
