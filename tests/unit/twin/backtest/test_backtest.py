"""Back-tests without a database: nights, differences between two rules, and bounds."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest

from tests.support.cities.alarm_city import alarm_city, high_water_rule
from twin.alarms.severity import Severity
from twin.alarms.statistics import Transition
from twin.backtest.backtest import FIRINGS_MAX, Backtest, BacktestHistory, BacktestResult, TooManyFiringsError
from twin.backtest.firing import compare_firings
from twin.backtest.history_chunk import HistoryChunk
from twin.backtest.night_calls import NightCalls, night_calls
from twin.backtest.readings import DatastreamReadings
from twin.instant import DAY, HOUR, MINUTE, Instant

MIDNIGHT: Instant = 1_767_571_200_000_000 - HOUR  # Monday 5 January 2026, 00:00 in Alkmaar


def transition(time: Instant, severity: Severity = Severity.MAJOR, kind: str = "raised") -> Transition:
    return Transition("r~e", "r", kind, time, time, severity, 1)


def test_a_night_begins_at_ten_and_ends_at_seven_by_local_time() -> None:
    transitions = [
        transition(MIDNIGHT + hours * HOUR + minutes * MINUTE)
        for hours, minutes in ((0, 0), (6, 59), (7, 0), (21, 59), (22, 0), (30, 59), (31, 0))
    ]
    found = night_calls(transitions, MIDNIGHT, MIDNIGHT + 2 * DAY, "Europe/Amsterdam", Severity.MINOR)
    assert found == [
        NightCalls(date(2026, 1, 4), 2),
        NightCalls(date(2026, 1, 5), 2),
        NightCalls(date(2026, 1, 6), 0),
    ]


def test_only_raised_alarms_of_the_least_severity_count_for_a_night() -> None:
    transitions = [
        transition(MIDNIGHT, Severity.WARNING),
        transition(MIDNIGHT, kind="returned"),
        transition(MIDNIGHT, kind="worsened"),
    ]
    found = night_calls(transitions, MIDNIGHT, MIDNIGHT + HOUR, "Europe/Amsterdam", Severity.MINOR)
    assert found == [NightCalls(date(2026, 1, 4), 1)]


def minutes(values: list[float]) -> HistoryChunk:
    times = MIDNIGHT + np.arange(len(values)) * MINUTE
    readings = DatastreamReadings(times, times, np.array(values), np.zeros(len(values), np.int64))
    return HistoryChunk(MIDNIGHT, MIDNIGHT + len(values) * MINUTE, {1: readings})


def result_of(values: list[float], *, firings_max: int = FIRINGS_MAX, **changes: object) -> BacktestResult:
    model = alarm_city()
    test = Backtest(high_water_rule(**changes), model, firings_max)
    chunk = minutes(values)
    BacktestHistory([test], model).on_chunk(chunk)
    return test.result(chunk.start, chunk.end, Severity.MINOR)


#            0     1      2      3     4      5     6     7      8
LEVELS = [-0.5, -0.38, -0.25, -0.5, -0.38, -0.5, -0.5, -0.38, -0.38]


def test_a_result_has_the_number_and_duration_of_firings() -> None:
    found = result_of(LEVELS)
    assert found.entities == 2
    assert [(one.raised - MIDNIGHT) // MINUTE for one in found.firings] == [1, 4, 7]
    assert [one.severity for one in found.firings] == [Severity.MAJOR, Severity.MINOR, Severity.MINOR]
    assert [(one.entity, one.firings, one.active, one.longest) for one in found.by_entity] == [
        ("canal", 3, 5 * MINUTE, 2 * MINUTE)
    ]
    assert found.firings[-1].returned is None
    assert found.statistics.annunciated == 4
    assert found.nights == (NightCalls(date(2026, 1, 4), 4),)


def test_a_changed_delay_shows_in_the_difference() -> None:
    before, after = result_of(LEVELS), result_of(LEVELS, on_delay=MINUTE)
    found = compare_firings(before.firings, after.firings)
    assert not found.added
    assert [(one.raised - MIDNIGHT) // MINUTE for one in found.removed] == [4]
    assert [
        ((change.before.raised - MIDNIGHT) // MINUTE, (change.after.raised - MIDNIGHT) // MINUTE)
        for change in found.changed
    ] == [(1, 2), (7, 8)]
    assert found.unchanged == 0
    back = compare_firings(after.firings, before.firings)
    assert [(one.raised - MIDNIGHT) // MINUTE for one in back.added] == [4]
    assert compare_firings(before.firings, before.firings).unchanged == 3


def test_a_rule_that_fires_too_often_is_stopped() -> None:
    with pytest.raises(TooManyFiringsError, match="high-water fires more than 2 times"):
        result_of(LEVELS, firings_max=2)


def test_a_fault_of_a_rule_is_reported_for_each_entity() -> None:
    condition = msgspec.structs.replace(high_water_rule().condition, relative_to="dangerLevel")
    test = Backtest(high_water_rule(condition=condition), alarm_city())
    found = test.result(MIDNIGHT, MIDNIGHT + HOUR, Severity.MINOR)
    assert list(found.errors) == ["polder"]
    assert "dangerLevel" in found.errors["polder"]
