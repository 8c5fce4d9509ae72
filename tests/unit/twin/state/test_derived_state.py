"""Derived values: indicators whose inputs fail and recover."""

from __future__ import annotations

from math import isnan, nan

import msgspec
import pytest

from tests.support.cities.city_builder import CityBuilder
from tests.support.cities.small_cities import small_city
from twin.indicators.indicator import InputValue
from twin.instant import HOUR, MINUTE, SECOND, Instant
from twin.model.observation import LastGoodValue
from twin.quality.quality_flags import QualityFlag
from twin.state.derived_points import RequiredInputs, required_inputs
from twin.state.derived_state import DerivedState, DerivedValue, PointSummary
from twin.state.window import Aggregate, WindowAccumulator, aggregate_of
from twin.wire.messages import Update

SPIKE, STUCK, INCOMPLETE = int(QualityFlag.SPIKE), int(QualityFlag.STUCK), int(QualityFlag.INCOMPLETE)
CANAL = {"targetLevel": -0.6, "dangerLevel": -0.2}
MODEL = (
    CityBuilder.of(small_city())
    .entity("canal", "Waterway", attributes=CANAL)
    .entity("air", "AirQualityStation")
    .model()
)
LEVEL = required_inputs({"water_level"}, CANAL)
AIR = required_inputs({"pm10", "no2"}, {})


def level(value: float, minute: int, flags: int = 0) -> Update:
    time = minute * MINUTE
    return Update("canal", "water_level", minute, value, time, time, flags, (1,), None)


def observe(state: DerivedState, *updates: Update) -> None:
    """Give the state values of the level, each the newest."""
    for update in updates:
        value = InputValue(update.value, update.phenomenon_time, update.flags)
        state.on_update(update, LEVEL)
        state.set_values("water_level", update.phenomenon_time, [value])


def hour(datastream: int, value: float, start: Instant, flags: int = 0) -> Aggregate:
    content = WindowAccumulator()
    for minute in range(60):
        content.add(start + minute * MINUTE, value, flags, "mean")
    return aggregate_of(
        content, datastream=datastream, size=HOUR, start=start, revision=1, interval=MINUTE, kind="mean"
    )


def derived_values(state: DerivedState, entity: str, wanted: RequiredInputs) -> dict[str, DerivedValue]:
    """Return what becomes the newest value of each series."""
    return {one.name: one for one in state.derive(MODEL, entity, wanted, 0) if not one.amends}


def test_an_indicator_is_emitted_again_when_its_input_fails_and_recovers() -> None:
    state = DerivedState()
    observe(state, level(-0.5, 1))
    before = derived_values(state, "canal", LEVEL)["freeboard"]
    observe(state, level(7.0, 2, SPIKE))
    failed = derived_values(state, "canal", LEVEL)["freeboard"]
    last_good = LastGoodValue(before.value, MINUTE)
    assert failed == before._replace(flags=SPIKE, last_good=last_good, in_series=False)
    observe(state, level(7.0, 3, SPIKE))
    assert derived_values(state, "canal", LEVEL) == {}, "nothing new"
    observe(state, level(-0.5, 4))
    assert derived_values(state, "canal", LEVEL)["freeboard"] == before._replace(phenomenon_time=4 * MINUTE)


def test_a_new_quality_of_a_value_changes_its_indicator() -> None:
    state = DerivedState()
    observe(state, level(-0.5, 1))
    before = derived_values(state, "canal", LEVEL)["freeboard"]
    observe(state, level(-0.5, 1, SPIKE))
    withdrawn = derived_values(state, "canal", LEVEL)["freeboard"]
    assert isnan(withdrawn.value), "it was never good, and no other point is left"
    assert (withdrawn.phenomenon_time, withdrawn.flags) == (MINUTE, INCOMPLETE)
    observe(state, level(-0.5, 1, SPIKE))
    assert derived_values(state, "canal", LEVEL) == {}, "nothing new"
    observe(state, level(-0.5, 1))
    assert derived_values(state, "canal", LEVEL)["freeboard"] == before


