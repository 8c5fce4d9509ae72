"""The window history: which windows of which sensors an indicator uses."""

from __future__ import annotations

from itertools import permutations

import pytest

from twin.instant import HOUR, MINUTE
from twin.model.observed_property import BUILT_IN_PROPERTIES, Aggregation
from twin.quality.quality_flags import QualityFlag
from twin.state.window import Aggregate, WindowAccumulator, aggregate_of
from twin.state.window_history import WindowHistory

PM10, VEHICLES = BUILT_IN_PROPERTIES["pm10"], BUILT_IN_PROPERTIES["vehicle_count"]


def hour(
    datastream: int, value: float, minutes: int, flags: int = 0, kind: Aggregation = "mean"
) -> Aggregate:
    """Return an hour of a sensor that reports each minute, with this number of observations."""
    content = WindowAccumulator()
    for minute in range(minutes):
        content.add(minute * MINUTE, value, flags, kind)
    return aggregate_of(
        content, datastream=datastream, size=HOUR, start=0, revision=1, interval=MINUTE, kind=kind
    )


def test_a_sensor_with_low_coverage_does_not_invalidate_the_hour_of_others() -> None:
    trail = WindowHistory()
    trail.add(hour(1, 20.0, minutes=50))
    alone = trail.values(PM10)
    trail.add(hour(2, 90.0, minutes=25))
    assert trail.values(PM10) == alone
    assert alone[0].value == 20.0


def test_a_sensor_with_low_coverage_is_left_out_beside_others_with_full_coverage() -> None:
    trail = WindowHistory()
    for window in (hour(1, 20.0, 60), hour(2, 22.0, 60), hour(3, 90.0, 20)):
        trail.add(window)
    assert [(one.value, one.coverage) for one in trail.values(PM10)] == [(21.0, 1.0)]


def test_an_hour_with_low_coverage_of_all_sensors_has_no_value() -> None:
    trail = WindowHistory()
    trail.add(hour(1, 20.0, minutes=44))
    assert trail.values(PM10) == []


def test_a_sum_has_all_of_its_parts_and_their_mean_coverage() -> None:
    trail = WindowHistory()
    for window in (hour(1, 2.0, 60, kind="sum"), hour(2, 1.0, 40, kind="sum")):
        trail.add(window)
    (counted,) = trail.values(VEHICLES)
    assert counted.value == 160.0
    assert counted.coverage == pytest.approx(5 / 6)


def test_the_order_in_which_windows_arrive_does_not_matter() -> None:
    found = []
    for order in permutations((hour(1, 20.0, 60), hour(2, 22.0, 50), hour(3, 90.0, 20))):
        trail = WindowHistory()
        for window in order:
            trail.add(window)
        found.append(trail.values(PM10))
    assert all(values == found[0] for values in found)


def test_a_window_that_loses_its_value_is_removed() -> None:
    trail = WindowHistory()
    assert trail.add(hour(1, 20.0, minutes=60))
    assert trail.add(hour(1, 20.0, minutes=60, flags=QualityFlag.MAINTENANCE))
    assert trail.values(PM10) == []
    assert not trail.add(hour(1, 20.0, minutes=60, flags=QualityFlag.MAINTENANCE))
