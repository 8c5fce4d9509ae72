"""The quality check of single observations: suspect ones and good ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from math import pi, sin

import pytest

from simulators.replay.sample_recordings import water_level
from simulators.truth.city_truth import CityTruth
from tests.support.cities.sensor_city import datastream_spec, sensor_city
from twin.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, from_datetime, parse_instant
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.constant_run import ConstantRun, extend_run
from twin.quality.level_shift import QUALITY_LOOKAHEAD
from twin.quality.quality_check import CONTEXT_MAX, check_quality, check_times
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.quality.quality_rules import (
    DEFAULT_QUALITY_RULES,
    TIME_RULES_ONLY,
    QualityRules,
    SpikeRule,
    StuckRule,
)

QUARTER = 15 * MINUTE
LEVEL = DEFAULT_QUALITY_RULES["water_level"]
START = from_datetime(datetime(2017, 10, 28, tzinfo=UTC))


def flags_of(
    series: Iterable[tuple[Instant, float]], rules: QualityRules, interval: Duration
) -> list[QualityFlag]:
    """Return the flags of each observation of a series, received at once."""
    context: list[tuple[Instant, float]] = []
    run = None
    found = []
    for time, value in series:
        run = extend_run(run, time, value)
        found.append(QualityFlag(check_quality(context, run, time, time + SECOND, value, rules, interval)))
        context = [*context, (time, value)][-CONTEXT_MAX:]
    return found


def quarters(values: Iterable[float], start: Instant = START) -> list[tuple[Instant, float]]:
    return [(start + n * QUARTER, value) for n, value in enumerate(values)]


def hours(values: Iterable[float]) -> list[tuple[Instant, float]]:
    return [(START + n * HOUR, value) for n, value in enumerate(values)]


def alone(value: float, rules: QualityRules, received: Duration = 0, interval: Duration = MINUTE) -> int:
    return check_quality([], ConstantRun(value, 1, 0), 0, received, value, rules, interval)


def test_a_value_within_all_rules_has_no_flag() -> None:
    rules = QualityRules(minimum=0, maximum=10, rate_max=1, spike=SpikeRule(deviation_min=1))
    assert alone(5.0, rules) == 0
    assert alone(0.0, rules) == 0
    assert alone(10.0, rules) == 0


@pytest.mark.parametrize("value", [-0.1, 10.1])
def test_a_value_outside_the_normal_range_is_out_of_range(value: float) -> None:
    assert alone(value, QualityRules(minimum=0, maximum=10)) == QualityFlag.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (HOUR + MINUTE, QualityFlag.NONE),
        (HOUR + MINUTE + 1, QualityFlag.LATE),
        (-30 * SECOND, QualityFlag.NONE),
        (-30 * SECOND - 1, QualityFlag.CLOCK_SKEW),
    ],
)
def test_late_and_clock_skew_follow_from_the_two_times(received: Duration, expected: QualityFlag) -> None:
    assert alone(1.0, TIME_RULES_ONLY, received) == expected
    assert check_times(0, received, TIME_RULES_ONLY, MINUTE) == expected


def test_an_hour_dated_to_its_start_is_not_late_at_its_end() -> None:
    assert check_times(0, 90 * MINUTE, TIME_RULES_ONLY, HOUR) == 0
    assert check_times(0, 90 * MINUTE, TIME_RULES_ONLY, 10 * MINUTE) == QualityFlag.LATE


def test_the_repeated_hour_of_the_october_night_reported_as_zero_is_suspect_and_nothing_else_is() -> None:
    levels = [-1.40, -1.41, -1.41, -1.40] * 24
    # 01:00 to 01:45 at +01:00, the hour whose name occurs twice.
    for n in range(4):
        levels[95 - 4 + n] = 0.0
    found = flags_of(quarters([*levels, *([-1.41] * 40)]), LEVEL, QUARTER)
    assert [n for n, flags in enumerate(found) if not is_usable(flags)] == [91, 92, 93, 94]
    assert all(flags & QualityFlag.SPIKE for flags in found[91:95])
    assert found[91] == QualityFlag.SPIKE | QualityFlag.RATE_OF_CHANGE


def test_a_change_faster_than_possible_is_flagged_where_it_happens() -> None:
    found = flags_of(quarters([0.0, 0.0, 0.74, 0.74, 1.5, 1.5]), QualityRules(rate_max=3.0 / 3600), QUARTER)
    assert [n for n, flags in enumerate(found) if flags] == [4]
    assert found[4] == QualityFlag.RATE_OF_CHANGE


def test_the_return_from_an_outlier_is_not_flagged() -> None:
    found = flags_of(quarters([0.0] * 6 + [5.0] + [0.0] * 6), QualityRules(rate_max=3.0 / 3600), QUARTER)
    assert [n for n, flags in enumerate(found) if flags] == [6]


def test_no_rate_is_checked_across_a_gap() -> None:
    rules = QualityRules(rate_max=3.0 / 3600)
    for gap, expected in ((4 * QUARTER, QualityFlag.RATE_OF_CHANGE), (4 * QUARTER + 1, QualityFlag.NONE)):
        series = [(0, 0.0), (gap, 3.1)]
        assert flags_of(series, rules, QUARTER)[1] == expected


def test_values_before_a_gap_of_weeks_excuse_no_fast_change() -> None:
    later = START + 38 * DAY
    series = [*quarters([0.0] * 13), *quarters([3.0, 0.0], start=later)]
    assert flags_of(series, QualityRules(rate_max=3.0 / 3600), QUARTER)[-2:] == [
        0,
        QualityFlag.RATE_OF_CHANGE,
    ]


def test_a_change_of_the_last_digit_between_close_readings_is_not_flagged() -> None:
    series = [(n * 10 * SECOND, 0.01 * (n % 2)) for n in range(50)]
    assert not any(flags_of(series, LEVEL, 10 * SECOND))


def test_equal_values_are_stuck_when_they_are_many_over_a_long_time() -> None:
    rules = QualityRules(stuck=StuckRule(count=5, duration_min=HOUR))
    quick = flags_of([(n * MINUTE, 1.0) for n in range(62)], rules, MINUTE)
    assert [n for n, flags in enumerate(quick) if flags & QualityFlag.STUCK] == [60, 61]
    slow = flags_of([(n * HOUR, 1.0) for n in range(6)], rules, HOUR)
    assert [n for n, flags in enumerate(slow) if flags & QualityFlag.STUCK] == [4, 5]


def test_another_value_ends_the_run() -> None:
    rules = QualityRules(stuck=StuckRule(count=3, duration_min=0))
    assert [bool(flags) for flags in flags_of(quarters([1, 1, 1, 2, 2, 1, 1, 1]), rules, QUARTER)] == [
        False, False, True, False, False, False, False, True,
    ]  # fmt: skip


def test_excepted_values_may_repeat() -> None:
    rules = QualityRules(stuck=StuckRule(count=2, duration_min=0, except_values=(0.0,)))
    assert not any(flags_of(quarters([0.0] * 9), rules, QUARTER))


def test_a_flat_polder_level_is_stuck_after_a_day() -> None:
    found = flags_of(quarters([-3.52] * 100), LEVEL, QUARTER)
    assert [n for n, flags in enumerate(found) if flags] == [96, 97, 98, 99]


def test_a_blind_counter_is_stuck_after_a_day_of_zeros() -> None:
    series = [(n * HOUR, 0.0) for n in range(26)]
    found = flags_of(series, DEFAULT_QUALITY_RULES["vehicle_count"], HOUR)
    assert [n for n, flags in enumerate(found) if flags] == [24, 25]
    assert not any(flags_of(series, DEFAULT_QUALITY_RULES["rainfall"], HOUR))


def test_fireworks_and_negative_values_of_clean_air_are_good() -> None:
    hours = [-3.1, -15.8, 0.0, 4.0, 6.5, 7.0, 5.2, 4.9, 5.0, 5.1, 6.0, 148.0, 611.0, 240.0, 60.0, 20.0]
    series = [(n * HOUR, value) for n, value in enumerate(hours)]
    for name in ("pm2_5", "pm10"):
        assert not any(flags_of(series, DEFAULT_QUALITY_RULES[name], HOUR))


def test_a_cloudburst_over_the_polder_is_good() -> None:
    burst = [-1.40] * 60 + [-1.40 + 0.12 * n for n in range(8)] + [-0.56 - 0.01 * n for n in range(40)]
    assert not any(flags_of(quarters(burst), LEVEL, QUARTER))


def test_a_tide_is_good() -> None:
    tide = [round(0.9 * sin(2 * pi * n * 10 / 745) + 0.2 * sin(4 * pi * n * 10 / 745), 2) for n in range(600)]
    assert not any(flags_of([(n * 10 * MINUTE, level) for n, level in enumerate(tide)], LEVEL, 10 * MINUTE))


@pytest.mark.parametrize("interval", [MINUTE, 10 * MINUTE, HOUR])
def test_the_simulated_city_is_hardly_ever_suspect(interval: Duration) -> None:
    """True values with the resolution of sensors: less than a thousandth may be found suspect."""
    coarse = {"water_level": 2, "air_pressure": 0, "relative_humidity": 0, "water_temperature": 1, "no2": 0}
    plan = sensor_city("native", *(datastream_spec(name) for name in sorted(BUILT_IN_PROPERTIES)))
    truth = CityTruth(11, plan)
    start = parse_instant("2026-11-21T00:00:00+01:00")
    for datastream in plan.datastreams:
        name = datastream.property
        times = range(start, start + 400 * interval, interval)
        series = [(time, round(truth.value(datastream, time), coarse.get(name, 1))) for time in times]
        found = flags_of(series, DEFAULT_QUALITY_RULES[name], interval)
        suspect = [n for n, flags in enumerate(found) if not is_usable(flags)]
        assert len(suspect) < len(found) / 1000, (name, [(series[n], found[n]) for n in suspect])


def settled_flags_of(
    series: list[tuple[Instant, float]], rules: QualityRules, interval: Duration
) -> list[QualityFlag]:
    """Return the flags of each observation of a series when those after it are known."""
    run = None
    found = []
    for index, (time, value) in enumerate(series):
        run = extend_run(run, time, value)
        context = series[max(0, index - CONTEXT_MAX) : index]
        after = series[index + 1 : index + 1 + QUALITY_LOOKAHEAD]
        flags = check_quality(context, run, time, time + SECOND, value, rules, interval, after)
        found.append(QualityFlag(flags))
    return found


def test_the_following_values_confirm_a_level_shift_on_its_first_value() -> None:
    series = quarters([-1.4] * 20 + [-0.8] * 20)
    found = settled_flags_of(series, LEVEL, QUARTER)[20:30]
    assert found == [QualityFlag.LEVEL_SHIFT] + [0] * 9
    assert all(is_usable(flags) for flags in found)


def test_only_the_first_three_values_of_a_new_level_are_suspect_while_they_are_the_newest() -> None:
    found = flags_of(quarters([-1.4] * 20 + [-0.8] * 20), LEVEL, QUARTER)[20:]
    assert [index for index, flags in enumerate(found) if not is_usable(flags)] == [0, 1, 2]


def test_fewer_values_than_a_level_has_are_spikes() -> None:
    series = quarters([-1.4] * 20 + [-0.8] * 3 + [-1.4] * 20)
    found = settled_flags_of(series, LEVEL, QUARTER)
    assert all(flags & QualityFlag.SPIKE for flags in found[20:23])
    assert found[23:] == [0] * 20


@pytest.mark.parametrize("zeros", [1, 4, 12])
def test_exact_zeros_of_a_level_gauge_are_spikes_however_many_there_are(zeros: int) -> None:
    for settled in (flags_of, settled_flags_of):
        found = settled(quarters([-1.4, -1.41] * 10 + [0.0] * zeros + [-1.4] * 20), LEVEL, QUARTER)
        assert all(flags & QualityFlag.SPIKE for flags in found[20 : 20 + zeros])
        assert not any(found[20 + zeros :])


def test_a_false_zero_is_found_where_few_values_are_known() -> None:
    """After the gap of weeks a median has no values, and near zero no jump is high enough for a spike."""
    after_gap = [*quarters([-1.4] * 20), *quarters([0.0, -1.39, -1.4], start=START + 38 * DAY)]
    assert [bool(flags) for flags in settled_flags_of(after_gap, LEVEL, QUARTER)[20:]] == [True, False, False]
    shallow = settled_flags_of(quarters([-0.2, -0.21] * 10 + [0.0] + [-0.2] * 10), LEVEL, QUARTER)
    assert [index for index, flags in enumerate(shallow) if flags] == [20]


def test_a_level_that_passes_zero_or_stays_near_it_is_good() -> None:
    tide = [-0.55, -0.42, -0.28, -0.14, 0.0, 0.13, 0.25, 0.13, 0.0, -0.14]
    near = [0.02, 0.0, -0.01, 0.0, 0.0, 0.0, 0.01]
    shifted = [-0.6] * 20 + [0.0, 0.01, 0.0, 0.0, 0.01]
    for levels in (tide, near, [0.0] * 20, shifted):
        assert all(is_usable(flags) for flags in settled_flags_of(quarters(levels), LEVEL, QUARTER))


def test_a_single_hour_of_much_dust_is_a_spike_and_fireworks_are_good() -> None:
    calm = [7.0, 9.0, 8.0, 6.5, 12.0, 9.5, 8.0, 7.5, 8.5, 10.0, 9.0, 8.0, 9.0]
    for name in ("pm1", "pm2_5", "pm10"):
        rules = DEFAULT_QUALITY_RULES[name]
        for peak in (243.0, 410.0, 794.0):
            found = settled_flags_of(hours([*calm, peak, 9.0, 8.0]), rules, HOUR)
            assert [index for index, flags in enumerate(found) if flags] == [13]
            assert found[13] == QualityFlag.SPIKE
        windy = [[24.0, 611.0, 10.0], [235.0, 14.0], [560.0, 24.0]]
        for fireworks in (*windy, [40.0, 560.0, 90.0], [540.0, 230.0, 60.0, 20.0], [148.0, 611.0, 240.0]):
            night = settled_flags_of(hours([*calm, *fireworks, 12.0, 9.0]), rules, HOUR)
            assert not any(night), fireworks


def test_twelve_hours_of_exactly_no_dust_are_stuck() -> None:
    rules = DEFAULT_QUALITY_RULES["pm2_5"]
    found = flags_of(hours([4.0, 3.5, *([0.0] * 12), 3.0]), rules, HOUR)
    assert [index for index, flags in enumerate(found) if flags] == [10, 11, 12, 13]
    assert found[10] == QualityFlag.STUCK
    assert not any(flags_of(hours([4.0, 0.0, 0.0, 0.0, -0.3, 0.0, 0.0, 0.1] * 4), rules, HOUR))


def canal(days: int) -> list[float]:
    """Return the level of a canal near the sea in whole centimetres, every quarter of an hour."""
    recording = water_level(3, days=days)
    return [entry.value for entry in recording.entries if entry.true and entry.value is not None]


@pytest.mark.parametrize("count", [71, 66, 34])
def test_a_level_that_stays_equal_is_stuck_where_it_was_active(count: int) -> None:
    levels = canal(400)[:1500]
    start = next(n for n in range(1200, 1300) if levels[n] != levels[n - 1])
    levels[start : start + count] = [levels[start]] * count
    levels[start + count] = levels[start] + 0.03
    found = flags_of(quarters(levels), LEVEL, QUARTER)
    stuck = [index for index, flags in enumerate(found) if flags & QualityFlag.STUCK]
    assert stuck, "not found"
    assert start + 32 <= stuck[0] < start + count
    assert stuck == list(range(stuck[0], start + count))


def test_the_calm_of_a_canal_and_of_a_polder_is_good() -> None:
    night, day = [-3.52] * 38, [-3.52 + 0.01 * (n % 3) for n in range(58)]
    for levels in (canal(20), (night + day) * 30, [-3.52 + 0.01 * (n // 60 % 2) for n in range(3000)]):
        assert not any(flags_of(quarters(levels), LEVEL, QUARTER))
