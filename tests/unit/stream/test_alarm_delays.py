"""The alarm stage and time: gaps between ticks, and delays that late points change."""

from __future__ import annotations

from msgspec import structs

from tests.support.cities.alarm_city import alarm_city, high_water_rule
from tests.support.pipelines.stage_pipeline import StagePipeline
from tests.unit.stream.test_alarm_stage import START, kinds, level
from twin.instant import MINUTE, SECOND


def test_a_gap_between_ticks_does_not_count_towards_a_delay() -> None:
    rule = structs.replace(high_water_rule(), off_delay=4 * MINUTE + 30 * SECOND)
    run = StagePipeline(alarm_city([rule]))
    run.observe(level(0, -0.2))
    run.observe(level(1, -0.5))
    run.observe(level(3.5, -0.5))  # no tick since: this point advances the clock
    assert kinds(run) == ["raised"]
    run.advance(START + 6 * MINUTE)
    assert kinds(run) == ["raised", "returned"]
    assert run.alarms[-1].time == START + 5 * MINUTE + 30 * SECOND


def test_a_late_point_restores_a_severity_that_eased_too_soon() -> None:
    rule = structs.replace(high_water_rule(), off_delay=2 * MINUTE)
    run = StagePipeline(alarm_city([rule]))
    run.observe(level(0, -0.2))
    for number in range(40):  # the point is settled by then
        run.observe(level(1 + number / 10, -0.2))
    run.observe(level(5, -0.35))
    run.observe(level(7, -0.35))
    worst = run.alarms[0].severity
    assert kinds(run) == ["raised", "eased"]
    run.observe(level(6, -0.2, received=7.1))
    assert kinds(run) == ["raised", "eased", "worsened"]
    assert run.alarms[-1].severity == worst
    assert run.alarms[-1].late
