"""The law of a replay: it is the course of its points, however history is cut and whatever is passed over."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.alarm_cities import INTERVAL, LIVE, alarm_city, bound, high_water, point
from twin.alarms.binding import BoundRule
from twin.alarms.column import Column
from twin.alarms.course import Course
from twin.alarms.following import episodes
from twin.alarms.operand import Operand, Point
from twin.alarms.progress import Shift
from twin.alarms.replay import Replay
from twin.alarms.rule import Deviation, Level, Rate, Rule, Threshold, Times, Worth
from twin.alarms.schedule import Interval, Schedule
from twin.alarms.severity import Severity
from twin.instant import DAY, HOUR, INSTANT_MAX, MINUTE, Instant
from twin.quality import QualityFlag

MODEL = alarm_city()
START: Instant = 1_767_571_200_000_000  # Monday 5 January 2026, 00:00 UTC


def over(*levels: Level, **changes: object) -> Threshold:
    known: dict[str, object] = {
        "operand": Operand("water_level"),
        "direction": "above",
        "levels": levels,
        "relative_to": "targetLevel",
    }
    return Threshold(**{**known, **changes})  # type: ignore[arg-type]


LEVELS = (Level(Severity.MINOR, 0.1, 0.08), Level(Severity.MAJOR, 0.2, 0.05))
RULES: dict[str, Rule] = {
    "plain": high_water(),
    "delayed": high_water(on_delay=2 * MINUTE, off_delay=3 * MINUTE),
    "low": high_water(condition=over(Level(Severity.MINOR, 0.05, 0.1), direction="below")),
    "often": high_water(condition=over(*LEVELS, times=Times(2, 4)), off_delay=MINUTE),
    "any": high_water(quality="any"),
    "poor": high_water(condition=over(Level(Severity.MINOR, 1, 0), relative_to="", transform=Worth())),
    "rate": high_water(
        condition=over(Level(Severity.MINOR, 0.3, 0.1), relative_to="", transform=Rate(HOUR, 10 * MINUTE))
    ),
    "sometimes": high_water(schedule=Schedule((Interval((0,), 70, 90),))),
    "until": high_water(end=START + 40 * MINUTE),
}

histories = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 7]),
        st.sampled_from([-0.5, -0.5, -0.43, -0.41, -0.39, -0.31, -0.29]),
        st.sampled_from([0, 0, 0, int(QualityFlag.SPIKE), int(QualityFlag.ESTIMATED)]),
        st.sampled_from([LIVE, MINUTE]),
    ),
    max_size=80,
)


def points_of(history: list[tuple[int, float, int, int]]) -> list[Point]:
    found: list[Point] = []
    time = START
    for minutes, value, flags, live in history:
        time += minutes * MINUTE
        found.append(point(time, value, flags, live))
    return found


def by_course(rule: BoundRule, points: list[Point], end: Instant) -> list[tuple[Instant, Instant]]:
    """Return when something was wrong, as the evaluator of the live log has it."""
    course = Course.begun(rule)
    shifts: list[Shift] = []
    for one in points:
        change = course.take(0, [one], rule, one.time)
        if change is not None:
            shifts += change.after[len(change.before) :]
    change = course.advance(rule, end)
    if change is not None:
        shifts += change.after[len(change.before) :]
    return [(one.start, one.end) for one in episodes(0, shifts)]


def by_replay(
    rule: BoundRule, points: list[Point], end: Instant, cuts: list[int]
) -> list[tuple[Instant, Instant]]:
    replay = Replay.begun(rule, MODEL)
    for start, stop in pairwise([0, *sorted(cuts), len(points)]):
        replay.take([Column.of(points[start:stop])])
    replay.end(end)
    return [(one.raised, one.returned or INSTANT_MAX) for one in replay.firings()]


@pytest.mark.parametrize("name", RULES)
@given(history=histories, data=st.data())
@settings(max_examples=60)
def test_a_replay_is_the_course_of_the_same_points(
    name: str, history: list[tuple[int, float, int, int]], data: st.DataObject
) -> None:
    points = points_of(history)
    cuts = data.draw(st.lists(st.integers(0, len(points)), max_size=3))
    end = (points[-1].time if points else START) + HOUR
    rule = bound(RULES[name])
    assert by_replay(rule, points, end, cuts) == by_course(rule, points, end)


def test_what_is_usual_is_learned_as_on_the_live_log() -> None:
    rule = bound(
        high_water(
            condition=over(Level(Severity.MINOR, 0.15, 0.1), relative_to="", transform=Deviation("absolute"))
        )
    )
    dice = random.Random(3)
    points = [
        point(START + hour * HOUR, -0.5 + 0.1 * (hour % 24 > 12) + dice.gauss(0, 0.05), 0, 3 * HOUR)
        for hour in range(6 * 7 * 24)
    ]
    end = START + 43 * DAY
    found = by_replay(rule, points, end, [100, 700])
    assert found
    assert found == by_course(rule, points, end)


def test_a_replay_makes_few_points_where_little_happens() -> None:
    made: list[int] = []
    points = [point(START + minute * MINUTE, -0.5 + (minute == 700)) for minute in range(1440)]
    column = Column.of(points)

    def count(place: int) -> Point:
        made.append(place)
        return points[place]

    replay = Replay.begun(bound(high_water()), MODEL)
    replay.take([Column(column.times, column.values, column.flags, count)])
    assert made == [700, 701]
    assert [one.peak for one in replay.firings()] == [0.5]


def test_the_peak_of_a_firing_is_found_across_stretches() -> None:
    values = [-0.5, -0.38, -0.35, -0.31, -0.36, -0.5, -0.39, -0.5]
    points = [point(START + place * INTERVAL, value) for place, value in enumerate(values)]
    for cut in range(len(points) + 1):
        replay = Replay.begun(bound(high_water()), MODEL)
        replay.take([Column.of(points[:cut])])
        replay.take([Column.of(points[cut:])])
        assert [one.peak for one in replay.firings()] == [-0.31, -0.39]
