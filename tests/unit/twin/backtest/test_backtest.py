"""Back-tests without a database: nights, what differs between two rules, and bounds."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np
import pytest

from tests.support.cities.alarm_city import alarm_city, high_water_rule
from twin.alarms.severity import Severity
from twin.alarms.statistics import Transition
from twin.backtest import backtest
from twin.backtest.backtest import Backtest, BacktestHistory, BacktestResult, TooManyFiringsError
from twin.backtest.firing import compare_firings
from twin.backtest.history_chunk import HistoryChunk
from twin.backtest.night_calls import NightCalls, night_calls
from twin.backtest.readings import DatastreamReadings
from twin.instant import DAY, HOUR, MINUTE, Instant

MIDNIGHT: Instant = 1_767_571_200_000_000 - HOUR  # Monday 5 January 2026, 00:00 in Alkmaar


def told(time: Instant, severity: Severity = Severity.MAJOR, kind: str = "raised") -> Transition:
    return Transition("r~e", "r", kind, time, time, severity, 1)


def test_a_night_begins_at_ten_and_ends_at_seven_by_local_time() -> None:
    transitions = [
        told(MIDNIGHT + hours * HOUR + minutes * MINUTE)
        for hours, minutes in ((0, 0), (6, 59), (7, 0), (21, 59), (22, 0), (30, 59), (31, 0))
    ]
    found = night_calls(transitions, MIDNIGHT, MIDNIGHT + 2 * DAY, "Europe/Amsterdam", Severity.MINOR)
    assert found == [
        NightCalls(date(2026, 1, 4), 2),
        NightCalls(date(2026, 1, 5), 2),
        NightCalls(date(2026, 1, 6), 0),
    ]


def test_only_what_is_told_and_bad_enough_counts_for_a_night() -> None:
    transitions = [
        told(MIDNIGHT, Severity.WARNING),
        told(MIDNIGHT, kind="returned"),
        told(MIDNIGHT, kind="worsened"),
    ]
    found = night_calls(transitions, MIDNIGHT, MIDNIGHT + HOUR, "Europe/Amsterdam", Severity.MINOR)
    assert found == [NightCalls(date(2026, 1, 4), 1)]


def minutes(values: list[float]) -> HistoryChunk:
    times = MIDNIGHT + np.arange(len(values)) * MINUTE
    readings = DatastreamReadings(times, times, np.array(values), np.zeros(len(values), np.int64))
    return HistoryChunk(MIDNIGHT, MIDNIGHT + len(values) * MINUTE, {1: readings})


def findings_of(values: list[float], **changes: object) -> BacktestResult:
    model = alarm_city()
    test = Backtest(high_water_rule(**changes), model)
    stretch = minutes(values)
    BacktestHistory([test], model).on_chunk(stretch)
    return test.result(stretch.start, stretch.end, Severity.MINOR)


#            0     1      2      3     4      5     6     7      8
LEVELS = [-0.5, -0.38, -0.25, -0.5, -0.38, -0.5, -0.5, -0.38, -0.38]


def test_findings_say_how_often_and_for_how_long() -> None:
    found = findings_of(LEVELS)
    assert found.entities == 2
    assert [(one.raised - MIDNIGHT) // MINUTE for one in found.firings] == [1, 4, 7]
    assert [one.severity for one in found.firings] == [Severity.MAJOR, Severity.MINOR, Severity.MINOR]
    assert [(one.entity, one.firings, one.active, one.longest) for one in found.by_entity] == [
        ("canal", 3, 5 * MINUTE, 2 * MINUTE)
    ]
    assert found.firings[-1].returned is None
    assert found.statistics.annunciated == 4
    assert found.nights == (NightCalls(date(2026, 1, 4), 4),)


def test_what_a_delay_changes_is_told() -> None:
    before, after = findings_of(LEVELS), findings_of(LEVELS, on_delay=MINUTE)
    found = compare_firings(before.firings, after.firings)
    assert not found.added
    assert [(one.raised - MIDNIGHT) // MINUTE for one in found.removed] == [4]
    assert [
        ((one.before.raised - MIDNIGHT) // MINUTE, (one.after.raised - MIDNIGHT) // MINUTE)
        for one in found.changed
    ] == [(1, 2), (7, 8)]
    assert found.unchanged == 0
    back = compare_firings(after.firings, before.firings)
    assert [(one.raised - MIDNIGHT) // MINUTE for one in back.added] == [4]
    assert compare_firings(before.firings, before.firings).unchanged == 3


def test_a_rule_that_fires_all_the_time_is_not_followed_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "FIRINGS_MAX", 2)
    with pytest.raises(TooManyFiringsError, match="high-water fires more than 2 times"):
        findings_of(LEVELS)


def test_a_fault_of_a_rule_is_told_for_each_entity() -> None:
    condition = msgspec.structs.replace(high_water_rule().condition, relative_to="dangerLevel")
    test = Backtest(high_water_rule(condition=condition), alarm_city())
    found = test.result(MIDNIGHT, MIDNIGHT + HOUR, Severity.MINOR)
    assert list(found.errors) == ["polder"]
    assert "dangerLevel" in found.errors["polder"]
