"""Following: an alarm follows the course of its rule, also when late data change what the course was."""

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
"""Says what a shift follows from, in words and numbers."""


class Episode(NamedTuple):
    """A time through which something was wrong."""

    start: Instant  #: INSTANT_MIN: before the course looks back
    end: Instant  #: INSTANT_MAX: not yet
    shifts: tuple[SeverityChange, ...]  #: those within it; the first begins it unless `start` is INSTANT_MIN

    def overlaps(self, start: Instant, end: Instant) -> bool:
        """Whether it has a time in common with another."""
        return self.start < end and start < self.end


def apply_change(
    alarm: Alarm, change: ConditionChange, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    """Return what happens to an alarm when its course changes; the alarm is then where the course is."""
    known = severity_timeline(change.before)
    if severity_timeline(change.after)[: len(known)] == known:
        return [
            event
            for one in change.after[len(known) :]
            for event in _shift(alarm, one, explain, moment, late=one.time <= change.newest_time)
        ]
    return _rewrite(alarm, change, explain, moment)


def _shift(
    alarm: Alarm, shift: SeverityChange, explain: Explain, moment: StreamTime, *, late: bool
) -> list[AlarmEvent]:
    cause = moment.context(shift.time, late=late)
    severity = Severity(shift.severity)
    if not severity:
        return alarm.end(explain(shift), cause)
    if alarm.active:
        return alarm.change_severity(severity, explain(shift), cause)
    return alarm.raise_(severity, explain(shift), cause)


def _rewrite(alarm: Alarm, change: ConditionChange, explain: Explain, moment: StreamTime) -> list[AlarmEvent]:
    """Follow a course whose past is another now."""
    after = episodes(change.base, change.after)
    events: list[AlarmEvent] = []
    if alarm.active:
        mine = [one for one in after if one.end > _instant(alarm.raised_time)]
        if not mine:
            when = change.after[-1].time if change.after else change.before[-1].time
            return alarm.retract(moment.context(when, late=True))
        events += _adjust(alarm, mine[0], change, explain, moment)
        rest = mine[1:]
    else:
        rest = [one for one in after if not _is_told(alarm, one, change)]
        if not rest:
            return _past(alarm, after, change, moment)
        if rest[0].end == INSTANT_MAX and _is_last(alarm, rest[0]):
            return _go_on(alarm, rest[0], change, explain, moment)
    for episode in rest:
        for shift in episode.shifts:
            events += _shift(alarm, shift, explain, moment, late=True)
        if alarm.active and episode.end != INSTANT_MAX:
            events += _end_of(alarm, episode, change, explain, moment)
    return events


def _adjust(
    alarm: Alarm, episode: Episode, change: ConditionChange, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    """Bring an active alarm in line with the episode that it stands for."""
    events: list[AlarmEvent] = []
    if episode.start not in (INSTANT_MIN, alarm.raised_time):
        alarm.raised_time = episode.start
        events.append(alarm.emit("reassessed", moment.context(episode.start, late=True)))
    if episode.end != INSTANT_MAX:
        return events + _end_of(alarm, episode, change, explain, moment)
    if episode.shifts:
        return events + _shift(alarm, episode.shifts[-1], explain, moment, late=True)
    # Nothing is left of what had changed since the base: it is as bad as it was then.
    when = change.before[0].time if change.before else moment.now
    return events + alarm.change_severity(Severity(change.base), None, moment.context(when, late=True))


def _past(
    alarm: Alarm, after: Sequence[Episode], change: ConditionChange, moment: StreamTime
) -> list[AlarmEvent]:
    """Tell what became of the last occurrence, which is over, when the past changes and nothing is new."""
    if alarm.raised_time is None or alarm.returned_time is None or not change.before:
        return []
    if alarm.returned_time < change.before[0].time:
        return []
    met = [one for one in after if one.overlaps(alarm.raised_time, alarm.returned_time)]
    if not met:
        return alarm.retract(moment.context(alarm.returned_time, late=True))
    start, end = met[0].start, met[-1].end
    if start == INSTANT_MIN:
        start = alarm.raised_time
    if (start, end) == (alarm.raised_time, alarm.returned_time):
        return []
    alarm.raised_time, alarm.returned_time = start, end
    return [alarm.emit("reassessed", moment.context(end, late=True))]


def _is_told(alarm: Alarm, episode: Episode, change: ConditionChange) -> bool:
    """Whether an episode is one that was told before, perhaps at slightly other times."""
    if any(one.overlaps(episode.start, episode.end) for one in episodes(change.base, change.before)):
        # One that has ended before and goes on now is news.
        return episode.end != INSTANT_MAX
    return episode.start == INSTANT_MIN or episode.end <= _instant(alarm.raised_time)


def _is_last(alarm: Alarm, episode: Episode) -> bool:
    """Whether an episode is what the last occurrence, which is over, stands for."""
    if alarm.raised_time is None or alarm.returned_time is None:
        return False
    return episode.overlaps(alarm.raised_time, alarm.returned_time)


def _go_on(
    alarm: Alarm, episode: Episode, change: ConditionChange, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    """Take back that an occurrence was over."""
    assert alarm.raised_time is not None  # noqa: S101 - it is the last occurrence's
    start = alarm.raised_time if episode.start == INSTANT_MIN else episode.start
    shift = episode.shifts[-1] if episode.shifts else None
    severity = Severity(shift.severity if shift is not None else change.base)
    return alarm.reopen(
        severity, explain(shift) if shift is not None else None, moment.context(start, late=True)
    )


def _end_of(
    alarm: Alarm, episode: Episode, change: ConditionChange, explain: Explain, moment: StreamTime
) -> list[AlarmEvent]:
    ending = next((one for one in change.after if one.time == episode.end and not one.severity), None)
    explanation = explain(ending) if ending is not None else None
    return alarm.end(explanation, moment.context(episode.end, late=True))


def episodes(base: int, shifts: Sequence[SeverityChange]) -> list[Episode]:
    """Return the times through which something was wrong, oldest first; `settled` is how bad it was before.

    >>> [(one.start, one.end) for one in episodes(0, ())]
    []
    """
    found: list[Episode] = []
    start: Instant | None = INSTANT_MIN if base else None
    within: list[SeverityChange] = []
    for one in shifts:
        if one.severity:
            start = one.time if start is None else start
            within.append(one)
        elif start is not None:
            found.append(Episode(start, one.time, tuple(within)))
            start, within = None, []
    if start is not None:
        found.append(Episode(start, INSTANT_MAX, tuple(within)))
    return found


def _instant(time: Instant | None) -> Instant:
    return INSTANT_MIN if time is None else time
