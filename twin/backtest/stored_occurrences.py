"""The occurrences of an alarm, as its stored events show them, and their differences to true episodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from twin.alarms.evaluation.alarm_transitions import Episode
from twin.alarms.messages import AlarmEvent
from twin.instant import INSTANT_MAX, INSTANT_MIN, Instant

_CHANGES = frozenset({"raised", "worsened", "eased"})


@dataclass(slots=True, eq=False)
class StoredOccurrence:
    """An occurrence of an alarm."""

    last: AlarmEvent  #: its newest event
    raised: Instant
    returned: Instant | None
    worst: int
    steps: dict[Instant, int] = field(default_factory=dict)  #: severity from a time on

    @property
    def number(self) -> int:
        """Its number: negative if it was added to history later."""
        return self.last.occurrence

    @property
    def end(self) -> Instant:
        """The time of its end; INSTANT_MAX: it has not ended."""
        return self.returned if self.returned is not None else INSTANT_MAX

    def severity_at(self, time: Instant) -> int:
        """Return the severity at a time; 0 outside the occurrence."""
        if not self.raised <= time < self.end:
            return 0
        known = [(at, severity) for at, severity in self.steps.items() if at <= time]
        return max(known)[1] if known else self.worst


def stored_occurrences(events: Iterable[AlarmEvent]) -> list[StoredOccurrence]:
    """Return the occurrences that events of one alarm, in their order, leave; the earliest first."""
    found: dict[int, StoredOccurrence] = {}
    for event in events:
        if event.kind == "retracted" or event.raised_time is None:
            found.pop(event.occurrence, None)
            continue
        known = found.get(event.occurrence)
        severity = int(event.severity)
        if known is None:
            known = StoredOccurrence(event, event.raised_time, event.returned_time, severity)
            known.steps[event.raised_time] = severity
            found[event.occurrence] = known
        if event.kind in _CHANGES:
            known.steps[event.time] = severity
        known.last, known.raised, known.returned = event, event.raised_time, event.returned_time
        known.worst = int(event.worst) or max(known.worst, severity)
    return sorted(found.values(), key=lambda one: one.raised)


def stored_severity_at(occurrences: Iterable[StoredOccurrence], time: Instant) -> int:
    """Return the severity of an alarm at a time, as its history has it."""
    return max((one.severity_at(time) for one in occurrences), default=0)


class HistoryDifference(NamedTuple):
    """What an alarm's history must be changed in."""

    missing: tuple[Episode, ...]
    changed: tuple[tuple[StoredOccurrence, Episode], ...]
    false: tuple[StoredOccurrence, ...]


def history_difference(stored: Sequence[StoredOccurrence], truth: Sequence[Episode]) -> HistoryDifference:
    """Return the differences of past occurrences to the episodes that a rule truly had in the same time.

    An occurrence is compared with an episode of the same times, otherwise with the first one that it
    overlaps. An episode that began before the compared time has the start of its occurrence.
    """
    remaining = list(stored)
    missing: list[Episode] = []
    changed: list[tuple[StoredOccurrence, Episode]] = []
    unequal: list[Episode] = []
    for episode in truth:
        fact = episode.start, episode.end, episode.worst
        same = next((one for one in remaining if (one.raised, one.end, one.worst) == fact), None)
        if same is not None:
            remaining.remove(same)
        else:
            unequal.append(episode)
    for episode in unequal:
        own = next((one for one in remaining if episode.overlaps(one.raised, one.end)), None)
        if own is None:
            if episode.start != INSTANT_MIN:
                missing.append(episode)
            continue
        remaining.remove(own)
        start = own.raised if episode.start == INSTANT_MIN else episode.start
        worst = max(episode.worst, own.worst if episode.start == INSTANT_MIN else 0)
        if (start, episode.end, worst) != (own.raised, own.end, own.worst):
            changed.append((own, episode))
    return HistoryDifference(tuple(missing), tuple(changed), tuple(remaining))