def test_a_point_of_values_that_changed_and_changed_back_is_told_again() -> None:
    """Storage may have computed it from the value between, which was told and never became a point here."""
    state = DerivedState()
    observe(state, level(-0.5, 1))
    before = derived_values(state, "canal", LEVEL)["freeboard"]
    observe(state, level(-0.4, 1), level(-0.5, 1))
    again = [one for one in state.derive(MODEL, "canal", LEVEL, 0) if one.name == "freeboard"]
    assert again == [before._replace(amends=True)]


def test_the_value_that_is_left_when_the_newest_is_withdrawn_has_the_flags_of_the_failure() -> None:
    state = DerivedState()
    for number in range(20):
        state.on_window("pm10", hour(1, 20.0, number * HOUR), AIR)
        state.derive(MODEL, "air", AIR, 0)
    state.on_window("pm10", hour(1, 20.0, 19 * HOUR, STUCK), AIR)
    failed = derived_values(state, "air", AIR)["pm10_24h"]
    assert (failed.phenomenon_time, failed.flags) == (19 * HOUR, STUCK)
    assert failed.last_good == LastGoodValue(20.0, 19 * HOUR)


def test_a_value_is_as_it_was_when_the_failure_is_over_and_there_is_no_newer_one() -> None:
    """In one burst the failure is never emitted."""
    state = DerivedState()
    for number in range(20):
        state.on_window("pm10", hour(1, 20.0, number * HOUR), AIR)
    before = derived_values(state, "air", AIR)["pm10_24h"]
    for number in range(20, 100):
        state.on_window("pm10", hour(1, 20.0, number * HOUR, STUCK), AIR)
        found = derived_values(state, "air", AIR)
    assert found == {}, "nothing new since the first of them"
    state.on_window("pm10", hour(1, 20.0, 100 * HOUR), AIR)
    assert derived_values(state, "air", AIR)["pm10_24h"] == before


def test_when_the_newest_value_is_withdrawn_that_before_the_windows_in_memory_is_the_state() -> None:
    state = DerivedState()
    for number in (0, 100):
        state.on_window("pm10", hour(1, 20.0 + number, number * HOUR), AIR)
        value = derived_values(state, "air", AIR)["lki"]
        assert (value.phenomenon_time, value.flags) == ((number + 1) * HOUR, 0)
    state.on_window("pm10", hour(1, 120.0, 100 * HOUR, SPIKE), AIR)
    failed = derived_values(state, "air", AIR)["lki"]
    assert (failed.phenomenon_time, failed.flags) == (HOUR, SPIKE)


def long_failed() -> DerivedState:
    """Return a state whose last good hour is long before the windows in memory."""
    state = DerivedState()
    state.on_window("pm10", hour(1, 20.0, 0), AIR)
    for number in range(1, 100):
        state.on_window("pm10", hour(1, 20.0, number * HOUR, STUCK), AIR)
        state.derive(MODEL, "air", AIR, 0)
    state.take_spans()
    return state


def test_a_point_of_storage_before_the_windows_in_memory_is_taken_over() -> None:
    """The window of it never was here: it came too late, and storage has computed it."""
    state, point = long_failed(), PointSummary(30.0, 0, 1)
    assert state.is_left_to_storage("lki", 9 * HOUR, AIR)
    assert state.on_repaired_point("lki", 9 * HOUR, point, AIR)
    failed = derived_values(state, "air", AIR)["lki"]
    assert (failed.phenomenon_time, failed.flags) == (10 * HOUR, STUCK)
    # Its inputs are not here: storage may have another value by the time that this is stored.
    assert ("lki", 10 * HOUR) in {(name, start) for name, start, _ in state.take_spans()}


