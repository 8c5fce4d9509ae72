"""The live view: revisions, replays, seeds."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.view import LiveView, Seed
from twin.freshness import live_for, stale_for
from twin.instant import MINUTE, SECOND
from twin.model import CityModel

NOW = 1_795_435_200_000_000
LIVE, STALE = live_for(10 * MINUTE), stale_for(10 * MINUTE)


def test_a_revision_that_is_known_is_dropped(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    assert view.apply(make_update(1, 1, 10.0), NOW) is not None
    assert view.apply(make_update(2, 2, 20.0), NOW) is not None
    assert view.apply(make_update(1, 1, 11.0), NOW) is None
    assert view.apply(make_update(1, 2, 12.0), NOW) is None
    known = view.entity("city.east.hill")
    assert known is not None
    assert known.properties["pm2_5"].update.value == 10.0
    assert known.revision == 2


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


def test_a_seeded_view_drops_what_the_seed_holds(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    view.reset(Seed(updates=(make_update(1, 7),), revisions={"city.east.hill": 9}), NOW)
    assert view.apply(make_update(2, 9), NOW) is None
    assert view.apply(make_update(2, 10), NOW) is not None


def test_merging_takes_what_is_newer_and_loses_no_update_to_come(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    view.apply(make_update(1, 5, 5.0), NOW)
    changed = view.merge(Seed(updates=(make_update(1, 4, 4.0), make_update(2, 8, 8.0))), NOW)
    assert [one.update.revision for one in changed] == [8]
    assert view.apply(make_update(1, 6, 6.0), NOW) is not None
    assert view.apply(make_update(2, 7, 7.0), NOW) is None


def test_a_value_ages_from_live_to_stale_to_silent(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    value = view.apply(make_update(1, 1), NOW)
    assert value is not None
    assert view.sweep(NOW + LIVE) == []
    assert view.sweep(NOW + LIVE + 1) == [(NOW + LIVE + 1, value)]
    assert value.freshness == "stale"
    assert view.sweep(NOW + STALE) == []
    assert view.sweep(NOW + STALE + SECOND) == [(NOW + STALE + 1, value)]
    assert value.freshness == "silent"


def test_a_value_that_is_renewed_ages_later(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    view.apply(make_update(1, 1), NOW)
    value = view.apply(make_update(1, 2, measured=NOW + 10 * MINUTE), NOW + 10 * MINUTE)
    assert value is not None
    assert view.sweep(NOW + LIVE + MINUTE) == []
    assert value.freshness == "live"
    assert [one for _, one in view.sweep(NOW + LIVE + 11 * MINUTE)] == [value]


def test_the_heap_of_transitions_stays_as_small_as_the_view(model: CityModel, make_update: Any) -> None:
    view = LiveView(model)
    for number in range(1000):
        view.apply(make_update(1, number + 1, measured=NOW + number * SECOND), NOW + number * SECOND)
    assert len(view._due) == 1


def test_another_interval_makes_another_freshness(
    model: CityModel, slower_model: CityModel, make_update: Any
) -> None:
    view = LiveView(model)
    value = view.apply(make_update(1, 1), NOW + LIVE + MINUTE)
    assert value is not None
    assert value.freshness == "stale"
    assert view.remodel(slower_model, NOW + LIVE + MINUTE) == [value]
    assert value.freshness == "live"
