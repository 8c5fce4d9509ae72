"""Spikes: values reached by a far jump; neither movements nor lasting steps."""

from __future__ import annotations

import pytest

from twin.instant import DAY, MINUTE
from twin.quality.quality_rules import SpikeRule
from twin.quality.spike import SPIKE_CONTEXT_MIN, is_spike

QUARTER = 15 * MINUTE
LEVEL = SpikeRule(deviation_min=0.25)


def series(values: list[float]) -> list[tuple[int, float]]:
    return [(n * QUARTER, value) for n, value in enumerate(values)]


def spikes(values: list[float], spike: SpikeRule = LEVEL) -> list[int]:
    """Return the positions of spikes; each value is compared with those before it."""
    observed = series(values)
    return [
        n
        for n, (time, value) in enumerate(observed)
        if is_spike(observed[max(0, n - 31) : n], time, value, spike, QUARTER)
    ]


def test_a_single_distant_value_is_a_spike_and_the_next_is_not() -> None:
    assert spikes([-1.4] * 13 + [0.0] + [-1.4] * 13) == [13]


def test_four_false_zeros_in_a_row_are_all_spikes() -> None:
    assert spikes([-1.41, -1.42] * 10 + [0.0] * 4 + [-1.41] * 20) == [20, 21, 22, 23]


def test_a_real_step_is_accepted_after_half_a_window() -> None:
    found = spikes([-1.4] * 20 + [-0.9] * 20)
    assert found == list(range(20, 27))


def test_a_flood_that_rises_by_twenty_centimetres_a_quarter_is_no_spike() -> None:
    rise = [-1.4 + 0.2 * n for n in range(12)]
    assert spikes([-1.4] * 20 + rise + [rise[-1]] * 20) == []


def test_a_jump_during_a_flood_is_still_a_spike() -> None:
    rise = [-1.4 + 0.05 * n for n in range(6)]
    assert spikes([-1.4] * 20 + rise + [5.0] + [rise[-1]] * 5) == [26]


def test_in_noise_the_limit_follows_its_deviation() -> None:
    noisy = [0.0, 3.0, -3.0, 2.0, -2.0, 1.0, -1.0, 3.0, -3.0, 2.0, -2.0, 1.0, -1.0]
    # The median is 0 and its median absolute deviation 2: the limit is 6 · 1.4826 · 2 = 17.79.
    assert spikes([*noisy, 17.7]) == []
    assert spikes([*noisy, 17.9]) == [13]


def test_the_bound_itself_is_no_spike() -> None:
    assert spikes([0.0] * 13 + [0.25]) == []
    assert spikes([0.0] * 13 + [0.26]) == [13]
    assert spikes([0.0] * 13 + [-0.26]) == [13]


def test_too_few_values_before_it_make_no_spike() -> None:
    assert spikes([0.0] * (SPIKE_CONTEXT_MIN - 1) + [9.0]) == []
    assert spikes([0.0] * SPIKE_CONTEXT_MIN + [9.0]) == [SPIKE_CONTEXT_MIN]


@pytest.mark.parametrize(("gap", "expected"), [(8 * QUARTER, True), (38 * DAY, False)])
def test_values_before_a_gap_of_weeks_make_no_context(gap: int, expected: bool) -> None:
    before = series([0.0] * 20)
    assert is_spike(before, before[-1][0] + gap, 9.0, LEVEL, QUARTER) is expected


def test_only_values_in_the_window_count() -> None:
    narrow = SpikeRule(window=5, deviation_min=0.25)
    assert is_spike(series([9.0] * 20 + [0.0] * 5), 25 * QUARTER, 9.0, narrow, QUARTER)
    assert not is_spike(
        series([9.0] * 20 + [0.0] * 5), 25 * QUARTER, 9.0, SpikeRule(deviation_min=0.25), QUARTER
    )