def test_a_state_that_storage_has_withdrawn_is_withdrawn_here_and_another_is_asked_for() -> None:
    state = long_failed()
    assert state.on_repaired_point("lki", 0, PointSummary(nan, 0, 0), AIR)
    withdrawn = derived_values(state, "air", AIR)["lki"]
    assert isnan(withdrawn.value)
    assert withdrawn.phenomenon_time == HOUR
    assert ("lki", HOUR) in {(name, start) for name, start, _ in state.take_spans()}
    assert derived_values(state, "air", AIR) == {}


def test_a_failed_input_gives_no_value_to_an_indicator_without_one() -> None:
    state = DerivedState()
    observe(state, level(7.0, 1, SPIKE))
    assert derived_values(state, "canal", LEVEL) == {}


def test_an_index_is_valid_while_one_pollutant_is_valid() -> None:
    state = DerivedState()
    for window in (hour(1, 20.0, 0), hour(2, 30.0, 0)):
        state.on_window("pm10" if window.datastream == 1 else "no2", window, AIR)
    index = derived_values(state, "air", AIR)["lki"]
    state.on_window("pm10", hour(1, 20.0, HOUR, STUCK), AIR)
    assert "lki" not in derived_values(state, "air", AIR), "the other one may still close its window"
    state.on_window("no2", hour(2, 30.0, HOUR, SPIKE), AIR)
    failed = derived_values(state, "air", AIR)["lki"]
    last_good = LastGoodValue(index.value, HOUR)
    assert failed == index._replace(flags=SPIKE | STUCK, last_good=last_good, in_series=False)
    state.on_window("no2", hour(2, 30.0, 2 * HOUR), AIR)
    again = derived_values(state, "air", AIR)["lki"]
    assert (again.flags, again.phenomenon_time, again.last_good) == (0, 3 * HOUR, None)


def test_a_running_mean_fails_with_its_newest_hour() -> None:
    state = DerivedState()
    for number in range(20):
        state.on_window("pm10", hour(1, 20.0, number * HOUR), AIR)
    assert derived_values(state, "air", AIR)["pm10_24h"].flags == 0
    state.on_window("pm10", hour(1, 20.0, 20 * HOUR, STUCK), AIR)
    failed = derived_values(state, "air", AIR)["pm10_24h"]
    assert (failed.value, failed.flags, failed.phenomenon_time) == (20.0, STUCK, 20 * HOUR)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_sensor_that_has_not_failed_is_enough(order: tuple[int, ...]) -> None:
    state = DerivedState()
    for id in (1, 2):
        state.on_window("pm10", hour(id, 20.0, 0), AIR)
    before = derived_values(state, "air", AIR)["lki"]
    for id in order:
        state.on_window("pm10", hour(id, 20.0, HOUR, STUCK if id == 2 else 0), AIR)
        assert all(one.flags == 0 for one in derived_values(state, "air", AIR).values())
    assert state.emitted["lki"].time == before.phenomenon_time


@pytest.mark.parametrize("suspect", [0, SPIKE])
def test_a_slope_needs_values_before_a_missing_one_while_too_few_later_ones_are_usable(suspect: int) -> None:
    state = DerivedState()
    values = [InputValue(one / 100, one * 30 * SECOND, 0 if one % 7 else suspect) for one in range(70)]
    state.set_values("water_level", 0, values)
    state.note_missing_value("water_level", 0, LEVEL)
    is_left = state.is_left_to_storage("rate_of_rise", values[-1].time, LEVEL)
    assert is_left == bool(suspect), "64 values count: there are 69, of which some may be suspect"


def test_a_restart_keeps_the_failed_inputs() -> None:
    state = DerivedState()
    state.on_window("pm10", hour(1, 20.0, 0), AIR)
    derived_values(state, "air", AIR)
    state.on_window("pm10", hour(1, 20.0, HOUR, STUCK), AIR)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=DerivedState)
    assert derived_values(state, "air", AIR)["lki"].flags == STUCK
