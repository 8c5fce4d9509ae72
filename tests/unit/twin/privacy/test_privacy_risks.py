"""What overlapping areas would reveal: the attacker of the property tests of privacy."""

from __future__ import annotations

import random

from tests.support.oracles.differencing_risks import DifferencingRisk, differencing_risks


def group(first: int, count: int) -> frozenset[int]:
    return frozenset(range(first, first + count))


def test_disjoint_areas_of_enough_and_their_sum_are_no_risk() -> None:
    east, west = group(0, 10), group(10, 11)
    assert differencing_risks({"east": east, "west": west, "city": east | west}) == []


def test_an_area_of_few_connections_is_a_risk() -> None:
    assert differencing_risks({"lane": group(0, 9)}) == [DifferencingRisk(("lane",), group(0, 9))]


def test_areas_that_overlap_almost_completely_are_a_risk() -> None:
    (risk,) = differencing_risks({"grid": group(0, 30), "quarter": group(4, 30)})
    assert risk == DifferencingRisk(("grid", "quarter"), group(0, 4) | group(30, 4))


def test_a_rest_that_only_several_areas_together_leave_is_a_risk() -> None:
    areas = {
        "a": group(0, 20),
        "b": group(20, 20),
        "c": group(40, 20),
        "city": group(0, 63),
    }
    assert differencing_risks(areas) == [DifferencingRisk(("a", "b", "c", "city"), group(60, 3))]


def test_two_divisions_of_a_city_are_a_risk_where_their_unions_are_nearly_equal() -> None:
    areas = {
        "left": group(0, 40),
        "right": group(40, 41),
        "upper": group(0, 20) | group(40, 20),
        "lower": group(20, 20) | group(60, 20),
    }
    (risk,) = differencing_risks(areas)
    assert risk == DifferencingRisk(("left", "lower", "right", "upper"), frozenset({80}))


def test_every_connection_that_can_be_isolated_is_found_among_many_areas() -> None:
    dice = random.Random(7)
    cells = [group(100 * number, 12) for number in range(40)]
    areas = {
        f"area-{number}": frozenset().union(*dice.sample(cells, dice.randint(1, 6))) for number in range(30)
    }
    assert differencing_risks(areas) == []
    areas["area-31"] = areas["area-3"] | {99_999}
    assert DifferencingRisk(("area-3", "area-31"), frozenset({99_999})) in differencing_risks(areas)
