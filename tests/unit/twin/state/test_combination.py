"""The combination of several sensors of one property on one entity."""

from __future__ import annotations

from twin.instant import MINUTE
from twin.model.observation import LastGoodValue, Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_flags import QualityFlag
from twin.state.combination import CombinationInput, combine

LEVEL = BUILT_IN_PROPERTIES["water_level"]


def part(
    id: int, value: float, *, minute: int = 10, flags: int = 0, good: LastGoodValue | None = None
) -> CombinationInput:
    return CombinationInput(Observation(id, minute * MINUTE, minute * MINUTE, value, flags), good, MINUTE)


def test_a_sensor_that_disagrees_with_two_others_is_named_and_left_out() -> None:
    state = combine(LEVEL, [part(1, -0.50), part(2, -0.48), part(3, 0.9)])
    assert state.deviating == (3,)
    assert state.datastreams == (1, 2)
    assert state.value == -0.49


def test_of_two_sensors_none_is_outvoted() -> None:
    state = combine(LEVEL, [part(1, -0.5), part(2, 0.9)])
    assert (state.deviating, state.datastreams) == ((), (1, 2))


def test_of_a_split_vote_none_is_outvoted() -> None:
    state = combine(LEVEL, [part(1, -0.5), part(2, -0.5), part(3, 3.0), part(4, 3.0)])
    assert state.deviating == ()


def test_a_suspect_value_comes_with_the_last_good_one() -> None:
    good = LastGoodValue(-0.5, 9 * MINUTE)
    older = LastGoodValue(-0.6, 3 * MINUTE)
    spike = int(QualityFlag.SPIKE)
    state = combine(
        LEVEL, [part(1, 7.0, flags=spike, good=older), part(2, 8.0, minute=9, flags=spike, good=good)]
    )
    assert (state.value, state.flags, state.datastreams) == (7.0, spike, (1,))
    assert state.last_good == good


def test_a_good_sensor_replaces_a_suspect_one() -> None:
    state = combine(LEVEL, [part(1, 7.0, flags=int(QualityFlag.SPIKE)), part(2, -0.5)])
    assert (state.value, state.flags, state.last_good) == (-0.5, 0, None)
