"""The state of rules by stored history: for alarms that are repaired, and at the beginning of a log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import structs

from twin.alarms.alarm import Alarm, StreamTime
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.evaluation.alarm_transitions import Episode, align_alarm, episodes
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.evaluation.condition_state import (
    REORDER_POINTS_MAX,
    BufferedPoint,
    ConditionState,
    KnownSeverity,
)
from twin.alarms.evaluation.explanation import explain
from twin.alarms.evaluation.level_state import SeverityChange
from twin.alarms.evaluation.operand_points import derived_series_interval
from twin.alarms.messages import AlarmEvent
from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries, Point
from twin.alarms.rules.rule import Rate, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState
from twin.backtest.condition_replay import ConditionReplay
from twin.backtest.history_chunk import datastreams_of_series
from twin.backtest.point_column import PointColumn
from twin.backtest.stored_occurrences import (
    HistoryDifference,
    StoredOccurrence,
    history_difference,
    stored_occurrences,
    stored_severity_at,
)
from twin.instant import DAY, HOUR, INSTANT_MAX, INSTANT_MIN, MINUTE, Duration, Instant
from twin.model.city_model import CityModel
from twin.state.freshness import live_duration

WARM_UP: Duration = HOUR
"""A rule is evaluated from this long, plus its delays, before a time, to reach its live state there."""

WARM_UP_MAX: Duration = 7 * DAY

OCCURRENCE_SPAN_MAX: Duration = 31 * DAY

SPARSENESS = 2
"""Points are read as if they followed each other by so many intervals: some sensors miss reports."""

CHANGES_MAX = 1_000
"""The most severity changes in a correction: with their points some 200 kB. Later repairs find the others."""


def warm_up(bound: BoundRule, model: CityModel) -> Duration:
    """Return how long before a time a rule must be evaluated to reach its state at that time."""
    return min(WARM_UP_MAX, max(WARM_UP, _memory_span(bound, model)) + _delays(bound))


def _delays(bound: BoundRule) -> Duration:
    """Return how long the delays and the span of a rate reach back."""
    condition, rule = bound.rule.condition, bound.rule
    transform = condition.transform if isinstance(condition, ThresholdCondition) else None
    span = transform.span if isinstance(transform, Rate) else 0
    return rule.on_delay + rule.off_delay + span


def _memory_span(bound: BoundRule, model: CityModel) -> Duration:
    """Return how long the points take that a rule counts, and how long a value is valid."""
    interval = max((series_interval_of(series, model) for series in bound.series), default=MINUTE)
    return (bound.level_config.of + 1) * live_duration(interval)


def series_interval_of(series: OperandSeries, model: CityModel) -> Duration:
    """Return the expected time between two points of a series."""
    if series.over != "instant":
        return WINDOW_SIZES[series.over]
    intervals = [one.interval for one in datastreams_of_series(series, model)]
    return max(intervals, default=0) or derived_series_interval(series, model) or MINUTE


def state_span(bound: BoundRule, series: OperandSeries, model: CityModel) -> Duration:
    """Return how long before its newest point a series is needed for the present state of a rule.

    That are the points that may still be overtaken, and before them those that the warm-up needs.
    """
    interval = series_interval_of(series, model)
    points = (REORDER_POINTS_MAX + bound.level_config.of + 2) * SPARSENESS
    return points * interval + _delays(bound) + live_duration(interval)


class _EpisodeReplay(ConditionReplay):
    """A replay that collects severity changes instead of the events of an alarm."""

    __slots__ = ("changes",)

    changes: list[SeverityChange]

    def _apply_changes(self, changes: Sequence[SeverityChange], now: Instant) -> None:
        self.changes += changes

    def _note_peaks(self, column: PointColumn, events_before: int) -> None:
        return


@dataclass(slots=True)
class RuleHistory:
    """A rule on an entity, evaluated again over stored history from a time on. Mutable."""

    bound: BoundRule
    model: CityModel
    stored: Sequence[StoredOccurrence]
    since: Instant  #: the time from which history has changed
    begin: Instant = field(init=False)  #: of the warm-up
    base: int = field(init=False)  #: severity before `since`
    _replay: _EpisodeReplay = field(init=False)

    def __post_init__(self) -> None:
        self.begin = self.since - warm_up(self.bound, self.model)
        self.base = stored_severity_at(self.stored, self.since - 1)
        self._replay = _EpisodeReplay.initial(self.bound, self.model)
        self._replay.changes = []
        self._replay.condition_state.level_states.restore_severity(
            stored_severity_at(self.stored, self.begin - 1), self.bound.level_config
        )

    def set_baseline(self, baseline: Baseline) -> None:
        """Set the baseline as it was at the start."""
        self._replay.condition_state.baseline = baseline.copy()

    def on_columns(self, columns: Mapping[OperandSeries, PointColumn]) -> None:
        """Evaluate the next chunk of history."""
        self._replay.on_columns([columns[one] for one in self.bound.series])

    def finish_warm_up(self) -> None:
        """End the warm-up at `since`: up to there the severity is the stored one."""
        self._replay.end(self.since - 1)
        self._replay.changes.clear()
        self._replay.condition_state.level_states.restore_severity(self.base, self.bound.level_config)

    def severity(self, newest_time: Instant) -> SeverityHistory:
        """Return the severity from `since` up to the newest point."""
        self._replay.end(newest_time)
        return SeverityHistory(self.since, self.base, tuple(self._replay.changes))


def evaluation_start(
    bound: BoundRule, stored: Iterable[StoredOccurrence], time: Instant, model: CityModel
) -> Instant:
    """Return from when history is evaluated that has changed from a time on.

    After a delay, the stream may not have told yet what follows from the last points before that time; and an
    occurrence at that time is evaluated as a whole. Of one that began more than `OCCURRENCE_SPAN_MAX` before,
    the beginning stays as it is.
    """
    if delays := _delays(bound):
        time -= delays + _memory_span(bound, model)
    begun = [one.raised for one in stored if one.raised < time <= one.end]
    return min([time, *(raised for raised in begun if time - raised <= OCCURRENCE_SPAN_MAX)])


class SeverityHistory(NamedTuple):
    """The severity changes of a rule on an entity from a time on."""

    since: Instant
    base: int  #: severity before the first change
    changes: tuple[SeverityChange, ...]

    def severity_at(self, time: Instant) -> int:
        """Return the severity at a time, from `since` on."""
        reached = [one.severity for one in self.changes if one.time <= time]
        return reached[-1] if reached else self.base

    def reaching(self, time: Instant, condition: ConditionState, bound: BoundRule) -> SeverityHistory:
        """Return the severity up to a time that has passed, if no point follows those of `condition`."""
        passed = condition.current.copy().advance(time, bound.level_config)
        return self._replace(changes=(*self.changes, *passed))

    def ending_after(self, cut: Instant) -> SeverityHistory:
        """Return the changes of the episodes that end after a time."""
        first = next((one for one in episodes(self.base, self.changes) if one.end > cut), None)
        if first is not None and first.start == INSTANT_MIN:
            return self
        # An episode that begins at that time ends after it, also one that the passing of time began.
        start = first.start if first is not None else cut
        return SeverityHistory(start, 0, tuple(one for one in self.changes if one.time >= start))


class AlarmHistory(NamedTuple):
    """The stored history of one alarm."""

    events: Sequence[AlarmEvent]  #: in their stored order
    occurrences: Sequence[StoredOccurrence]

    @classmethod
    def of(cls, events: Sequence[AlarmEvent]) -> AlarmHistory:
        """Return the history that events show."""
        return cls(events, stored_occurrences(events))

    @property
    def last_number(self) -> int:
        """The number of the last occurrence of the stream; 0: there is none."""
        return max((event.occurrence for event in self.events), default=0)

    @property
    def last(self) -> StoredOccurrence | None:
        """The last occurrence of the stream; None: there is none, or it was retracted."""
        number = self.last_number
        return next((one for one in self.occurrences if number > 0 and one.number == number), None)

    @property
    def past_until(self) -> Instant:
        """The time up to which an occurrence is past: the stream corrects only its last one, and later."""
        last = self.last
        if last is not None:
            return last.raised
        return max((one.end for one in self.occurrences if one.returned is not None), default=INSTANT_MIN)


def correction_of(
    bound: BoundRule, alarm: AlarmHistory, severity: SeverityHistory, condition: ConditionState
) -> AlarmCorrection:
    """Return what the alarm stage must know of a rule and its alarm by stored history."""
    last = alarm.last
    later = severity.ending_after(alarm.past_until)
    changes = [one for one in later.changes if one.time <= condition.horizon]
    base = later.base
    if len(changes) > CHANGES_MAX:
        base, changes = changes[-CHANGES_MAX - 1].severity, changes[-CHANGES_MAX:]
    return AlarmCorrection(
        bound.rule.id,
        bound.entity,
        bound.rule.version,
        alarm.last_number,
        last.raised if last is not None else None,
        last.worst if last is not None else 0,
        severity.since,
        later.since,
        base,
        tuple(changes),
        condition,
        alarm.events[-1].revision if alarm.events else 0,
    )


def judged_past_until(alarm: AlarmHistory, severity: SeverityHistory, judged_until: Instant) -> Instant:
    """Return until when the past of an alarm can be compared, if values are only judged up to a time.

    What reaches beyond that time is left out, with all that follows: it is not known yet how it ends.
    """
    until = alarm.past_until
    if until <= judged_until:
        return until
    until = judged_until
    spans = [(one.raised, one.end) for one in alarm.occurrences]
    spans += [(one.start, one.end) for one in episodes(severity.base, severity.changes)]
    for start, end in sorted(spans, reverse=True):
        if start < until < end:
            until = start
    return until


def past_difference(alarm: AlarmHistory, severity: SeverityHistory, until: Instant) -> HistoryDifference:
    """Return the differences of the past of an alarm up to a time, which the stream does not correct.

    An occurrence that overlaps the last one was joined with it, so it is none of its own any more.
    """
    last = alarm.last
    stored = [
        one
        for one in alarm.occurrences
        if one is not last and one.returned is not None and severity.since < one.end
    ]
    if until < alarm.past_until:
        stored = [one for one in stored if one.end <= until]
    truth = [one for one in episodes(severity.base, severity.changes) if one.end <= until]
    return history_difference(stored, truth)


def amendments(
    difference: HistoryDifference, alarm: AlarmHistory, bound: BoundRule, model: CityModel, now: Instant
) -> list[AlarmEvent]:
    """Return the events that amend the past of an alarm; all are late, and none changes its present state.

    They have the revision of the alarm's newest event. Occurrences that are added have negative numbers.
    """
    if not alarm.events:
        return []
    newest = alarm.events[-1]
    number = min(0, *(event.occurrence for event in alarm.events))
    found: list[AlarmEvent] = []
    for occurrence in difference.false:
        found.append(_retracted(occurrence, now))
    for occurrence, episode in difference.changed:
        found.append(_reassessed(occurrence, episode, now))
    for episode in difference.missing:
        number -= 1
        added = Alarm(newest.alarm, bound.rule.id, bound.entity, occurrence=number - 1)
        added.apply_rule(bound.rule, newest.area)
        found += align_alarm(
            added,
            [episode],
            INSTANT_MIN,
            lambda change: explain(change, bound, model),
            StreamTime(now, 0),
        )
    return [_amended(event, newest.revision) for event in found]


def _amended(event: AlarmEvent, revision: int) -> AlarmEvent:
    return structs.replace(event, revision=revision, text="found in stored history")


def _retracted(occurrence: StoredOccurrence, now: Instant) -> AlarmEvent:
    return structs.replace(
        occurrence.last,
        kind="retracted",
        time=occurrence.raised,
        told_time=now,
        late=True,
        actor="",
        command="",
        state=str(AlarmState.NORMAL),
        active=False,
        raised_time=None,
        returned_time=occurrence.returned,
    )


def _reassessed(occurrence: StoredOccurrence, episode: Episode, now: Instant) -> AlarmEvent:
    is_known_start = episode.start != INSTANT_MIN
    worst = episode.worst if is_known_start else max(episode.worst, occurrence.worst)
    return structs.replace(
        occurrence.last,
        kind="reassessed",
        time=episode.end,
        told_time=now,
        late=True,
        actor="",
        command="",
        active=False,
        severity=Severity(worst),
        worst=Severity(worst),
        raised_time=episode.start if is_known_start else occurrence.raised,
        returned_time=episode.end,
    )


def stored_condition(
    bound: BoundRule,
    points: Mapping[OperandSeries, Sequence[Point]],
    alarm: AlarmHistory,
    baseline: Baseline | None,
    arrived_time: Instant,
) -> tuple[ConditionState, SeverityHistory] | None:
    """Return the state of a rule after the newest points of its operands; None if there are none.

    The severity before them is that of the alarm. The returned one reaches its last occurrence at least.
    """

    def severity_before(time: Instant) -> int:
        return stored_severity_at(alarm.occurrences, time - 1)

    reached = _condition_from_points(bound, points, severity_before, baseline, arrived_time)
    if reached is None:
        return None
    condition, severity = reached
    return condition, severity.reaching(alarm.past_until, condition, bound)


def _condition_from_points(
    bound: BoundRule,
    points: Mapping[OperandSeries, Sequence[Point]],
    severity_before: Callable[[Instant], int],
    baseline: Baseline | None,
    arrived_time: Instant,
) -> tuple[ConditionState, SeverityHistory] | None:
    merged = sorted(
        BufferedPoint(point.time, operand, point)
        for operand, series in enumerate(bound.series)
        for point in points.get(series, ())
    )
    if not merged:
        return None
    firsts: dict[int, Instant] = {}
    for one in merged:
        firsts.setdefault(one.operand, one.time)
    begin = max(firsts.values())
    warm = _warm_from(bound, merged, begin)
    condition, changes = ConditionState.from_history(
        bound,
        merged,
        KnownSeverity(begin, severity_before(begin)),
        KnownSeverity(warm, severity_before(warm)),
        baseline or Baseline(),
    )
    condition.arrived_time = arrived_time
    return condition, SeverityHistory(warm, severity_before(warm), tuple(changes))


def repaired_condition(
    bound: BoundRule,
    points: Mapping[OperandSeries, Sequence[Point]],
    alarm: AlarmHistory,
    severity: SeverityHistory,
    baseline: Baseline | None,
    *,
    now: Instant,
) -> tuple[ConditionState, SeverityHistory]:
    """Return the state of a rule after the newest points of its operands, by a severity evaluated anew.

    If all points were withdrawn, it is the state before the first one, with the severity of that evaluation.
    The returned severity reaches the alarm's last occurrence at least: points after the newest one may have
    been withdrawn, and what its delays had not yet told then became true as time passed.
    """

    def severity_before(time: Instant) -> int:
        if time <= severity.since:
            return stored_severity_at(alarm.occurrences, time - 1)
        return severity.severity_at(time - 1)

    reached = _condition_from_points(bound, points, severity_before, baseline, now)
    if reached is not None:
        condition, _ = reached
        return condition, severity.reaching(alarm.past_until, condition, bound)
    empty = ConditionState.initial(bound)
    empty.baseline, empty.arrived_time = baseline or Baseline(), now
    empty.resume(bound, severity.severity_at(INSTANT_MAX), INSTANT_MIN)
    return empty, severity


def _warm_from(bound: BoundRule, points: Sequence[BufferedPoint], begin: Instant) -> Instant:
    """Return when the delays and counts of an evaluation that begins at a time are the true ones."""
    times = [one.time for one in points if one.time >= begin]
    counted = bound.level_config.of
    if len(times) <= counted:
        return begin
    warm = max(times[counted], begin + _delays(bound))
    return warm if warm <= times[-1] else begin
