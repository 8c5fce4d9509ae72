"""The live view: revisions, replays, seeds."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from api.access.rights import PUBLIC
from api.entities.documents import state_model
from api.live.live_view import LiveView, ViewSeed
from twin.instant import HOUR, MINUTE, SECOND
from twin.model.city_model import CityModel
from twin.state.freshness import freshness, live_duration, stale_duration
from twin.wire.messages import UpdateKind

NOW = 1_795_435_200_000_000
LIVE, STALE = live_duration(10 * MINUTE), stale_duration(10 * MINUTE)


def test_a_known_revision_is_dropped(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    assert view.apply(make_update(1, 1, 10.0), NOW) is not None
    assert view.apply(make_update(2, 2, 20.0), NOW) is not None
    assert view.apply(make_update(1, 1, 11.0), NOW) is None
    assert view.apply(make_update(2, 2, 12.0), NOW) is None
    state = view.entity("city.east.hill")
    assert state is not None
    assert state.values["pm2_5"].update.value == 10.0
    assert state.revision == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 9), max_size=6))
def test_replays_change_nothing(model: CityModel, make_update: Any, cuts: list[int]) -> None:
    updates = [make_update(number % 3 + 1, number + 1, float(number)) for number in range(10)]
    once, again = LiveView(model), LiveView(model)
    taken = [one for one in updates if once.apply(one, NOW)]
    with_replays = list(updates)
    for cut in cuts:
        with_replays += updates[cut:]
    assert [one for one in with_replays if again.apply(one, NOW)] == taken == updates
    assert [one.update for one in again.values()] == [one.update for one in once.values()]


def test_a_seeded_view_drops_updates_of_the_seed(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    view.reset(ViewSeed(updates=(make_update(1, 7), make_update(2, 9))), NOW)
    assert view.apply(make_update(2, 9), NOW) is None
    assert view.apply(make_update(1, 7), NOW) is None
    assert view.apply(make_update(2, 10), NOW) is not None


def test_merging_takes_newer_values_and_later_updates_still_apply(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    view.apply(make_update(1, 5, 5.0), NOW)
    changed = view.merge(ViewSeed(updates=(make_update(1, 4, 4.0), make_update(2, 8, 8.0))), NOW)
    assert [one.update.revision for one in changed] == [8]
    assert view.apply(make_update(1, 6, 6.0), NOW) is not None
    assert view.apply(make_update(2, 7, 7.0), NOW) is None


def test_observed_values_and_roll_ups_of_an_area_have_separate_revisions(
    model: CityModel, make_update: Any, make_derived: Any
) -> None:
    view = LiveView(model)
    assert view.apply(make_update(1, 50), NOW) is not None
    assert view.apply(make_derived("city.east.hill", "area_pm2_5", 1), NOW) is not None
    assert view.apply(make_derived("city.east.hill", "area_pm2_5", 1), NOW) is None
    assert view.apply(make_update(2, 51), NOW) is not None
    state = view.entity("city.east.hill")
    assert state is not None
    assert state.revision == 51
    assert state.datastreams.keys() == {1, 2}


def test_an_update_of_a_household_changes_only_its_datastream(
    model: CityModel, make_update: Any, make_derived: Any
) -> None:
    view = LiveView(model)
    view.apply(make_derived("city.house", "power_import", 1, 41.5, (5,)), NOW)
    for revision, value in ((2, 0.4), (3, 0.5), (2, 0.4)):
        personal = structs.replace(make_update(5, revision, value), value=nan, kind=UpdateKind.PERSONAL)
        assert view.apply(personal, NOW) is None
    state = view.entity("city.house")
    assert state is not None
    assert state.datastreams[5].value == 0.5
    assert state.values["power_import"].update.value == 41.5
    assert len(view) == 1


def test_a_value_combined_from_households_is_hidden(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    value = view.apply(make_update(5, 1, 0.4), NOW)
    assert value is not None
    assert value.freshness is None


def test_a_value_that_was_withdrawn_is_hidden_until_the_next(model: CityModel, make_derived: Any) -> None:
    view = LiveView(model)
    first, second, third = (make_derived("city.east.hill", "pm2_5_24h", number) for number in (1, 2, 3))
    view.apply(first, NOW)
    hidden = view.apply(structs.replace(second, value=nan), NOW)
    assert hidden is not None
    assert hidden.freshness is None
    assert view.freshness_of(hidden, NOW) is None
    assert state_model(model.entities["city.east.hill"], view, NOW, PUBLIC).indicators == {}
    shown = view.apply(third, NOW)
    assert shown is not None
    assert shown.freshness == "live"


def test_the_freshness_of_an_indicator_follows_its_interval(model: CityModel, make_derived: Any) -> None:
    view = LiveView(model)
    update = make_derived("city.east.hill", "pm2_5_24h", 1)
    assert view.expected_interval(structs.replace(update, interval=2 * HOUR)) == 2 * HOUR
    # The stored update has no interval: an hourly mean is made every hour.
    assert view.expected_interval(update) == HOUR
    assert view.expected_interval(make_derived("city.east.hill", "pm9_24h", 1)) is None
    assert view.expected_interval(make_derived("city", "area_pm2_5", 1)) == 10 * MINUTE
    assert view.expected_interval(make_derived("city.east.hill", "area_wind_direction", 1)) is None
    assert view.expected_interval(make_derived("city.house", "power_import", 1, 41.5, (5,))) == 10 * MINUTE


def test_a_value_ages_from_live_to_stale_to_silent(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    value = view.apply(make_update(1, 1), NOW)
    assert value is not None
    freshness: list[str | None] = []
    for time, aged in ((LIVE, []), (LIVE + 1, [(NOW + LIVE + 1, value)]), (STALE, [])):
        assert view.age_values(NOW + time) == aged
        freshness.append(value.freshness)
    assert view.age_values(NOW + STALE + SECOND) == [(NOW + STALE + 1, value)]
    assert [*freshness, value.freshness] == ["live", "stale", "stale", "silent"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(age=st.integers(-HOUR, STALE + HOUR) | st.sampled_from([LIVE, LIVE + 1, STALE, STALE + 1]))
def test_freshness_follows_the_age_of_a_value(model: CityModel, make_update: Any, age: int) -> None:
    view = LiveView(model)
    view.apply(make_update(1, 1), NOW)
    # Between two sweeps too: the view has not noticed yet.
    state = state_model(model.entities["city.east.hill"], view, NOW + age, PUBLIC)
    assert state.properties["pm2_5"].freshness == freshness(NOW, 10 * MINUTE, NOW + age)


def test_a_name_resolves_by_the_present_model(model: CityModel) -> None:
    view = LiveView(model)
    state = view.resolve_name("pm2_5")
    assert state is not None
    assert state.unit == "ug/m3"
    view.set_model(replace(model, properties={}), NOW)
    assert view.resolve_name("pm2_5") is None


def test_a_renewed_value_ages_later(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    view.apply(make_update(1, 1), NOW)
    value = view.apply(make_update(1, 2, measured=NOW + 10 * MINUTE), NOW + 10 * MINUTE)
    assert value is not None
    assert view.age_values(NOW + LIVE + MINUTE) == []
    assert value.freshness == "live"
    assert [one for _, one in view.age_values(NOW + LIVE + 11 * MINUTE)] == [value]


def test_the_heap_of_transitions_stays_as_small_as_the_view(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    for number in range(1000):
        view.apply(make_update(1, number + 1, measured=NOW + number * SECOND), NOW + number * SECOND)
    assert len(view._due) == 1


def test_another_interval_changes_the_freshness(
    model: CityModel, slower_model: CityModel, make_update: Any
) -> None:
    view = LiveView(model)
    value = view.apply(make_update(1, 1), NOW + LIVE + MINUTE)
    assert value is not None
    before: str | None = value.freshness
    assert view.set_model(slower_model, NOW + LIVE + MINUTE) == [value]
    assert (before, value.freshness) == ("stale", "live")
