"""Counters: what lies between two readings, through wraps, resets, swaps and corrections."""

from __future__ import annotations

import pytest

from twin.instant import DAY, HOUR, MINUTE
from twin.model.observed_property import BUILT_IN_PROPERTIES, COUNTER_RATE_MAX
from twin.state.counter import CounterIncrease, counter_increase

BITS_16 = 65_536
VEHICLES_MAX = 1.0  # a vehicle each second


def between(before: float, now: float, **what: float) -> CounterIncrease:
    return counter_increase((0, before), (10 * MINUTE, now), **what)


def test_a_register_counts_up() -> None:
    assert between(9_120.537, 9_121.037) == (0.5, False, False, 9_121.037)


def test_a_register_that_stands_still_counts_nothing() -> None:
    assert between(500.0, 500.0) == (0.0, False, False, 500.0)


@pytest.mark.parametrize("rate", [{}, {"rate_max": VEHICLES_MAX}])
def test_a_wrap_of_sixteen_bits_goes_on_counting(rate: dict[str, float]) -> None:
    assert between(65_500.0, 100.0, wraps_at=BITS_16, **rate) == (136.0, False, False, 100.0)


def test_a_wrap_of_thirty_two_bits_goes_on_counting() -> None:
    assert between(2**32 - 10.0, 5.0, wraps_at=2**32).amount == 15.0


def test_a_fall_that_no_single_wrap_explains_is_a_reset() -> None:
    assert between(40_000.0, 12.0, wraps_at=BITS_16) == (12.0, True, True, 12.0)


def test_a_reset_in_the_last_eighth_of_the_circle_is_told_from_a_wrap_by_the_rate() -> None:
    found = between(64_000.0, 12.0, wraps_at=BITS_16, rate_max=VEHICLES_MAX)
    assert found == (12.0, True, True, 12.0)
    assert between(64_000.0, 12.0, wraps_at=BITS_16).amount == 1_548.0


def test_a_reboot_counts_at_least_what_the_register_says_since() -> None:
    assert between(1_700.0, 23.0) == (23.0, True, True, 23.0)


def test_a_swap_to_a_meter_with_another_register_counts_nothing() -> None:
    assert between(9_120.0, 5_300.0) == (0.0, True, True, 5_300.0)


def test_a_swap_to_a_meter_that_is_almost_new_is_told_from_a_reset_by_the_rate() -> None:
    kilowatts_17 = 17 / 3600
    assert between(9_120.0, 430.0, rate_max=kilowatts_17) == (0.0, True, True, 430.0)
    assert between(9_120.0, 2.0, rate_max=kilowatts_17) == (2.0, True, True, 2.0)


def test_a_swap_to_a_meter_with_a_higher_register_counts_nothing_where_a_rate_is_known() -> None:
    assert between(430.0, 9_120.0, rate_max=17 / 3600) == (0.0, True, True, 9_120.0)
    assert between(430.0, 9_120.0) == (8_690.0, False, False, 9_120.0)


def test_one_unit_is_never_too_fast() -> None:
    assert between(100.0, 101.0, rate_max=1e-6) == (1.0, False, False, 101.0)
    assert between(100.0, 101.1, rate_max=1e-6).reset


def test_after_an_outage_much_may_have_been_counted() -> None:
    month = counter_increase((0, 430.0), (30 * DAY, 1_230.0), rate_max=17 / 3600)
    assert month == (800.0, False, False, 1_230.0)


def test_a_correction_by_one_unit_counts_nothing_and_the_way_up_again_neither() -> None:
    down = between(100.0, 99.0)
    assert down == (0.0, False, False, 100.0)
    assert between(down.register, 100.0).amount == 0.0
    assert between(down.register, 101.0).amount == 1.0


def test_a_negative_reading_after_a_fall_adds_nothing() -> None:
    assert between(50.0, -20.0).amount == 0.0


@pytest.mark.parametrize("name", sorted(COUNTER_RATE_MAX))
def test_rates_are_known_of_registers_only_and_spare_real_consumption(name: str) -> None:
    assert BUILT_IN_PROPERTIES[name].aggregation == "counter"
    assert COUNTER_RATE_MAX[name] * (HOUR / 1e6) >= 100


def test_every_built_in_register_has_a_rate() -> None:
    assert set(COUNTER_RATE_MAX) == {
        one.name for one in BUILT_IN_PROPERTIES.values() if one.aggregation == "counter"
    }
