"""Counters: the increase between two readings, with wraps, resets, replacements and corrections."""

from __future__ import annotations

import pytest

from twin.instant import DAY, HOUR, MINUTE
from twin.model.observed_property import BUILT_IN_PROPERTIES, COUNTER_RATE_MAX
from twin.state.counter import CounterIncrease, counter_increase

BITS_16 = 65_536
VEHICLES_MAX = 1.0  # a vehicle each second


def between(before: float, now: float, **what: float) -> CounterIncrease:
    return counter_increase((0, before), (10 * MINUTE, now), **what)


def test_the_increase_of_a_rising_register_is_the_difference() -> None:
    assert between(9_120.537, 9_121.037) == (0.5, False, False, 9_121.037)


def test_a_register_that_stands_still_has_no_increase() -> None:
    assert between(500.0, 500.0) == (0.0, False, False, 500.0)


@pytest.mark.parametrize("rate", [{}, {"rate_max": VEHICLES_MAX}])
def test_a_wrap_of_sixteen_bits_continues_the_count(rate: dict[str, float]) -> None:
    assert between(65_500.0, 100.0, wraps_at=BITS_16, **rate) == (136.0, False, False, 100.0)


def test_a_wrap_of_thirty_two_bits_continues_the_count() -> None:
    assert between(2**32 - 10.0, 5.0, wraps_at=2**32).amount == 15.0


def test_a_fall_that_no_single_wrap_explains_is_a_reset() -> None:
    assert between(40_000.0, 12.0, wraps_at=BITS_16) == (12.0, True, True, 12.0)


def test_the_rate_distinguishes_a_reset_in_the_last_eighth_of_the_range_from_a_wrap() -> None:
    found = between(64_000.0, 12.0, wraps_at=BITS_16, rate_max=VEHICLES_MAX)
    assert found == (12.0, True, True, 12.0)
    assert between(64_000.0, 12.0, wraps_at=BITS_16).amount == 1_548.0


def test_after_a_reboot_the_increase_is_the_new_value_of_the_register() -> None:
    assert between(1_700.0, 23.0) == (23.0, True, True, 23.0)


def test_a_replaced_meter_has_no_increase() -> None:
    assert between(9_120.0, 5_300.0) == (0.0, True, True, 5_300.0)


def test_the_rate_distinguishes_an_almost_new_meter_from_a_reset() -> None:
    kilowatts_17 = 17 / 3600
    assert between(9_120.0, 430.0, rate_max=kilowatts_17) == (0.0, True, True, 430.0)
    assert between(9_120.0, 2.0, rate_max=kilowatts_17) == (2.0, True, True, 2.0)


def test_with_a_rate_a_meter_with_a_higher_register_has_no_increase() -> None:
    assert between(430.0, 9_120.0, rate_max=17 / 3600) == (0.0, True, True, 9_120.0)
    assert between(430.0, 9_120.0) == (8_690.0, False, False, 9_120.0)


def test_one_unit_is_never_too_fast() -> None:
    assert between(100.0, 101.0, rate_max=1e-6) == (1.0, False, False, 101.0)
    assert between(100.0, 101.1, rate_max=1e-6).reset


def test_after_an_outage_the_increase_may_be_large() -> None:
    month = counter_increase((0, 430.0), (30 * DAY, 1_230.0), rate_max=17 / 3600)
    assert month == (800.0, False, False, 1_230.0)


def test_a_correction_by_one_unit_and_the_following_rise_have_no_increase() -> None:
    down = between(100.0, 99.0)
    assert down == (0.0, False, False, 100.0)
    assert between(down.register, 100.0).amount == 0.0
    assert between(down.register, 101.0).amount == 1.0


def test_a_negative_reading_after_a_fall_adds_nothing() -> None:
    assert between(50.0, -20.0).amount == 0.0


@pytest.mark.parametrize("name", sorted(COUNTER_RATE_MAX))
def test_only_registers_have_a_rate_and_it_exceeds_real_consumption(name: str) -> None:
    assert BUILT_IN_PROPERTIES[name].aggregation == "counter"
    assert COUNTER_RATE_MAX[name] * (HOUR / 1e6) >= 100


def test_every_built_in_register_has_a_rate() -> None:
    assert set(COUNTER_RATE_MAX) == {
        one.name for one in BUILT_IN_PROPERTIES.values() if one.aggregation == "counter"
    }
