"""The transitions of an alarm after changes of its rule's state, also if late data change the past."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from twin.alarms.alarm import Alarm, Explanation, StreamTime
from twin.alarms.evaluation.condition_state import ConditionChange
from twin.alarms.evaluation.level_state import SeverityChange, severity_timeline
from twin.alarms.messages import AlarmEvent
from twin.alarms.severity import Severity
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant

Explain = Callable[[SeverityChange], Explanation]
"""Returns the values and sentences that explain a change."""


class Episode(NamedTuple):
    """A time span in which the condition held."""

    start: Instant  #: INSTANT_MIN: before the settled state
    end: Instant  #: INSTANT_MAX: not yet
    #: the changes within it; the first begins it unless `start` is INSTANT_MIN
    changes: tuple[SeverityChange, ...]
    ending: SeverityChange | None = None  #: the change that ends it

    @property
    def worst(self) -> int:
        """Return the worst severity among its changes."""
        return max((one.severity for one in self.changes), default=0)

    def overlaps(self, start: Instant, end: Instant) -> bool:
        """Whether it has a time in common with a span."""
        return self.start < end and start < self.end


def apply_change(
    alarm: Alarm, change: ConditionChange, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    """Return the events of an alarm for a change of its rule's state, and bring the alarm up to date."""
    known = severity_timeline(change.before)
    if severity_timeline(change.after)[: len(known)] == known:
        return [
            event
            for severity_change in change.after[len(known) :]
            for event in _apply_severity(
                alarm, severity_change, explain, moment, late=severity_change.time <= change.newest_time
            )
        ]
    return _correct_past(alarm, change, explain, moment)


def corrects_past(change: ConditionChange) -> Instant | None:
    """Return the time of the first severity change that an update took back or moved; None: none.

    Such an update may concern several occurrences. An alarm follows for its last one; what came before is
    reconciled in stored history.
    """
    before, after = severity_timeline(change.before), severity_timeline(change.after)
    if after[: len(before)] == before:
        return None
    index = next(
        (number for number, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]),
        min(len(before), len(after)),
    )
    return min(timeline[index][0] for timeline in (before, after) if index < len(timeline))


