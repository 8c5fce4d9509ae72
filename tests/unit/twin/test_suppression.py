"""Sums along the tree of areas, and what overlapping areas would give away."""

from __future__ import annotations

import random

import pytest

from twin.cohort import BREAK, Published
from twin.instant import DAY, HOUR, MINUTE
from twin.privacy_risks import Risk, differencing_risks
from twin.suppression import HANDED_UP_KEPT, AreaSeries, Part, rolled_up, series_sizes

WINDOW = 10 * MINUTE


def households(first: int, count: int, value: float = 1.0) -> dict[int, float]:
    return dict.fromkeys(range(first, first + count), value)


def test_an_area_of_enough_stands_alone_and_its_parent_is_the_same_sum() -> None:
    _, child = rolled_up("east", None, households(0, 12), [], WINDOW, size=12)
    assert child == Part("east", WINDOW, Published(WINDOW, 12.0, 12, 0), {})
    _, parent = rolled_up("city", None, {}, [child], WINDOW, size=0)
    assert parent.published == child.published


def test_areas_of_few_are_pooled_by_the_area_above() -> None:
    parts = [
        rolled_up(name, None, households(100 * number, 6), [], WINDOW, size=6)[1]
        for number, name in enumerate(("east", "west"))
    ]
    assert [one.published for one in parts] == [None, None]
    large = rolled_up("north", None, households(900, 20), [], WINDOW, size=20)[1]
    _, city = rolled_up("city", None, {}, [*parts, large], WINDOW, size=12)
    assert city.published == Published(WINDOW, 32.0, 32, 0)


def test_a_pool_of_few_is_left_out_of_the_parent_too() -> None:
    small = rolled_up("east", None, households(0, 9), [], WINDOW, size=9)[1]
    large = rolled_up("north", None, households(900, 20), [], WINDOW, size=20)[1]
    _, city = rolled_up("city", None, {}, [small, large], WINDOW, size=9)
    assert city.published == Published(WINDOW, 20.0, 20, 0)
    assert city.pooled == small.pooled


def test_a_large_area_that_is_silent_is_not_pooled() -> None:
    silent = rolled_up("east", None, households(0, 9), [], WINDOW, size=12)[1]
    assert silent == Part("east", WINDOW, None, {})


def test_an_area_that_grew_is_not_published_while_its_connections_may_be_counted_above() -> None:
    series, part = rolled_up("east", None, households(0, 9), [], WINDOW, size=9)
    assert part.pooled
    grown = households(0, 30)
    series, part = rolled_up("east", series, grown, [], 2 * WINDOW, size=30)
    assert (part.published, part.pooled) == (None, {})
    series, part = rolled_up("east", series, grown, [], HANDED_UP_KEPT, size=30)
    assert part.published is None
    _, part = rolled_up("east", series, grown, [], WINDOW + HANDED_UP_KEPT, size=30)
    assert part.published is not None


def test_an_area_that_grew_waits_a_break_after_the_area_above_has_counted_its_connections_last() -> None:
    own, small, grown = households(100, 12), households(0, 9), households(0, 30)
    east: AreaSeries | None = None
    city: AreaSeries | None = None
    above, below = [], []
    for window in range(0, 4 * DAY, HOUR):
        readings = grown if window else small
        east, part = rolled_up("east", east, readings, [], window, size=len(readings))
        city, whole = rolled_up("city", city, own, [part], window, size=12 if window else 21)
        if part.published is not None:
            below.append(window)
        elif whole.published is not None and whole.published.count == 21:
            above.append(window)
    assert above[-1] == DAY
    assert below[0] - above[-1] == BREAK


def test_an_area_that_shrank_is_not_pooled_while_it_was_published_less_than_a_break_ago() -> None:
    series, _ = rolled_up("east", None, households(0, 12), [], WINDOW, size=12)
    left = households(0, 8)
    series, part = rolled_up("east", series, left, [], BREAK, size=8)
    assert (part.published, part.pooled) == (None, {})
    _, part = rolled_up("east", series, left, [], WINDOW + BREAK, size=8)
    assert part.pooled == left


def test_a_part_of_another_window_is_a_fault() -> None:
    part = rolled_up("east", None, households(0, 9), [], WINDOW, size=9)[1]
    with pytest.raises(ValueError, match=r"'east' is of window 600000000, expected 1200000000"):
        rolled_up("city", None, {}, [part], 2 * WINDOW, size=9)


def test_a_connection_in_two_areas_is_a_fault() -> None:
    part = rolled_up("east", None, households(0, 9), [], WINDOW, size=9)[1]
    with pytest.raises(ValueError, match="connection 8 is in 'east'"):
        rolled_up("city", AreaSeries(), households(8, 20), [part], WINDOW, size=29)


def test_what_is_too_few_goes_up_until_it_is_enough() -> None:
    parents = {"city": None, "d": "city", "e": "city", "d1": "d", "d2": "d", "e1": "e"}
    own = {"d1": 4, "d2": 5, "e1": 3, "e": 1}
    assert series_sizes(parents, own) == {"city": 13, "d": 9, "e": 4, "d1": 4, "d2": 5, "e1": 3}


# --- what an attacker could compute ---


def group(first: int, count: int) -> frozenset[int]:
    return frozenset(range(first, first + count))


def test_disjoint_areas_of_enough_and_their_sum_are_no_risk() -> None:
    east, west = group(0, 10), group(10, 11)
    assert differencing_risks({"east": east, "west": west, "city": east | west}) == []


def test_an_area_of_few_is_a_risk() -> None:
    assert differencing_risks({"lane": group(0, 9)}) == [Risk(("lane",), group(0, 9))]


def test_areas_that_overlap_nearly_wholly_are_a_risk() -> None:
    (risk,) = differencing_risks({"grid": group(0, 30), "quarter": group(4, 30)})
    assert risk == Risk(("grid", "quarter"), group(0, 4) | group(30, 4))


def test_a_rest_that_only_several_areas_together_leave_is_a_risk() -> None:
    areas = {
        "a": group(0, 20),
        "b": group(20, 20),
        "c": group(40, 20),
        "city": group(0, 63),
    }
    assert differencing_risks(areas) == [Risk(("a", "b", "c", "city"), group(60, 3))]


def test_two_ways_to_cut_a_city_are_a_risk_where_their_unions_nearly_meet() -> None:
    areas = {
        "left": group(0, 40),
        "right": group(40, 41),
        "upper": group(0, 20) | group(40, 20),
        "lower": group(20, 20) | group(60, 20),
    }
    (risk,) = differencing_risks(areas)
    assert risk == Risk(("left", "lower", "right", "upper"), frozenset({80}))


def test_every_connection_that_can_be_isolated_is_found_among_many_areas() -> None:
    dice = random.Random(7)
    cells = [group(100 * number, 12) for number in range(40)]
    areas = {
        f"area-{number}": frozenset().union(*dice.sample(cells, dice.randint(1, 6))) for number in range(30)
    }
    assert differencing_risks(areas) == []
    areas["area-31"] = areas["area-3"] | {99_999}
    assert Risk(("area-3", "area-31"), frozenset({99_999})) in differencing_risks(areas)
