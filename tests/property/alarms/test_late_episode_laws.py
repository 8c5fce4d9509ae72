"""Laws of late episodes: in any order of arrival, with repairs and restarts, history equals the back-test."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.alarms.alarm_content import AlarmContent
from stream.alarms.entity_alarms import EntityAlarms, EvaluationContext
from tests.support.cities.alarm_city import LIVE_FOR, alarm_city, high_water_rule, point
from twin.alarms.alarm import Alarm, StreamTime
from twin.alarms.evaluation.alarm_correction import AlarmCorrection, AlarmRepair
from twin.alarms.evaluation.shared_dependency import SharedDependencies
from twin.alarms.messages import AlarmEvent, SeriesPoints, alarm_id
from twin.alarms.rules.operand import Operand, OperandSeries, Point
from twin.alarms.rules.rule import Level, NOfM, Rate, Rule, ThresholdCondition
from twin.alarms.rules.rule_index import RuleIndex
from twin.alarms.severity import Severity
from twin.backtest.condition_history import (
    AlarmHistory,
    RuleHistory,
    amendments,
    correction_of,
    evaluation_start,
    past_difference,
    repaired_condition,
    state_span,
    stored_condition,
)
from twin.backtest.condition_replay import ConditionReplay
from twin.backtest.firing import firings_of
from twin.backtest.point_column import PointColumn
from twin.instant import HOUR, MINUTE, SECOND, Instant
from twin.quality.quality_flags import QualityFlag

START = 1_767_225_600_000_000


def water_rule(**changes: object) -> Rule:
    known: dict[str, object] = {
        "operand": Operand("water_level"),
        "direction": "above",
        "levels": (Level(Severity.MINOR, 0.10, 0.06), Level(Severity.MAJOR, 0.20, 0.18)),
        "relative_to": "targetLevel",
    }
    return high_water_rule(condition=ThresholdCondition(**{**known, **changes}))  # type: ignore[arg-type]


RULES = [
    high_water_rule(),
    high_water_rule(on_delay=90 * SECOND, off_delay=3 * MINUTE),
    high_water_rule(on_delay=5 * MINUTE),
    water_rule(levels=(Level(Severity.MINOR, 0.10, 0.06),), times=NOfM(3, 5)),
    water_rule(levels=(Level(Severity.MINOR, 0.5, 0.2),), relative_to="", transform=Rate(HOUR, 10 * MINUTE)),
]


class LateRun:
    """A rule on one entity: the live evaluation, the stored points and events, and repairs."""

    def __init__(self, rule: Rule) -> None:
        self.model = alarm_city([rule])
        self.index = RuleIndex(self.model)
        self.bound = self.index.rules_of("canal").rules[rule.id]
        (self.series,) = self.bound.series
        self.content = AlarmContent()
        self.points: dict[Instant, Point] = {}
        self.unstored: set[Instant] = set()  # times of points that are on their way to storage
        self.unjudged: set[Instant] = set()  # times of points whose verdicts are
        #: (revision, amendment) and event
        self.events: list[tuple[tuple[int, int], AlarmEvent]] = []
        self.repairs: list[AlarmRepair] = []
        self.has_changes = False  # whether storage has changed points since the last repair
        self.now = START

    def _alarms(self) -> EntityAlarms:
        self.now += SECOND
        context = EvaluationContext(
            self.index, SharedDependencies(self.model), AlarmContent(), StreamTime(self.now, self.now)
        )
        return EntityAlarms("canal", self.content, context)

    def arrive(self, *points: Point) -> None:
        for one in points:
            if one.is_withdrawn:
                self.points.pop(one.time, None)
            else:
                self.points[one.time] = one
        alarms = self._alarms()
        self._store(alarms, alarms.on_points(SeriesPoints(self.series, self.now, points), self.now))

    def repair_points(self, *points: Point) -> None:
        """Let storage change points that the log does not send again, and repair what follows from them."""
        for one in points:
            if one.is_withdrawn:
                self.points.pop(one.time, None)
            else:
                self.points[one.time] = one
        self.repairs += [AlarmRepair(self.bound.rule.id, "canal", one.time) for one in points]
        self.has_changes = True

    def _store(self, alarms: EntityAlarms, events: Sequence[AlarmEvent]) -> None:
        self.events += [((event.revision, 0), event) for event in events]
        self.repairs += alarms.repairs

    def history(self) -> AlarmHistory:
        self.events.sort(key=lambda one: one[0])
        return AlarmHistory.of([event for _, event in self.events])

    def repair(self) -> None:
        """Process requests until there is none."""
        rounds = 0
        while self.repairs:
            rounds += 1
            assert rounds < 20, "repairs do not end"
            start = min(one.time for one in self.repairs)
            self.repairs = []
            self._repair(start)
            self.unstored, self.unjudged = set(), set()  # the next request waits until all is stored

    def _repair(self, start: Instant) -> None:
        alarm = self.history()
        points = self._stored_points()
        newest = points[-1].time if points else start
        first = evaluation_start(self.bound, alarm.occurrences, min(start, newest), self.model)
        replay = RuleHistory(self.bound, self.model, alarm.occurrences, first)
        stored = [one for one in points if one.time >= replay.begin]
        replay.on_columns({self.series: PointColumn.from_points([one for one in stored if one.time < first])})
        replay.finish_warm_up()
        replay.on_columns(
            {self.series: PointColumn.from_points([one for one in stored if one.time >= first])}
        )
        severity = replay.severity(newest)
        condition, severity = repaired_condition(
            self.bound, self._newest_points(), alarm, severity, None, now=self.now
        )
        added = amendments(
            past_difference(alarm, severity, alarm.past_until), alarm, self.bound, self.model, self.now
        )
        if added:
            revision, known = self.events[-1][0]
            self.events += [((revision, number), event) for number, event in enumerate(added, known + 1)]
        correction = correction_of(self.bound, alarm, severity, condition)
        has_changes, self.has_changes = self.has_changes, False
        self._correct(correction._replace(has_changes=has_changes))

    def _stored_points(self) -> list[Point]:
        stored = [self.points[time] for time in sorted(self.points) if time not in self.unstored]
        return [one._replace(flags=0) if one.time in self.unjudged else one for one in stored]

    def _newest_points(self) -> dict[OperandSeries, list[Point]]:
        points = self._stored_points()
        start = points[-1].time - state_span(self.bound, self.series, self.model) if points else 0
        return {self.series: [one for one in points if one.time >= start]}

    def _correct(self, correction: AlarmCorrection) -> None:
        alarms = self._alarms()
        self._store(alarms, alarms.on_correction(correction))

    def pass_time(self) -> None:
        """Let the clock of the log pass until every value is outdated."""
        self.now += HOUR
        alarms = self._alarms()
        self._store(alarms, alarms.on_time())

    def restart(self) -> None:
        """Forget everything but what is stored."""
        self.content, self.repairs = AlarmContent(), []
        alarm = self.history()
        id = alarm_id(self.bound.rule.id, "canal")
        newest = max((one for one in self.events if not one[0][1]), key=lambda one: one[0], default=None)
        if newest is not None:
            self.content.alarms[id] = Alarm.from_event(newest[1])
        reached = stored_condition(self.bound, self._newest_points(), alarm, None, self.now)
        if reached is not None:
            self._correct(correction_of(self.bound, alarm, reached[1], reached[0]))

    def episodes(self) -> list[tuple[Instant, Instant | None, int]]:
        self.events.sort(key=lambda one: one[0])
        found = firings_of(event for _, event in self.events)
        return sorted(
            ((one.raised, one.returned, int(one.severity)) for one in found), key=lambda one: one[0]
        )

    def backtest(self) -> list[tuple[Instant, Instant | None, int]]:
        replay = ConditionReplay.initial(self.bound, self.model)
        stored = [self.points[time] for time in sorted(self.points)]
        replay.on_columns([PointColumn.from_points(stored)])
        if stored:
            replay.end(stored[-1].time + HOUR)
        return [(one.raised, one.returned, int(one.severity)) for one in replay.firings()]


VALUES = [-0.5, -0.43, -0.41, -0.39, -0.31, -0.29]

days = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(VALUES),
        st.sampled_from([0] * 9 + [int(QualityFlag.SPIKE)]),
        st.sampled_from([LIVE_FOR, LIVE_FOR, MINUTE]),
    ),
    min_size=40,
    max_size=160,
)


def points_of(day: list[tuple[int, float, int, int]]) -> list[Point]:
    """Return points that follow each other by half a minute to two minutes."""
    found, time = [], START
    for step, value, flags, live in day:
        time += (step + 1) * MINUTE // 2
        found.append(point(time, value, flags, live))
    return found


@given(st.sampled_from(RULES), days, st.data())
@settings(max_examples=60, deadline=None)
def test_any_order_with_repairs_has_the_episodes_of_the_back_test(
    rule: Rule, day: list[tuple[int, float, int, int]], data: st.DataObject
) -> None:
    points = points_of(day)
    first = data.draw(st.integers(0, len(points)))
    last = data.draw(st.integers(first, len(points)))
    is_repaired_before = data.draw(st.booleans())
    run = LateRun(rule)
    for one in (*points[:first], *points[last:]):
        run.arrive(one)
    if is_repaired_before:
        run.repair()
    late = points[first:last]
    order = data.draw(st.sampled_from(["together", "one by one", "backwards"]))
    if order == "together" and late:
        run.arrive(*late)
    else:
        for one in late if order == "one by one" else reversed(late):
            run.arrive(one)
    run.pass_time()
    run.repair()
    assert run.episodes() == run.backtest()


def drawn_change(data: st.DataObject, time: Instant) -> Point:
    """Return a point of this time that is withdrawn or has another value, perhaps a doubtful one."""
    if data.draw(st.booleans()):
        return Point.withdrawn(time)
    return point(
        time, data.draw(st.sampled_from(VALUES)), data.draw(st.sampled_from([0, int(QualityFlag.SPIKE)]))
    )


@given(st.sampled_from(RULES), days, st.data())
@settings(max_examples=60, deadline=None)
def test_corrections_and_withdrawals_end_in_the_episodes_of_the_back_test(
    rule: Rule, day: list[tuple[int, float, int, int]], data: st.DataObject
) -> None:
    points = points_of(day)
    run = LateRun(rule)
    for one in points:
        run.arrive(one)
    for index in data.draw(st.lists(st.integers(0, len(points) - 1), max_size=12)):
        time = points[index].time
        run.arrive(drawn_change(data, time))
        if data.draw(st.booleans()):
            run.repair()
    run.pass_time()
    run.repair()
    assert run.episodes() == run.backtest()


@given(st.sampled_from(RULES), days, st.data())
@settings(max_examples=60, deadline=None)
def test_what_storage_changes_behind_the_log_ends_in_the_episodes_of_the_back_test(
    rule: Rule, day: list[tuple[int, float, int, int]], data: st.DataObject
) -> None:
    points = points_of(day)
    run = LateRun(rule)
    for one in points:
        run.arrive(one)
    for back in data.draw(st.lists(st.integers(1, 39), min_size=1, max_size=6)):
        count = data.draw(st.integers(1, back))
        changed = [drawn_change(data, one.time) for one in points[-back:][:count]]
        if data.draw(st.booleans()):
            is_open = bool(run.repairs)
            run.arrive(*changed)
            if data.draw(st.booleans()):
                run.unstored = {one.time for one in points[-data.draw(st.integers(1, 5)) :]}
            if is_open and data.draw(st.booleans()):
                run.unjudged |= {one.time for one in changed}
        else:
            run.repair_points(*changed)
        if data.draw(st.booleans()):
            run.repair()
    run.pass_time()
    run.repair()
    run.pass_time()  # a delay may end that only the repair has found
    assert run.repairs == []
    assert run.episodes() == run.backtest()


@given(st.sampled_from(RULES), days, st.sets(st.integers(0, 160), max_size=10))
@settings(max_examples=60, deadline=None)
def test_restarts_change_no_episode(
    rule: Rule, day: list[tuple[int, float, int, int]], restarts: set[int]
) -> None:
    run = LateRun(rule)
    for number, one in enumerate(points_of(day)):
        if number in restarts:
            run.restart()
        run.arrive(one)
    run.pass_time()
    assert run.repairs == []
    assert run.episodes() == run.backtest()


def test_a_repair_ends_when_all_points_up_to_the_settled_ones_were_withdrawn() -> None:
    run = LateRun(high_water_rule())
    for minute in range(100):
        run.arrive(point(START + minute * MINUTE, -0.2 if minute > 20 else -0.5))
    for minute in range(15, 100):  # a sensor is found stuck from its first value on
        run.arrive(Point.withdrawn(START + minute * MINUTE))
    run.repair()
    assert run.episodes() == run.backtest() == []
    run.arrive(point(START + 101 * MINUTE, -0.2))
    run.repair()
    assert run.episodes() == run.backtest()


def test_a_repair_retracts_the_episode_of_an_alarm_whose_points_were_all_withdrawn() -> None:
    run = LateRun(high_water_rule())
    for minute in range(50):
        run.arrive(point(START + minute * MINUTE, -0.2))
    for minute in range(50):
        run.arrive(Point.withdrawn(START + minute * MINUTE))
    run.pass_time()
    run.repair()
    assert run.episodes() == run.backtest() == []
    for minute in range(51, 60):
        run.arrive(point(START + minute * MINUTE, -0.5 if minute < 55 else -0.2))
    assert run.repairs == []
    assert run.episodes() == run.backtest() != []


@pytest.mark.parametrize("kept", [0, 2, 45])
def test_storage_may_withdraw_the_newest_points_of_an_alarm(kept: int) -> None:
    """All values of a sensor are found stuck, also those that the stream has forgotten."""
    run = LateRun(high_water_rule())
    for minute in range(50):
        run.arrive(point(START + minute * MINUTE, -0.2 if minute > 15 else -0.5))
    run.repair_points(*(Point.withdrawn(START + minute * MINUTE) for minute in range(kept, 50)))
    run.pass_time()
    run.repair()
    assert run.episodes() == run.backtest()
    assert bool(run.episodes()) == (kept > 15)


def test_storage_may_withdraw_a_point_that_came_after_an_open_request() -> None:
    """A request of the stage and that for the changed points are one repair, which lacks the newest point."""
    run = LateRun(high_water_rule())
    for minute in range(50):
        run.arrive(point(START + minute * MINUTE, -0.5))
    run.arrive(point(START + 30 * SECOND, -0.2))  # too late for the stage, which requests a repair
    run.arrive(point(START + 50 * MINUTE, -0.2))
    run.repair_points(Point.withdrawn(START + 50 * MINUTE))
    run.repair()
    assert [start for start, _, _ in run.episodes()] == [START + 30 * SECOND]
    assert run.episodes() == run.backtest()


def test_storage_may_lack_the_verdicts_of_late_points_that_the_stage_has_settled() -> None:
    """They came after the request, and storage answers it without their verdicts."""
    run = LateRun(high_water_rule())
    doubtful = {START + minute * MINUTE for minute in range(30, 34)}
    times = [START + minute * MINUTE for minute in range(76)]
    in_time = [point(time, -0.2) for time in times if time not in doubtful]
    run.arrive(*in_time[:56])
    run.arrive(point(START + 30 * SECOND, -0.2))  # too late for the stage, which requests a repair
    run.arrive(*(point(time, -0.5, int(QualityFlag.SPIKE)) for time in sorted(doubtful)))
    run.arrive(*in_time[56:])
    run.unjudged = set(doubtful)
    run.repair()
    assert run.episodes() == run.backtest()
    assert [event.kind for (_, amendment), event in run.events if not amendment] == ["raised"]


def test_storage_may_bring_back_the_newest_points_of_an_alarm_that_the_log_has_withdrawn() -> None:
    """After a lost log an area withdraws its points, until storage has computed them again."""
    run = LateRun(high_water_rule())
    points = [point(START + minute * MINUTE, -0.2 if 15 < minute < 30 else -0.5) for minute in range(50)]
    for one in points[:20]:
        run.arrive(one)
    run.arrive(*(Point.withdrawn(one.time) for one in points[20:]))
    run.repair_points(*points[20:])
    run.repair()
    run.arrive(point(START + 50 * MINUTE, -0.2))
    assert run.repairs == []
    assert run.episodes() == run.backtest()
    assert len(run.episodes()) == 2


def test_a_repair_keeps_the_points_that_are_on_their_way_to_storage() -> None:
    run = LateRun(high_water_rule())
    for minute in range(50):
        run.arrive(point(START + minute * MINUTE, -0.2 if minute > 45 else -0.5))
    run.unstored = {START + minute * MINUTE for minute in range(45, 50)}
    run.repair_points(point(START + MINUTE, -0.3))
    run.repair()
    assert run.episodes() == run.backtest()
    assert [event.kind for (_, amendment), event in run.events if not amendment] == ["raised"]


def test_a_repair_keeps_an_alarm_that_the_passing_of_time_has_raised() -> None:
    rule = high_water_rule(on_delay=5 * MINUTE)
    day = [(0, -0.5, 0, LIVE_FOR)] * 35 + [(0, -0.39, 0, LIVE_FOR)] * 5
    first, *others = points_of(day)
    run = LateRun(rule)
    for one in others:
        run.arrive(one)
    run.arrive(first)
    run.pass_time()
    raised = run.episodes()
    run.repair()
    assert raised == run.episodes() == run.backtest()
    assert [event.kind for _, event in run.events] == ["raised"]


def test_a_repair_that_begins_after_the_last_episode_does_not_raise_it_again() -> None:
    values = [-0.5] * 36 + [-0.39] + [-0.5] * 3
    points = points_of([(0, value, 0, LIVE_FOR) for value in values])
    run = LateRun(high_water_rule())
    for one in points:
        run.arrive(one)
    run.repair_points(points[-2])
    run.repair()
    assert run.episodes() == run.backtest()


def test_a_repair_keeps_the_delay_that_began_before_the_points_that_storage_has_changed() -> None:
    """Storage has computed a point of an area that the stream has not rolled up yet."""
    run = LateRun(high_water_rule(on_delay=5 * MINUTE))
    first, ahead, later = (point(START + minute * MINUTE, -0.39, 0, 25 * MINUTE) for minute in (0, 10, 20))
    run.arrive(first)
    run.repair_points(ahead)
    run.repair()
    run.arrive(ahead)
    run.arrive(later)
    assert run.repairs == []
    assert run.episodes() == run.backtest() != []
