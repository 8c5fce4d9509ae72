"""Laws of the indicators."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from twin.indicators import eaqi, lki
from twin.indicators.correlation import Method, correlate
from twin.indicators.grid import feed_in_share, transformer_load
from twin.indicators.indicator import InputValue
from twin.indicators.liveability import SCORE_SCALES, ScoreScale
from twin.indicators.registry import REGISTRY
from twin.indicators.running_mean import TimeMean, running_mean
from twin.indicators.water import POINTS_MAX, rate_of_rise
from twin.instant import DAY, HOUR, MINUTE
from twin.quality.quality_flags import is_usable

concentrations = st.floats(-100, 1000)
hour_means = st.dictionaries(st.sampled_from(sorted(lki.EDGES)), concentrations, min_size=1)
coverages = st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.75, 0.74, 0.0])


@st.composite
def hours_with_gaps(draw: st.DrawFn) -> list[TimeMean]:
    """Draw the hours of a day and a half, some missing, some corrected, in any order."""
    numbers = draw(st.lists(st.integers(0, 36), max_size=6))
    found = [
        TimeMean(number * HOUR, draw(concentrations), draw(coverages))
        for number in [*range(draw(st.integers(0, 8)), draw(st.integers(20, 36))), *numbers]
        if number % 11 != 5
    ]
    return draw(st.permutations(found))


hours = hours_with_gaps()
series = st.lists(st.integers(-50, 50) | st.none(), max_size=60).map(
    lambda values: {number * HOUR: float(one) for number, one in enumerate(values) if one is not None}
)
methods: st.SearchStrategy[Method] = st.sampled_from(["pearson", "spearman"])
levels = st.floats(-5, 5).map(lambda level: round(level, 3))
# One gauge has one level at a time.
points = st.dictionaries(
    st.integers(0, 90).map(lambda n: n * MINUTE), levels, min_size=2, max_size=POINTS_MAX
).map(lambda found: list(found.items()))


@given(st.sampled_from(sorted(lki.EDGES)), concentrations, concentrations)
def test_dirtier_air_never_has_a_better_sub_index(pollutant: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert lki.sub_index(pollutant, low) <= lki.sub_index(pollutant, high)
    assert eaqi.sub_level(pollutant, low) <= eaqi.sub_level(pollutant, high)


@given(hour_means)
def test_the_lki_is_the_worst_class_or_one_more(means: dict[str, float]) -> None:
    found = lki.lki(means)
    worst = max(lki.class_of(lki.sub_index(name, mean)) for name, mean in means.items())
    assert found.published in {worst, min(11, worst + 1)}
    assert 1 <= found.published <= 11
    assert 0 <= found.value <= 11
    assert set(found.pollutants) <= set(means)


@given(hours, st.integers(0, 40), st.sampled_from([8 * HOUR, DAY]))
def test_a_running_mean_lies_between_its_hours(means: list[TimeMean], last: int, length: int) -> None:
    found = running_mean(means, last * HOUR, length)
    if found is not None:
        inside = [one.mean for one in means if found.start <= one.start <= last * HOUR]
        assert min(inside) - 1e-9 <= found.mean <= max(inside) + 1e-9
        assert found.coverage >= 0.75


@given(points, st.floats(-2, 2))
def test_the_rate_of_rise_does_not_depend_on_datum_or_order(
    pairs: list[tuple[int, float]], datum: float
) -> None:
    rate = rate_of_rise(pairs)
    moved = rate_of_rise([(time + DAY, level + datum) for time, level in reversed(pairs)])
    assert (rate is None) == (moved is None)
    if rate is not None and moved is not None:
        assert math.isclose(rate, moved, abs_tol=1e-6)


@given(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(1, 1e4), st.floats(0.1, 1))
def test_power_has_the_same_load_in_both_directions(
    taken: float, fed_in: float, rated: float, factor: float
) -> None:
    assert transformer_load(taken - fed_in, rated, factor) == transformer_load(fed_in - taken, rated, factor)
    share = feed_in_share(taken, fed_in)
    assert share is None or 0 <= share <= 100


@given(st.sampled_from([one for several in SCORE_SCALES.values() for one in several]), st.floats(-1e6, 1e6))
def test_a_score_is_0_to_100(scale: ScoreScale, value: float) -> None:
    assert 0 <= scale.score(value) <= 100


@given(series, series, methods, st.integers(0, 4))
def test_correlation_is_symmetric_bounded_and_inside_its_interval(
    first: dict[int, float], second: dict[int, float], method: Method, lag_max: int
) -> None:
    there, back = correlate(first, second, method, lag_max), correlate(second, first, method, lag_max)
    assert [one.lag for one in there.lags] == [-one.lag for one in reversed(back.lags)]
    for lag, other in zip(there.lags, reversed(back.lags), strict=True):
        assert math.isclose(lag.coefficient, other.coefficient, abs_tol=1e-9)
        assert -1 <= lag.low <= lag.coefficient <= lag.high <= 1
        assert lag.effective_pairs <= lag.pairs


@given(
    st.sampled_from(sorted(REGISTRY)),
    st.lists(
        st.builds(
            InputValue,
            value=st.floats(-10, 500),
            time=st.integers(0, 30).map(lambda n: n * HOUR),
            flags=st.sampled_from([0, 0, 0, 1, 4, 16, 128]),
            count=st.integers(0, 3),
            coverage=coverages,
        ),
        min_size=1,
        max_size=60,
    ),
)
def test_suspect_values_never_change_an_indicator(name: str, values: list[InputValue]) -> None:
    attributes = {
        "freeFlowSpeed": 50,
        "capacity": 1000,
        "targetLevel": 0,
        "dangerLevel": 1,
        "ratedPower": {"kVA": 400},
    }
    indicator = REGISTRY[name]
    inputs = {one.property: values for one in indicator.inputs}
    found = indicator.evaluate(inputs, attributes)
    good = {one.property: [value for value in values if is_usable(value.flags)] for one in indicator.inputs}
    assert found == indicator.evaluate(good, attributes)
    if found is not None:
        assert is_usable(found.flags)
        assert found.time in {value.time for value in values}
        assert set(found.inputs) <= set(inputs)
