"""Dated air-quality thresholds, and what exceeds them."""

from __future__ import annotations

import pytest

from twin.indicators import eaqi, lki
from twin.indicators.air_thresholds import (
    DIRECTIVE_2008,
    DIRECTIVE_2024,
    RIVM_PRACTICE,
    RULE_SETS,
    SWITCH,
    WHO_2021,
    RuleSet,
    rule_set_at,
)
from twin.indicators.exceedance import exceedances
from twin.indicators.running_mean import TimeMean
from twin.instant import DAY, HOUR, Instant, format_instant, parse_instant

BEFORE = parse_instant("2026-06-01T00:00:00+02:00")
AFTER = parse_instant("2027-01-01T00:00:00+01:00")


def series(start: Instant, *means: float, step: int = HOUR) -> list[TimeMean]:
    return [TimeMean(start + number * step, mean) for number, mean in enumerate(means)]


def kinds(
    rules: RuleSet,
    pollutant: str,
    start: Instant,
    hourly: tuple[float, ...] = (),
    daily: tuple[float, ...] = (),
) -> list[str]:
    found = exceedances(
        rules,
        {pollutant: series(start, *hourly)},
        {pollutant: series(start, *daily, step=DAY)},
    )
    return [f"{one.threshold.kind} {one.threshold.averaging} {one.threshold.level:g}" for one in found]


def test_the_new_directive_holds_from_12_december_2026_by_dutch_time() -> None:
    assert format_instant(SWITCH) == "2026-12-11T23:00:00Z"
    assert rule_set_at(SWITCH - 1) is DIRECTIVE_2008
    assert rule_set_at(SWITCH) is DIRECTIVE_2024
    assert DIRECTIVE_2008.end == DIRECTIVE_2024.start == SWITCH


def test_the_same_hour_is_judged_by_the_rules_of_its_day() -> None:
    assert kinds(DIRECTIVE_2008, "no2", BEFORE, hourly=(160,)) == []
    assert kinds(DIRECTIVE_2024, "no2", AFTER, hourly=(160,)) == ["information hour 150"]
    assert kinds(DIRECTIVE_2008, "no2", AFTER, hourly=(500, 500, 500)) == []
    assert kinds(DIRECTIVE_2024, "no2", BEFORE, hourly=(500, 500, 500)) == []


@pytest.mark.parametrize("rules", [DIRECTIVE_2008, DIRECTIVE_2024])
def test_ozone_informs_above_180_and_alerts_above_240(rules: RuleSet) -> None:
    start = BEFORE if rules is DIRECTIVE_2008 else AFTER
    assert kinds(rules, "o3", start, hourly=(180,)) == []
    assert kinds(rules, "o3", start, hourly=(180.1,)) == ["information hour 180"]
    assert kinds(rules, "o3", start, hourly=(240.1,)) == ["information hour 180", "alert hour 240"]


def test_rivm_counts_the_level_itself() -> None:
    assert kinds(RIVM_PRACTICE, "o3", BEFORE, hourly=(180,)) == ["information hour 180"]
    assert kinds(RIVM_PRACTICE, "o3", BEFORE, hourly=(240, 240)) == ["information hour 180"]
    assert kinds(RIVM_PRACTICE, "o3", BEFORE, hourly=(240, 240, 240))[1:] == ["alert hour 240"]


def test_consecutive_hours_must_follow_each_other() -> None:
    high = "alert hour 200"
    assert high not in kinds(DIRECTIVE_2024, "no2", AFTER, hourly=(210, 210))
    assert high in kinds(DIRECTIVE_2024, "no2", AFTER, hourly=(210, 210, 210))
    assert high not in kinds(DIRECTIVE_2024, "no2", AFTER, hourly=(210, 210, 200, 210))
    gap = [*series(AFTER, 210, 210), *series(AFTER + 3 * HOUR, 210, 210)]
    assert all(one.threshold.kind != "alert" for one in exceedances(DIRECTIVE_2024, {"no2": gap}, {}))


