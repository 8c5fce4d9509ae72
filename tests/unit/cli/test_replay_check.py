"""What of a recording has no place in the city is told before it is played."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.commands.replay import LINES_MAX, unmapped_lines
from simulators.replay.recorded_data import RecordingError, Sample
from tests.support.cities.small_cities import small_city
from twin.model.city_model import CityModel

GOOD = Sample(0, "level-1", "water_level", -0.4)


def city(**changes: str) -> CityModel:
    """Return the small city, with a sensor that is another's."""
    model = small_city()
    sensors = dict(model.sensors)
    sensors["noise-1"] = replace(sensors["noise-1"], **changes)
    return replace(model, sensors=sensors)


def test_nothing_is_told_of_what_the_city_knows() -> None:
    assert unmapped_lines([GOOD, GOOD], city()) == []
    assert unmapped_lines([], city()) == []


def test_an_unknown_sensor_is_told_with_what_to_do() -> None:
    (line,) = unmapped_lines([GOOD, Sample(0, "WL-0412", "H.meting", 1.0)], city())
    assert line == (
        "WL-0412 (1 values) is no sensor of town: add it to sensors.yaml with feed native, or say which one "
        "it is with --map WL-0412=SENSOR"
    )


def test_an_unknown_field_is_told_with_what_the_sensor_observes() -> None:
    (line,) = unmapped_lines([GOOD, Sample(0, "level-1", "H.meting", 1.0)], city())
    assert line.startswith("level-1 observes water_level, the recording holds 1 values of H.meting: say ")
    assert "--field H.meting=water_level" in line


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"device": "mic-7"}, "--map noise-1=mic-7"),
        ({"feed": "ttn"}, "is a sensor of feed ttn, and a recording is played to those of feed native"),
    ],
)
def test_a_sensor_that_a_recording_does_not_reach_is_told(changes: dict[str, str], told: str) -> None:
    (line,) = unmapped_lines([GOOD, Sample(0, "noise-1", "noise_level", 1.0)], city(**changes))
    assert told in line


def test_a_recording_that_has_no_place_at_all_is_refused() -> None:
    with pytest.raises(RecordingError, match="nothing in the recording has a place in the city: WL-0412"):
        unmapped_lines([Sample(0, "WL-0412", "H.meting", 1.0)], city())


def test_not_more_is_told_than_one_reads() -> None:
    found = unmapped_lines([GOOD, *(Sample(0, f"x-{n}", "y", 1.0) for n in range(30))], city())
    assert len(found) == LINES_MAX + 1
    assert found[-1] == "and 20 more such"
