"""Values that another field of the same message declares invalid are kept, with an unusable flag."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulators.replay.recorded_data import ReadOptions
from simulators.replay.recording import build_recording, read_files
from tests.support.cities.city_builder import CityBuilder, Observed
from tests.support.pipelines.intake import make_intake, make_message
from twin.instant import HOUR
from twin.model.city_model import CityFeed, CityModel
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.quality.valid_when import ValidWhen

TOPIC = "livetwin/town/telraam-1/observations"


def counter_city(condition: ValidWhen | None = None, feed: str = "native") -> CityModel:
    """Return a road with a counter of cars and bicycles, and a thermometer beside it."""
    return (
        CityBuilder()
        .entity("town", "Municipality")
        .entity("town.road", "Road")
        .sensor(
            "telraam-1",
            "town.road",
            Observed("vehicle_count", "1", "car", valid_when=condition),
            Observed("bicycle_count", "1", "bike"),
            Observed("air_temperature", "Cel", "temperature"),
            feed=feed,
            interval=HOUR,
        )
        .model(
            feeds=(CityFeed(id="counters", filter="counters/+/json", decoder="json_fields", device_level=1),)
        )
    )


def flags_of(payload: Any, model: CityModel | None = None, topic: str = TOPIC) -> list[tuple[float, int]]:
    """Return value and flags of each observation of a message."""
    taken = make_intake(model or counter_city()).process(make_message(json.dumps(payload).encode(), topic))
    assert taken.quarantined is None
    return [(one.value, one.flags) for one in taken.observations]


def row(hour: int, **values: float) -> dict[str, Any]:
    return {"time": f"2026-11-23T{hour:02}:00:00Z", "values": values}


def test_counts_of_an_hour_without_uptime_are_stored_and_not_used() -> None:
    found = flags_of(row(8, uptime=0, car=0, bike=0, temperature=4.5))
    assert found == [(0.0, QualityFlag.SOURCE_DOUBTFUL), (0.0, QualityFlag.SOURCE_DOUBTFUL), (4.5, 0)]
    assert not is_usable(found[0][1])


def test_counts_of_an_hour_with_uptime_or_of_another_device_are_good() -> None:
    assert flags_of(row(8, uptime=0.2, car=138, bike=12)) == [(138.0, 0), (12.0, 0)]
    assert flags_of(row(8, car=0, bike=1)) == [(0.0, 0), (1.0, 0)]
    assert flags_of({"values": {"uptime": "3 days", "car": 7}}) == [(7.0, QualityFlag.TIME_OF_RECEPTION)]


def test_the_condition_is_read_at_the_time_of_the_value() -> None:
    rows = [row(7, car=210, uptime=0.9), row(8, car=0, uptime=0), row(9, car=180, uptime=1)]
    assert flags_of(rows) == [(210.0, 0), (0.0, QualityFlag.SOURCE_DOUBTFUL), (180.0, 0)]


def test_the_mean_of_a_month_leaves_the_hours_without_uptime_out() -> None:
    """One hour of three without uptime turns 216 vehicles an hour into 144."""
    hours = [row(hour, car=216, uptime=1) if hour % 3 else row(hour, car=0, uptime=0) for hour in range(9)]
    usable = [value for value, flags in flags_of(hours) if is_usable(flags)]
    assert sum(usable) / len(usable) == 216


def test_a_replayed_month_of_a_telraam_has_the_mean_of_the_hours_that_it_watched(tmp_path: Path) -> None:
    """Hours with uptime 0 carry zeros: with them the mean is 146 instead of 216 vehicles an hour."""
    lines = ["segment_id,date,uptime,car,bike"]
    for hour in range(720):
        watched = hour % 40 < 27
        lines.append(
            f"9000010417,2026-05-{1 + hour // 24:02}T{hour % 24:02}:00:00.000Z,{0.9 * watched},"
            f"{216.0 * watched},{12.0 * watched}"
        )
    (tmp_path / "month.csv").write_text("\n".join(lines))
    options = ReadOptions(sensors={"9000010417": "telraam-1"}, sensor_column="segment_id", time_column="date")
    recording = build_recording(read_files([tmp_path / "month.csv"], options), city="town")
    intake = make_intake(counter_city())
    found = [
        observation
        for message in recording.messages
        for observation in intake.process(
            make_message(message.payload, message.topic, message.time)
        ).observations
        if observation.datastream == 1
    ]
    usable = [one.value for one in found if is_usable(one.flags)]
    assert len(found) == 720
    assert sum(one.value for one in found) / len(found) == pytest.approx(146, abs=1)
    assert sum(usable) / len(usable) == 216


def test_the_mapping_of_a_sensor_adds_its_own_condition() -> None:
    model = counter_city(ValidWhen(field="status", one_of=(0.0, 2.0)))
    assert flags_of(row(8, uptime=1, status=2, car=5, bike=6), model) == [(5.0, 0), (6.0, 0)]
    doubtful = [(5.0, QualityFlag.SOURCE_DOUBTFUL), (6.0, 0)]
    assert flags_of(row(8, uptime=1, status=3, car=5, bike=6), model) == doubtful
    assert flags_of(row(8, uptime=0, status=2, car=5), model) == doubtful[:1]


@pytest.mark.parametrize(("required", "flags"), [(False, 0), (True, QualityFlag.SOURCE_DOUBTFUL)])
def test_a_message_without_the_field_is_valid_unless_it_is_required(required: bool, flags: int) -> None:
    model = counter_city(ValidWhen(field="status", maximum=3, required=required))
    assert flags_of(row(8, car=5), model) == [(5.0, flags)]


def test_any_feed_can_have_conditions() -> None:
    model = counter_city(feed="counters")
    payload = {"time": "2026-11-23T08:00:00Z", "uptime": 0.0, "car": 0.0}
    assert flags_of(payload, model, "counters/telraam-1/json") == [(0.0, QualityFlag.SOURCE_DOUBTFUL)]
