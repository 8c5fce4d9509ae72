"""`livetwin replay` warns of values that the city does not map before it plays a recording."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cli.commands.replay import LINES_MAX, unmapped_lines
from simulators.replay.recorded_data import RecordingError, Sample
from tests.support.cities.city_builder import CityBuilder, Observed
from tests.support.cities.small_cities import small_city
from twin.model.city_model import CityModel

GOOD = Sample(0, "level-1", "water_level", -0.4)


def city(**changes: Any) -> CityModel:
    """Return the small city, with a changed sensor."""
    model = small_city()
    sensors = dict(model.sensors)
    sensors["noise-1"] = replace(sensors["noise-1"], **changes)
    return replace(model, sensors=sensors)


def test_mapped_values_give_no_warning() -> None:
    assert unmapped_lines([GOOD, GOOD], city()) == []
    assert unmapped_lines([], city()) == []


def test_the_warning_of_an_unknown_sensor_says_what_to_do() -> None:
    (line,) = unmapped_lines([GOOD, Sample(0, "WL-0412", "H.meting", 1.0)], city())
    assert line == (
        "WL-0412 (1 values) is no sensor of town: add it to sensors.yaml with feed native, or map it with "
        "--map WL-0412=SENSOR"
    )


def test_the_warning_of_an_unknown_field_names_what_the_sensor_observes() -> None:
    (line,) = unmapped_lines([GOOD, Sample(0, "level-1", "H.meting", 1.0)], city())
    assert line.startswith(
        "level-1 observes water_level (water_level, m); the 1 values of H.meting are not stored. "
    )
    assert "name it with --field H.meting=NAME" in line


def test_a_field_that_declares_others_valid_gives_no_warning() -> None:
    road = CityBuilder().entity("town", "Municipality").entity("town.road", "Road")
    model = road.sensor("telraam-1", "town.road", Observed("vehicle_count", field="car")).model()
    values = {"car": 12.0, "uptime": 0.9}
    assert unmapped_lines([Sample(0, "telraam-1", *one) for one in values.items()], model) == []


@pytest.mark.parametrize("field", ["temperature", "water_level_raw", "Water_level", "level"])
def test_no_warning_proposes_a_mapping_that_might_change_the_quantity(field: str) -> None:
    (line,) = unmapped_lines([GOOD, Sample(0, "level-1", field, 1.0)], city())
    assert f"{field}=water_level" not in line


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"device": "mic-7"}, "--map noise-1=mic-7"),
        ({"feed": "ttn"}, "has feed ttn, but a recording is played to sensors of feed native"),
    ],
)
def test_a_sensor_that_a_recording_does_not_reach_gives_a_warning(
    changes: dict[str, str], expected: str
) -> None:
    (line,) = unmapped_lines([GOOD, Sample(0, "noise-1", "noise_level", 1.0)], city(**changes))
    assert expected in line


def test_a_recording_without_any_mapped_value_is_refused() -> None:
    with pytest.raises(RecordingError, match="the city maps no value of the recording: WL-0412"):
        unmapped_lines([Sample(0, "WL-0412", "H.meting", 1.0)], city())


def test_the_number_of_warnings_is_bounded() -> None:
    lines = unmapped_lines([GOOD, *(Sample(0, f"x-{n}", "y", 1.0) for n in range(30))], city())
    assert len(lines) == LINES_MAX + 1
    assert lines[-1] == "and 20 more"
