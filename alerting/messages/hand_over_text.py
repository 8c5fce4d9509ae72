"""The text for whoever comes on call: until when, whom they follow, and what is open, the worst first. Pure.

It tells of an incident only if it has a line about it, as a digest does; its link acknowledges these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from alerting.delivery.acknowledge_links import occurrence_digest
from alerting.incidents.incident_state import IncidentState
from alerting.messages.digest_text import fit_lines
from alerting.messages.message_text import TITLE_CHARACTERS_MAX, MessageText, compose_message
from alerting.messages.outgoing_message import HandOverLine, HandOverSummary, OutgoingMessage
from alerting.messages.phrases import phrases_of, time_text
from alerting.messages.short_text import SHORT_CHARACTERS_MAX, short_text
from alerting.policy.hand_over import TurnChange
from twin.alarms.messages import AlarmEvent
from twin.alarms.severity import Severity
from twin.instant import Instant
from twin.model.bilingual_text import Language
from twin.model.city_model import CityModel

LINES_MAX = 100
"""The most incidents with a line; a message has as many of them as its channel has room for."""

COMMENT_CHARACTERS_MAX = 200
_END_CHARACTERS = 40


class HandOverContext(NamedTuple):
    """What the text of a hand-over is made of, beside the turn."""

    incidents: Iterable[IncidentState]  #: the open ones of the team
    alarms: Mapping[str, AlarmEvent]
    model: CityModel


def compose_hand_over(
    change: TurnChange, until: Instant | None, language: Language, context: HandOverContext
) -> tuple[MessageText, HandOverSummary]:
    """Return text and summary for the contact of a turn that ends at `until`, if that is known."""
    phrases = phrases_of(language)
    by_severity = sorted(
        context.incidents, key=lambda one: (-one.incident.severity, one.incident.opened_time, one.id)
    )
    name = phrases["hand-over"].format(team=change.team.name)[: TITLE_CHARACTERS_MAX - _END_CHARACTERS]
    end = phrases["hand-over until"].format(time=time_text(until, context.model)) if until is not None else ""
    title = f"{phrases['hand-over head']} · {name}{end}"
    opened = _open_text(by_severity, phrases)
    head = "\n".join((_before_text(change, context.model, phrases), opened))
    lines = tuple(_line(one, language, context) for one in by_severity[:LINES_MAX])
    first = f" {lines[0].text.removeprefix('– ')}" if lines else ""
    text = MessageText(
        title=title,
        body="\n".join((head, *(line.text for line in lines))),
        short=short_text(f"{title}. {opened}{first}")[:SHORT_CHARACTERS_MAX],
        language=language,
        severity=max((one.incident.severity for one in by_severity), default=Severity.CLEARED),
        answer_label=phrases["answer"] if any(line.occurrences for line in lines) else "",
    )
    summary = HandOverSummary(change.team.id, change.turn.since, head, lines, len(by_severity))
    return text, summary


def fit_hand_over(message: OutgoingMessage, characters: int) -> OutgoingMessage:
    """Return a hand-over with the lines for which a channel of so many characters has room."""
    summary = message.hand_over
    if summary is None:
        return message
    return fit_lines(
        message,
        summary.head,
        summary.lines,
        count=summary.total,
        omitted="hand-over omitted",
        room=characters,
    )


def _before_text(change: TurnChange, model: CityModel, phrases: Mapping[str, str]) -> str:
    before = change.turn.before
    if not before:
        return phrases["hand-over before nobody"]
    return phrases["hand-over before"].format(contact=_contact_name(before, model))


def _open_text(incidents: Sequence[IncidentState], phrases: Mapping[str, str]) -> str:
    if not incidents:
        return phrases["hand-over nothing open"]
    count = len(incidents)
    opened = phrases["hand-over open one" if count == 1 else "hand-over open"].format(count=count)
    waiting = sum(not one.all_acknowledged for one in incidents)
    return phrases["hand-over waiting"].format(open=opened, count=waiting)


def _line(state: IncidentState, language: Language, context: HandOverContext) -> HandOverLine:
    """Return the line of an incident: its worst alarm, who handles it, and the newest comment."""
    phrases, model = phrases_of(language), context.model
    members = [one for one in state.open_members if one.alarm in context.alarms]
    alarms = {one.alarm: context.alarms[one.alarm] for one in members}
    parts = [compose_message("alarm", state, state, language=language, alarms=alarms, model=model).line]
    parts.append(_handled_by(state, alarms.values(), phrases))
    if state.assignee:
        parts.append(phrases["assigned"].format(contact=_contact_name(state.assignee, model)))
    if state.snoozed_until is not None:
        parts.append(phrases["snoozed"].format(time=time_text(state.snoozed_until, model)))
    if state.comments:
        comment = state.comments[-1]
        text = " ".join(comment.text.split())[:COMMENT_CHARACTERS_MAX]
        parts.append(phrases["remark"].format(actor=comment.actor, text=text))
    told = frozenset() if state.all_acknowledged else frozenset(map(occurrence_digest, alarms.values()))
    return HandOverLine(state.id, f"– {'; '.join(parts)}", told)


def _handled_by(state: IncidentState, alarms: Iterable[AlarmEvent], phrases: Mapping[str, str]) -> str:
    if not state.all_acknowledged:
        return phrases["not acknowledged"]
    people = {event.actor for event in alarms if event.kind == "acknowledged" and event.actor}
    acknowledged = phrases["acknowledged"]
    if len(people) != 1:
        return acknowledged
    return phrases["by"].format(reason=acknowledged, actor=people.pop())


def _contact_name(id: str, model: CityModel) -> str:
    return next((one.name for one in model.duty.contacts if one.id == id), id)
