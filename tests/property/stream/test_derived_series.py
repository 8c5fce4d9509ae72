"""The series of derived values follows from the set of observations, not from how they arrive."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pipelines.derived_series import requested_repairs
from tests.support.pipelines.stage_pipeline import StagePipeline
from tests.unit.stream.test_derived_series import (
    CANAL,
    GRID,
    IDS,
    MODEL,
    ROAD,
    START,
    STATION,
    entity_series,
    newest,
)
from twin.instant import DAY, HOUR, MINUTE, SECOND
from twin.model.observation import Observation

INTERVALS = {
    (STATION, "pm2_5"): HOUR,
    (STATION, "no2"): HOUR,
    (ROAD, "traffic_flow"): MINUTE,
    (ROAD, "vehicle_speed"): MINUTE,
    (CANAL, "water_level"): MINUTE,
    (GRID, "power_import"): 15 * MINUTE,
    (GRID, "power_export"): 15 * MINUTE,
}
RECEIVED = START + 2 * DAY


@st.composite
def observed(draw: st.DrawFn) -> list[Observation]:
    """Return at most 30 observations of each datastream, with gaps, suspect values and corrections."""
    found = []
    for (entity, property), interval in INTERVALS.items():
        numbers = draw(st.lists(st.integers(0, 29), max_size=30, unique=True))
        for number in numbers:
            value = draw(st.sampled_from([0.0, 20.0, 55.5, 300.0]))
            flags = draw(st.sampled_from([0, 0, 0, 16]))
            time = START + number * interval
            found.append(Observation(IDS[entity, property], time, RECEIVED, value, flags))
            if draw(st.integers(0, 9)) == 0:
                found.append(found[-1]._replace(received_time=RECEIVED + 1, value=value + 10.0))
    return found


def played(found: list[Observation], cuts: list[int], steps: list[int]) -> StagePipeline:
    """Play observations in records that end at `cuts`, each some time after the one before."""
    pipeline = StagePipeline(MODEL, partitions=1)
    now = RECEIVED
    for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(found)], strict=True)):
        now += steps[number % len(steps)]
        if found[begin:end]:
            pipeline.observe(*found[begin:end], now=now)
    pipeline.advance(RECEIVED + 30 * DAY, step=DAY)
    return pipeline


@settings(deadline=None, max_examples=60)
@given(
    found=observed(),
    order=st.randoms(use_true_random=False),
    cuts=st.lists(st.integers(0, 200), max_size=12),
    steps=st.lists(st.sampled_from([1, SECOND // 3, SECOND, 90 * SECOND]), min_size=1, max_size=4),
)
def test_any_order_records_and_ticks_give_the_same_series_and_states(
    found: list[Observation], order: object, cuts: list[int], steps: list[int]
) -> None:
    in_order = sorted(found, key=lambda one: (one.phenomenon_time, one.datastream, one.received_time))
    shuffled = list(found)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    expected = played(in_order, list(range(1, len(found))), [SECOND])
    actual = played(shuffled, sorted(min(cut, len(found)) for cut in cuts), steps)
    assert entity_series(actual) == entity_series(expected)
    assert newest(actual) == newest(expected)
    # An area asks storage about slots that begin with suspect values, and are not its newest.
    suspect = {one.phenomenon_time - one.phenomenon_time % HOUR for one in found if one.flags}
    for repair in requested_repairs(actual) | requested_repairs(expected):
        assert repair.name.startswith("area_")
        assert {repair.start - repair.start % HOUR, repair.start - repair.start % HOUR + HOUR} & suspect
