"""The laws of the quality check: earlier measurements decide, the next ones only withdraw findings."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from twin.instant import MINUTE
from twin.quality.constant_run import extend_run
from twin.quality.level_shift import QUALITY_LOOKAHEAD
from twin.quality.quality_check import CLEARABLE_FLAGS, CONTEXT_MAX, check_quality
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.quality.quality_rules import (
    DEFAULT_QUALITY_RULES,
    IsolatedRule,
    NullValueRule,
    QualityRules,
    SpikeRule,
    StuckRule,
)
from twin.quality.spike import MAD_SCALE, SPIKE_CONTEXT_MIN, is_spike

RULES = QualityRules(
    minimum=-50.0,
    maximum=50.0,
    rate_max=10.0 / 60,
    spike=SpikeRule(deviation_min=5.0),
    stuck=StuckRule(count=4, duration_min=2 * MINUTE),
)

OTHER_RULES = QualityRules(
    isolated=IsolatedRule(deviation_min=5.0),
    null_values=NullValueRule(deviation_min=0.4, duration_min=2 * MINUTE, count=3),
)

# Few distinct values, so that runs, spikes and returns are common.
levels = st.sampled_from([0.0, 0.0, 0.5, 1.0, 4.0, 9.0, 30.0, -30.0, 60.0])
series = st.lists(st.tuples(st.integers(1, 6), levels), min_size=1, max_size=60).map(
    lambda steps: [
        (sum(step for step, _ in steps[: n + 1]) * MINUTE, value) for n, (_, value) in enumerate(steps)
    ]
)


def flags_of(observations: list[tuple[int, float]], rules: QualityRules = RULES) -> list[int]:
    """Return the flags of each observation, by those before it; received without delay."""
    run, found = None, []
    for n, (time, value) in enumerate(observations):
        run = extend_run(run, time, value)
        context = observations[max(0, n - CONTEXT_MAX) : n]
        found.append(check_quality(context, run, time, time, value, rules, MINUTE))
    return found


def settled_flags_of(observations: list[tuple[int, float]], rules: QualityRules = RULES) -> list[int]:
    """Return the flags of each observation when those after it are known."""
    run, found = None, []
    for n, (time, value) in enumerate(observations):
        run = extend_run(run, time, value)
        context = observations[max(0, n - CONTEXT_MAX) : n]
        after = observations[n + 1 : n + 1 + QUALITY_LOOKAHEAD]
        found.append(check_quality(context, run, time, time, value, rules, MINUTE, after))
    return found


@given(series, st.integers(0, 60))
def test_later_observations_do_not_change_earlier_flags(
    observations: list[tuple[int, float]], cut: int
) -> None:
    assert flags_of(observations[:cut]) == flags_of(observations)[:cut]


@given(series, st.sampled_from([RULES, OTHER_RULES, replace(RULES, null_values=OTHER_RULES.null_values)]))
def test_following_observations_only_withdraw_spikes_and_fast_changes(
    observations: list[tuple[int, float]], rules: QualityRules
) -> None:
    for n, (alone, settled) in enumerate(
        zip(flags_of(observations, rules), settled_flags_of(observations, rules), strict=True)
    ):
        if not alone & CLEARABLE_FLAGS:
            assert settled == alone
            continue
        added, withdrawn = settled & ~alone, alone & ~settled
        assert added in (0, QualityFlag.LEVEL_SHIFT)
        assert withdrawn in (0, alone & CLEARABLE_FLAGS)
        assert not added or withdrawn
        assert is_usable(settled) >= is_usable(alone), n


@given(series, st.integers(-(10**9), 10**9))
def test_the_date_does_not_matter(observations: list[tuple[int, float]], shift: int) -> None:
    moved = [(time + shift * MINUTE, value) for time, value in observations]
    assert flags_of(moved) == flags_of(observations)


@given(series, st.floats(-1e3, 1e3))
def test_spikes_and_rates_do_not_depend_on_the_datum(
    observations: list[tuple[int, float]], datum: float
) -> None:
    rules = QualityRules(rate_max=10.0 / 60, spike=SpikeRule(deviation_min=4.7))
    # Whole numbers of 1/64, so that the shift rounds nothing.
    shift = round(datum * 64) / 64
    moved = [(time, value + shift) for time, value in observations]
    assert flags_of(moved, rules) == flags_of(observations, rules)


@given(series)
def test_a_run_counts_the_equal_values_that_end_it(observations: list[tuple[int, float]]) -> None:
    run = None
    for n, (time, value) in enumerate(observations):
        run = extend_run(run, time, value)
        first = n
        while first and observations[first - 1][1] == value:
            first -= 1
        assert (run.value, run.count, run.start) == (value, n - first + 1, observations[first][0])


@given(series)
def test_each_spike_is_one_by_the_hampel_identifier(observations: list[tuple[int, float]]) -> None:
    """The fast check agrees with the definition; the second condition only exempts values."""
    spike = SpikeRule(deviation_min=5.0)
    for n, (time, value) in enumerate(observations):
        recent = [
            other
            for moment, other in observations[max(0, n - spike.window) : n]
            if moment >= time - spike.window * 4 * MINUTE
        ]
        hampel = False
        if len(recent) >= SPIKE_CONTEXT_MIN:
            middle = median(recent)
            deviation = median(abs(other - middle) for other in recent)
            hampel = abs(value - middle) > max(spike.threshold * MAD_SCALE * deviation, 5.0)
        found = is_spike(observations[max(0, n - CONTEXT_MAX) : n], time, value, spike, MINUTE)
        jumped = not recent or abs(value - recent[-1]) > spike.deviation_min
        assert found <= hampel
        if jumped:
            assert found == hampel


@given(
    st.sampled_from(sorted(DEFAULT_QUALITY_RULES)), st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40)
)
def test_the_check_adds_only_its_own_flags(name: str, values: list[float]) -> None:
    own = (
        QualityFlag.OUT_OF_RANGE
        | QualityFlag.RATE_OF_CHANGE
        | QualityFlag.SPIKE
        | QualityFlag.STUCK
        | QualityFlag.LATE
        | QualityFlag.CLOCK_SKEW
    )
    for flags in flags_of(
        [(n * MINUTE, value) for n, value in enumerate(values)], DEFAULT_QUALITY_RULES[name]
    ):
        assert flags & ~own == 0
        assert type(flags) is int
