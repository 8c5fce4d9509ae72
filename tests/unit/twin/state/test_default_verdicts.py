"""The final verdicts of the built-in rules on recorded faults, in the state of a datastream."""

from __future__ import annotations

from random import Random

import pytest

from simulators.replay.sample_recordings import water_level
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.state.datastream_state import DatastreamState

QUARTER = 15 * MINUTE
STUCK = QualityFlag.STUCK


def final_flags(
    name: str, values: list[float], interval: Duration, shuffled: int | None = None
) -> list[QualityFlag]:
    """Return the flags of each value when all are known; `shuffled` seeds an order with late arrivals."""
    policy = DatastreamPolicy.of(BUILT_IN_PROPERTIES[name], interval)
    state = DatastreamState()
    found: dict[Instant, int] = {}
    observations = [
        Observation(1, n * interval, len(values) * interval + SECOND, value) for n, value in enumerate(values)
    ]
    if shuffled is not None:
        dice = Random(shuffled)
        observations.sort(key=lambda one: one.phenomenon_time + dice.randrange(12) * interval)
    for observation in observations:
        found.setdefault(observation.phenomenon_time, 0)
        for result in state.observe(observation, policy, 5 * MINUTE).quality_results:
            found[result.phenomenon_time] = result.flags
    return [QualityFlag(flags) for _, flags in sorted(found.items())]


@pytest.mark.parametrize("shuffled", [None, 1, 2])
@pytest.mark.parametrize("count", [71, 66, 34])
def test_a_whole_run_of_an_active_level_is_stuck(count: int, shuffled: int | None) -> None:
    entries = water_level(3, days=400).entries
    levels = [entry.value for entry in entries if entry.true and entry.value is not None][:1500]
    start = next(n for n in range(1200, 1300) if levels[n] != levels[n - 1])
    levels[start : start + count] = [levels[start]] * count
    levels[start + count] = levels[start] + 0.03
    found = final_flags("water_level", levels, QUARTER, shuffled)
    assert [n for n, flags in enumerate(found) if flags & STUCK] == list(range(start, start + count))
    later = [n for n, flags in enumerate(found) if flags & QualityFlag.FOUND_LATER]
    assert later == list(range(start, start + 32)), "those before eight hours were found later"


@pytest.mark.parametrize("shuffled", [None, 1, 2])
def test_a_level_shift_is_one_finding_and_no_fault(shuffled: int | None) -> None:
    found = final_flags("water_level", [-1.4] * 20 + [-0.8] * 20, QUARTER, shuffled)
    assert [n for n, flags in enumerate(found) if flags] == [20]
    assert found[20] == QualityFlag.LEVEL_SHIFT


def test_a_corrected_level_shift_is_confirmed_by_the_values_after_the_correction() -> None:
    policy = DatastreamPolicy.of(BUILT_IN_PROPERTIES["water_level"], QUARTER)
    state = DatastreamState()
    found: dict[int, int] = {}
    # The new level is corrected away from its beginning, value by value, while it goes on.
    arrivals = [(n, -1.4) for n in range(20)] + [(n, -0.8) for n in range(20, 24)]
    for corrected in (20, 21, 22):
        arrivals += [(corrected, -1.4), (corrected + 4, -0.8)]
    for received, (n, level) in enumerate(arrivals):
        observation = Observation(1, n * QUARTER, 40 * QUARTER + received, level)
        for result in state.observe(observation, policy, 5 * MINUTE).quality_results:
            found[result.phenomenon_time // QUARTER] = result.flags
    assert {n: flags for n, flags in found.items() if flags} == {23: QualityFlag.LEVEL_SHIFT}


@pytest.mark.parametrize("shuffled", [None, 1, 2])
def test_false_zeros_and_single_hours_of_dust_are_faults(shuffled: int | None) -> None:
    zeros = final_flags("water_level", [-1.4, -1.41] * 10 + [0.0] * 4 + [-1.4] * 20, QUARTER, shuffled)
    assert [n for n, flags in enumerate(zeros) if not is_usable(flags)] == [20, 21, 22, 23]
    calm = [7.0, 9.0, 8.0, 6.5, 12.0, 9.5, 8.0, 7.5, 8.5, 10.0, 9.0, 8.0, 9.0]
    dust = final_flags("pm2_5", [*calm, 794.0, *calm, 540.0, 230.0, 60.0, *calm], HOUR, shuffled)
    assert [n for n, flags in enumerate(dust) if not is_usable(flags)] == [13]


@pytest.mark.parametrize("shuffled", [None, 1, 2])
def test_all_twelve_hours_of_no_dust_are_stuck(shuffled: int | None) -> None:
    found = final_flags("pm2_5", [4.0, 3.5, *([0.0] * 12), 3.0, 2.0], HOUR, shuffled)
    assert [n for n, flags in enumerate(found) if flags & STUCK] == list(range(2, 14))
