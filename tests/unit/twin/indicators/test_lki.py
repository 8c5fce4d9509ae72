"""The Dutch air-quality index."""

from __future__ import annotations

import pytest

from twin.indicators import lki

# Published class of each pollutant alone on either side of every edge, from the table of RIVM 2014-0050.
EDGES = [
    (pollutant, edge, index)
    for pollutant, edges in lki.EDGES.items()
    for index, edge in enumerate(edges, start=1)
]


@pytest.mark.parametrize(
    ("means", "value", "published"),
    [
        ({"o3": 124, "pm10": 18, "no2": 6, "pm2_5": 7}, 6.6, 7),
        ({"o3": 90, "pm10": 37, "pm2_5": 25, "no2": 25}, 5.5, 6),
    ],
)
def test_the_index_of_known_hours(means: dict[str, float], value: float, published: int) -> None:
    found = lki.lki(means)
    assert found.value == pytest.approx(value)
    assert found.published == published
    assert found.pollutants == ("o3",)


@pytest.mark.parametrize(
    ("no2", "o3", "pm10", "pm2_5", "published"),
    [(15, 35, 4, 45, 6), (100, 58, 101, 99, 9), (1, 0, 0, 2, 2), (201, 201, 101, 110, 11)],
)
def test_it_agrees_with_the_published_examples_of_con2lki(
    no2: float, o3: float, pm10: float, pm2_5: float, published: int
) -> None:
    """All but the example with concentrations on an edge, which con2lki assigns to the higher class."""
    assert lki.lki({"no2": no2, "o3": o3, "pm10": pm10, "pm2_5": pm2_5}).published == published


@pytest.mark.parametrize(("pollutant", "edge", "index"), EDGES)
def test_an_edge_has_the_lower_class_and_what_is_above_it_the_higher(
    pollutant: str, edge: float, index: int
) -> None:
    assert lki.lki({pollutant: edge}).published == index
    assert lki.lki({pollutant: edge + 0.01}).published == index + 1


@pytest.mark.parametrize("pollutant", lki.EDGES)
def test_a_negative_hour_counts_as_zero(pollutant: str) -> None:
    assert lki.lki({pollutant: -15.8}) == lki.lki({pollutant: 0.0})
    assert lki.lki({pollutant: -15.8}).published == 1


@pytest.mark.parametrize("missing", lki.EDGES)
def test_any_pollutant_may_be_missing(missing: str) -> None:
    means = {"pm2_5": 45.0, "pm10": 80.0, "no2": 160.0, "o3": 250.0}
    classes = {"pm2_5": 6, "pm10": 8, "no2": 10, "o3": 11}
    del means[missing], classes[missing]
    found = lki.lki(means)
    assert found.published == max(classes.values())
    assert found.pollutants == (max(classes, key=classes.__getitem__),)


def test_without_any_pollutant_there_is_no_index() -> None:
    with pytest.raises(ValueError, match=r"no pollutant of the LKI among \['so2'\]"):
        lki.lki({"so2": 3.0})


def test_pollutants_that_all_agree_make_it_one_higher() -> None:
    assert lki.lki({"pm2_5": 12, "pm10": 12, "no2": 12, "o3": 20}).published == 3
    assert lki.lki({"pm2_5": 12, "pm10": 12, "no2": 12, "o3": 31}).published == 3
    assert lki.lki({"pm2_5": 12, "pm10": 12, "no2": 12}).value == pytest.approx(2.4)


def test_one_pollutant_alone_does_not_agree_with_itself() -> None:
    assert lki.lki({"pm2_5": 12}).published == 2


def test_the_index_never_exceeds_eleven() -> None:
    found = lki.lki({"pm2_5": 900, "pm10": 900, "no2": 900, "o3": 900})
    assert (found.value, found.published) == (11.0, 11)