def align_alarm(
    alarm: Alarm, truth: Sequence[Episode], since: Instant, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    """Bring an alarm in line with the episodes that its rule truly had since a time; all events are late.

    `truth` has the episodes that end after the alarm's last occurrence began, unless it was over before. The
    first of them that overlaps this occurrence is the same; later ones are new occurrences. Those that end
    before `since` are known.
    """
    events: list[AlarmEvent] = []
    rest = [one for one in truth if one.end >= since]
    raised = alarm.raised_time
    end = INSTANT_MAX if alarm.active or alarm.returned_time is None else alarm.returned_time
    if raised is not None and end >= since:
        own = next((one for one in rest if one.overlaps(raised, max(end, raised + 1))), None)
        if own is None:
            events += alarm.retract(moment.context(raised if alarm.active else end, late=True))
        else:
            events += _align_occurrence(alarm, own, explain, moment)
            rest = rest[rest.index(own) + 1 :]
    for episode in (one for one in rest if one.start != INSTANT_MIN):
        for change in episode.changes:
            events += _apply_severity(alarm, change, explain, moment, late=True)
        if alarm.active and episode.end != INSTANT_MAX:
            events += alarm.end(_explained(episode.ending, explain), moment.context(episode.end, late=True))
    return events


def _align_occurrence(alarm: Alarm, own: Episode, explain: Explain, moment: StreamTime) -> list[AlarmEvent]:
    """Bring the last occurrence of an alarm in line with its true episode."""
    assert alarm.raised_time is not None  # noqa: S101 - there is an occurrence
    start = alarm.raised_time if own.start == INSTANT_MIN else own.start
    severities = [Severity(one.severity) for one in own.changes]
    worst = max(severities, default=alarm.worst)
    if own.start == INSTANT_MIN:
        worst = max(worst, alarm.worst)
    events: list[AlarmEvent] = []
    if own.end == INSTANT_MAX:
        last = own.changes[-1] if own.changes else None
        severity = severities[-1] if severities else alarm.severity
        if not alarm.active:
            alarm.worst = worst
            return alarm.reopen(severity, _explained(last, explain), moment.context(start, late=True))
        is_moved = start != alarm.raised_time
        if last is not None:
            events += _apply_severity(alarm, last, explain, moment, late=True)
        if is_moved or worst != alarm.worst:
            alarm.raised_time, alarm.worst = start, worst
            events.append(alarm.emit("reassessed", moment.context(start, late=True)))
        return events
    if not alarm.active:
        if (start, own.end, worst) != (alarm.raised_time, alarm.returned_time, alarm.severity):
            alarm.raised_time, alarm.returned_time = start, own.end
            alarm.severity = alarm.worst = worst
            events.append(alarm.emit("reassessed", moment.context(own.end, late=True)))
        return events
    alarm.raised_time, alarm.worst = start, worst
    return alarm.end(_explained(own.ending, explain), moment.context(own.end, late=True))


def _explained(change: SeverityChange | None, explain: Explain) -> Explanation | None:
    return explain(change) if change is not None else None


def _apply_severity(
    alarm: Alarm, change: SeverityChange, explain: Explain, moment: StreamTime, *, late: bool
) -> list[AlarmEvent]:
    context = moment.context(change.time, late=late)
    severity = Severity(change.severity)
    if not severity:
        return alarm.end(explain(change), context)
    if alarm.active:
        return alarm.change_severity(severity, explain(change), context)
    return alarm.raise_(severity, explain(change), context)


def _correct_past(
    alarm: Alarm, change: ConditionChange, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    """Bring the alarm in line with a state whose past has changed."""
    after = episodes(change.base, change.after)
    events: list[AlarmEvent] = []
    if alarm.active:
        own = [one for one in after if one.end > _instant(alarm.raised_time)]
        if not own:
            when = change.after[-1].time if change.after else change.before[-1].time
            return alarm.retract(moment.context(when, late=True))
        events += _adjust(alarm, own[0], change, explain, moment)
        rest = own[1:]
    else:
        rest = [one for one in after if not _is_reported(alarm, one, change)]
        if not rest:
            return _correct_last_occurrence(alarm, after, change, moment)
        if rest[0].end == INSTANT_MAX and _is_last(alarm, rest[0]):
            return _reopen(alarm, rest[0], change, explain, moment)
    for episode in rest:
        for shift in episode.changes:
            events += _apply_severity(alarm, shift, explain, moment, late=True)
        if alarm.active and episode.end != INSTANT_MAX:
            events += _end_episode(alarm, episode, change, explain, moment)
    return events


def _adjust(
    alarm: Alarm, episode: Episode, change: ConditionChange, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    """Bring an active alarm in line with its episode."""
    events: list[AlarmEvent] = []
    if episode.start not in (INSTANT_MIN, alarm.raised_time):
        alarm.raised_time = episode.start
        events.append(alarm.emit("reassessed", moment.context(episode.start, late=True)))
    if episode.end != INSTANT_MAX:
        return events + _end_episode(alarm, episode, change, explain, moment)
    if episode.changes:
        return events + _apply_severity(alarm, episode.changes[-1], explain, moment, late=True)
    # No change is left since the settled state: its severity is the present one.
    when = change.before[0].time if change.before else moment.now
    return events + alarm.change_severity(Severity(change.base), None, moment.context(when, late=True))


def _correct_last_occurrence(
    alarm: Alarm, after: Sequence[Episode], change: ConditionChange, moment: StreamTime
) -> list[AlarmEvent]:
    """Return the events for the last occurrence, which has ended, if the past changes and nothing is new."""
    if alarm.raised_time is None or alarm.returned_time is None or not change.before:
        return []
    if alarm.returned_time < change.before[0].time:
        return []
    overlapping = [one for one in after if one.overlaps(alarm.raised_time, alarm.returned_time)]
    if not overlapping:
        return alarm.retract(moment.context(alarm.returned_time, late=True))
    start, end = overlapping[0].start, overlapping[-1].end
    if start == INSTANT_MIN:
        start = alarm.raised_time
    if (start, end) == (alarm.raised_time, alarm.returned_time):
        return []
    alarm.raised_time, alarm.returned_time = start, end
    return [alarm.emit("reassessed", moment.context(end, late=True))]


def _is_reported(alarm: Alarm, episode: Episode, change: ConditionChange) -> bool:
    """Whether an episode was reported before, perhaps at slightly other times."""
    if any(one.overlaps(episode.start, episode.end) for one in episodes(change.base, change.before)):
        # An episode that had ended and continues now is new.
        return episode.end != INSTANT_MAX
    return episode.start == INSTANT_MIN or episode.end <= _instant(alarm.raised_time)


def _is_last(alarm: Alarm, episode: Episode) -> bool:
    """Whether an episode is the alarm's last occurrence, which has ended."""
    if alarm.raised_time is None or alarm.returned_time is None:
        return False
    return episode.overlaps(alarm.raised_time, alarm.returned_time)


def _reopen(
    alarm: Alarm, episode: Episode, change: ConditionChange, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    """Continue an occurrence that was reported as ended."""
    assert alarm.raised_time is not None  # noqa: S101 - it is the last occurrence's
    start = alarm.raised_time if episode.start == INSTANT_MIN else episode.start
    last_change = episode.changes[-1] if episode.changes else None
    severity = Severity(last_change.severity if last_change is not None else change.base)
    return alarm.reopen(
        severity, explain(last_change) if last_change is not None else None, moment.context(start, late=True)
    )


def _end_episode(
    alarm: Alarm, episode: Episode, change: ConditionChange, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    ending = next((one for one in change.after if one.time == episode.end and not one.severity), None)
    explanation = explain(ending) if ending is not None else None
    return alarm.end(explanation, moment.context(episode.end, late=True))


def episodes(base: int, changes: Sequence[SeverityChange]) -> list[Episode]:
    """Return the time spans in which the condition held, oldest first; `base` is the severity before.

    >>> [(one.start, one.end) for one in episodes(0, ())]
    []
    """
    found: list[Episode] = []
    start: Instant | None = INSTANT_MIN if base else None
    within: list[SeverityChange] = []
    for change in changes:
        if change.severity:
            start = change.time if start is None else start
            within.append(change)
        elif start is not None:
            found.append(Episode(start, change.time, tuple(within), change))
            start, within = None, []
    if start is not None:
        found.append(Episode(start, INSTANT_MAX, tuple(within)))
    return found


def _instant(time: Instant | None) -> Instant:
    return INSTANT_MIN if time is None else time
