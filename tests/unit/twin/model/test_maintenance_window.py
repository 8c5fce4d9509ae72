"""What a maintenance window covers in a city, and that the order of values does not matter for its flags."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from tests.support.cities.canal_city import canal_plan
from twin.instant import HOUR, INSTANT_MAX, MINUTE, parse_instant
from twin.model.calibration import Maintenance
from twin.model.city_model import CityModel
from twin.model.maintenance_window import MaintenanceWindow
from twin.model.observation import Observation
from twin.model.recurrence import Recurrence
from twin.quality.quality_flags import QualityFlag
from twin.state.datastream_history import assess_history
from twin.state.datastream_state import DatastreamState

START = parse_instant("2026-03-27T22:00:00+01:00")
NIGHTLY = MaintenanceWindow(
    id="nightly",
    title="Nightly",
    areas=("city",),
    properties=("water_level",),
    start=START,
    end=START + 8 * HOUR,
    recurrence=Recurrence(rule="FREQ=DAILY"),
)


def city(*windows: MaintenanceWindow, maintenance: tuple[Maintenance, ...] = ()) -> CityModel:
    model = canal_plan(maintenance=maintenance).model(1)
    return replace(model, maintenance_windows={one.id: one for one in windows})


def covered(window: MaintenanceWindow) -> set[str]:
    model = city(window)
    return {one.property for one in model.datastreams.values() if model.windows_of(one)}


def test_what_a_window_covers() -> None:
    once = MaintenanceWindow(id="w", title="W", start=START)
    as_area = MaintenanceWindow(id="w", title="W", start=START, areas=("canal",))
    assert covered(MaintenanceWindow(id="w", title="W", start=START, sensors=("s2",))) == {"power_import"}
    assert covered(as_area) == {"water_level", "depth"}
    assert covered(MaintenanceWindow(id="w", title="W", start=START, entities=("city",))) == set()
    assert covered(MaintenanceWindow(id="w", title="W", start=START, areas=("city",))) == {
        "water_level",
        "depth",
        "power_import",
    }
    assert covered(NIGHTLY) == {"water_level"}
    assert covered(once) == set()


def test_a_datastream_without_maintenance_has_no_schedule() -> None:
    model = city(NIGHTLY)
    policies = {one.property: model.policy_of(one).maintenance for one in model.datastreams.values()}
    assert policies["water_level"] is not None
    assert (policies["depth"], policies["power_import"]) == (None, None)


def test_a_title_does_not_change_the_policy_and_a_time_does() -> None:
    stream = next(iter(city().datastreams.values()))
    renamed = city(MaintenanceWindow(id="w", title="A", sensors=("s1",), start=START))
    same = city(MaintenanceWindow(id="w", title="B", note="b", sensors=("s1",), start=START))
    longer = city(MaintenanceWindow(id="w", title="A", sensors=("s1",), start=START, end=START + HOUR))
    assert renamed.policy_of(stream) == same.policy_of(stream) != longer.policy_of(stream)


def test_a_sensor_is_in_maintenance_while_all_that_it_observes_is() -> None:
    half = city(NIGHTLY)
    assert not half.maintenance_of_sensor("s1").includes(START)
    whole = city(MaintenanceWindow(id="w", title="W", entities=("canal",), start=START))
    assert whole.maintenance_of_sensor("s1").includes(START)
    assert not whole.maintenance_of_sensor("s2").includes(START)
    assert not whole.maintenance_of_sensor("gone").includes(START)
    both = city(NIGHTLY, maintenance=(Maintenance(sensor="s1", start=START, end=INSTANT_MAX),))
    assert both.maintenance_of_sensor("s1").includes(START + 400 * HOUR)


def test_the_flags_of_occurrences_are_the_same_in_any_order() -> None:
    """In the stream as in history, over the night in which the clocks are put forward."""
    model = city(NIGHTLY)
    stream = next(one for one in model.datastreams.values() if one.property == "water_level")
    policy = model.policy_of(stream)
    # The second night has seven hours.
    begin, night = START + 24 * HOUR, START + 47 * HOUR
    times = [begin - MINUTE, begin, begin + 7 * HOUR - MINUTE, begin + 7 * HOUR, night]
    observations = [
        Observation(stream.id, time, night + MINUTE, 1.0 + index / 8) for index, time in enumerate(times)
    ]
    wanted = {
        one.phenomenon_time: bool(one.flags & QualityFlag.MAINTENANCE)
        for one in assess_history(observations, policy)
    }
    assert list(wanted.values()) == [False, True, True, False, True]
    for order in permutations(observations):
        state = DatastreamState()
        found: dict[int, bool] = {}
        for one in order:
            outcome = state.observe(one, policy, night + HOUR)
            for time, flags in outcome.quality_results:
                found[time] = bool(flags & QualityFlag.MAINTENANCE)
        # Values without a flag have no result.
        assert {time for time, is_in in found.items() if is_in} == {t for t, is_in in wanted.items() if is_in}