def test_an_hour_that_was_hardly_measured_breaks_the_stretch() -> None:
    hours = series(AFTER, 210, 210, 210, 210)
    hours[1] = hours[1]._replace(coverage=0.5)
    found = exceedances(DIRECTIVE_2024, {"no2": hours}, {})
    assert [(one.threshold.kind, one.means) for one in found] == [("information", 1), ("information", 2)]


def test_an_exceedance_tells_when_how_long_and_how_high() -> None:
    [found] = exceedances(DIRECTIVE_2024, {"so2": series(AFTER, 270, 280, 300, 290, 100)}, {})
    assert (found.first, found.last) == (AFTER + HOUR, AFTER + 3 * HOUR)
    assert (found.means, found.peak) == (3, 300)
    assert found.threshold.source.startswith("Directive (EU) 2024/2881")


def test_particulate_matter_informs_on_a_day_and_alerts_on_three_in_a_row() -> None:
    assert kinds(DIRECTIVE_2024, "pm10", AFTER, daily=(90, 91)) == ["information day 90"]
    assert kinds(DIRECTIVE_2024, "pm10", AFTER, daily=(91, 92, 93)) == [
        "information day 90",
        "alert day 90",
    ]


def test_days_of_23_and_25_hours_follow_each_other() -> None:
    october = [parse_instant(f"2027-10-{day}") for day in ("30T00:00:00+02:00", "31T00:00:00+02:00")]
    november = parse_instant("2027-11-01T00:00:00+01:00")
    days = [TimeMean(start, 95.0) for start in (*october, november)]
    assert any(one.threshold.kind == "alert" for one in exceedances(DIRECTIVE_2024, {}, {"pm10": days}))


def test_smog_by_the_day_mean_of_pm10_before_the_switch() -> None:
    assert kinds(DIRECTIVE_2008, "pm10", BEFORE, daily=(50,)) == []
    assert kinds(DIRECTIVE_2008, "pm10", BEFORE, daily=(60,)) == ["information day 50"]
    assert kinds(DIRECTIVE_2008, "pm10", BEFORE, daily=(201,)) == ["information day 50", "alert day 200"]


def test_rivm_judges_pm10_by_the_running_day() -> None:
    assert kinds(RIVM_PRACTICE, "pm10", BEFORE, hourly=(70,) * 17) == []
    assert kinds(RIVM_PRACTICE, "pm10", BEFORE, hourly=(70,) * 18) == ["information running_24h 70"]


def test_who_guidelines_are_told_beside_the_law() -> None:
    assert kinds(WHO_2021, "pm2_5", BEFORE, daily=(15.1,)) == ["guideline day 15"]
    assert kinds(WHO_2021, "o3", BEFORE, hourly=(101,) * 8) == ["guideline running_8h 100"]
    assert kinds(WHO_2021, "o3", BEFORE, hourly=(101,) * 5) == []


def test_new_years_smoke_fires_the_hourly_index_and_not_the_daily_threshold() -> None:
    """As on 1 January 2024: hours above 140 µg/m3 of PM2.5, a day mean below 50."""
    hours = [180.0, 150.0, 95.0, 60.0, 40.0] + [25.0] * 19
    mean = sum(hours) / len(hours)
    assert mean < 50
    assert lki.lki({"pm2_5": hours[0]}).published == 11
    assert eaqi.eaqi({"pm2_5": hours[0]}).level == 6
    assert kinds(DIRECTIVE_2024, "pm2_5", AFTER, hourly=tuple(hours), daily=(mean,)) == []


def test_every_threshold_is_of_a_pollutant_that_is_observed_and_has_a_source() -> None:
    for rules in RULE_SETS:
        seen = set()
        for one in rules.thresholds:
            assert one.pollutant in {"pm2_5", "pm10", "no2", "o3", "so2"}
            assert one.level > 0
            assert one.source
            seen.add((one.pollutant, one.kind, one.averaging))
        assert len(seen) == len(rules.thresholds), f"{rules.id} says something twice"
