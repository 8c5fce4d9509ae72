"""The European air-quality index of 2024."""

from __future__ import annotations

import pytest

from twin.indicators import eaqi

EDGES = [
    (pollutant, edge, level)
    for pollutant, edges in eaqi.EDGES.items()
    for level, edge in enumerate(edges, start=1)
]


@pytest.mark.parametrize(("pollutant", "edge", "level"), EDGES)
def test_an_edge_has_the_better_level_and_what_is_above_it_the_worse(
    pollutant: str, edge: float, level: int
) -> None:
    assert eaqi.eaqi({pollutant: edge}).level == level
    assert eaqi.eaqi({pollutant: edge + 0.01}).level == level + 1


def test_the_worst_pollutant_decides() -> None:
    found = eaqi.eaqi({"pm2_5": 16, "pm10": 16, "no2": 26, "o3": 61, "so2": 3})
    assert found == eaqi.Eaqi(3, ("pm2_5", "no2"))


@pytest.mark.parametrize("missing", eaqi.EDGES)
def test_any_pollutant_may_be_missing(missing: str) -> None:
    means = {"pm2_5": 1.0, "pm10": 20.0, "no2": 30.0, "o3": 130.0, "so2": 200.0}
    levels = {"pm2_5": 1, "pm10": 2, "no2": 3, "o3": 4, "so2": 5}
    del means[missing], levels[missing]
    assert eaqi.eaqi(means).level == max(levels.values())


def test_a_negative_hour_is_good() -> None:
    assert eaqi.eaqi({"pm10": -15.8}).level == 1


def test_without_any_pollutant_there_is_no_index() -> None:
    with pytest.raises(ValueError, match="no pollutant of the EAQI"):
        eaqi.eaqi({"co2": 420.0})


def test_the_hourly_edges_are_not_those_of_the_classic_set() -> None:
    assert eaqi.eaqi({"pm2_5": 8}).level == 2  # good in the classic set, whose first edge is 10
